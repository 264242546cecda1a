package export

import (
	"os"
	"path/filepath"
	"strings"

	"chrun/desktop/entry"
	"chrun/session"
	"chrun/session/rootfs"
)

// service says whether the D-Bus service of an app is exported: under the entry's
// own id, which it keeps, and only if nobody on the host has or starts that name.
// argv is what it runs.
func (w *wanted) service(a *App, id string) (ok bool, argv []string) {
	if !a.Entry.Bool("DBusActivatable") || id != a.ID || !busName(id) {
		return false, nil
	}
	argv = w.serviceExec(id)
	file := w.host.DataHome + "/dbus-1/services/" + id + ".service"
	_, ours := w.had.files[file]
	switch {
	case argv == nil:
		return false, nil
	case w.host.activatable(id, file):
		w.note(id, "is started by its Exec: the host has a D-Bus service of that name")
		return false, nil
	case !ours && w.host.Owned != nil && w.host.Owned(id):
		w.note(id, "is started by its Exec: a program has its D-Bus name now")
		return false, nil
	}
	return true, argv
}

// serviceExec is what the chroot's service of a name runs, or nil.
func (w *wanted) serviceExec(name string) []string {
	data, err := w.root.Read(rootfs.Path("/usr/share/dbus-1/services").Join(name + ".service"))
	if err != nil {
		return nil
	}
	keys := map[string]string{}
	group := ""
	for text := range strings.Lines(string(data)) {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "[") {
			group = text
		} else if k, v, ok := strings.Cut(text, "="); ok && group == "[D-BUS Service]" {
			keys[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	argv, err := entry.Split(keys["Exec"])
	if err != nil || len(argv) == 0 || keys["Name"] != name || strings.HasPrefix(argv[0], "-") {
		return nil
	}
	return argv
}

// activatable says whether the host's bus starts something for the name, but for
// the file that is ours.
func (h *Host) activatable(name, ours string) bool {
	dirs := []string{h.RuntimeDir + "/dbus-1/services", h.DataHome + "/dbus-1/services"}
	for _, d := range h.DataDirs {
		dirs = append(dirs, d+"/dbus-1/services")
	}
	for _, d := range dirs {
		files, _ := os.ReadDir(d)
		for _, f := range files {
			file := filepath.Join(d, f.Name())
			if file == ours || filepath.Ext(file) != ".service" {
				continue
			}
			if f.Name() == name+".service" {
				return true
			}
			data, err := os.ReadFile(file)
			if err == nil && strings.Contains("\n"+string(data)+"\n", "\nName="+name+"\n") {
				return true
			}
		}
	}
	return false
}

// serviceText is a service file. The bus reads Exec with a shell's quotes.
func serviceText(name string, words []entry.Word) []byte {
	argv := make([]string, len(words))
	for i, w := range words {
		argv[i] = strings.ReplaceAll(string(w), "%%", "%")
	}
	return []byte("[D-BUS Service]\nName=" + name + "\nExec=" + session.Quote(argv...) + "\n")
}

// busName says whether s is a well-known name (D-Bus Specification, "Bus names").
func busName(s string) bool {
	elements := strings.Split(s, ".")
	for _, e := range elements {
		if e == "" || '0' <= e[0] && e[0] <= '9' || strings.ContainsFunc(e, func(r rune) bool {
			return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || r == '_' || r == '-')
		}) {
			return false
		}
	}
	return len(elements) > 1 && len(s) <= 255
}
