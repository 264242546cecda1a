package export

import (
	"slices"
	"strings"

	"chrun/desktop/entry"
	"chrun/desktop/export/service"
)

// service says whether the D-Bus service of an app is exported: under the entry's
// own id, which it keeps, and only if nobody on the host has or starts that name.
// argv is what it runs.
func (w *wanted) service(a *App, id string) (ok bool, argv []string) {
	if !a.Entry.Bool("DBusActivatable") || id != a.ID {
		return false, nil
	}
	argv, ok = service.FindCommand(w.root, id)
	file := w.host.DataHome + "/dbus-1/services/" + id + ".service"
	_, ours := w.had.files[file]
	if !ok || strings.HasPrefix(argv[0], "-") {
		return false, nil
	}
	if _, starts := service.FindOnHost(slices.Concat([]string{w.host.DataHome}, w.host.DataDirs), w.host.RuntimeDir, id, file); starts {
		w.note(id, "is started by its Exec: the host has a D-Bus service of that name")
		return false, nil
	}
	if !ours && w.host.BusNameOwned != nil && w.host.BusNameOwned(id) {
		w.note(id, "is started by its Exec: a program has its D-Bus name now")
		return false, nil
	}
	return true, argv
}

// arguments are words as a program gets them: a bus knows no field codes.
func arguments(words []entry.Word) []string {
	argv := make([]string, len(words))
	for i, w := range words {
		argv[i] = strings.ReplaceAll(string(w), "%%", "%")
	}
	return argv
}
