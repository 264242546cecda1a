// Package service reads and writes D-Bus service files (D-Bus specification
// 0.41, "Message Bus Starting Services"): which program of a chroot answers
// for a name, whether the host has one already, and the file that starts the
// chroot's from the host. It does not talk to a bus: a name that is owned now
// is for the caller to find.
package service

import (
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"chrun/session/rootfs"
)

const (
	dir      = "dbus-1/services"
	maxFile  = 64 << 10 // bytes of a service file
	maxFiles = 5000     // of one directory
)

// FindCommand is the command of the chroot's service of that name, as the chroot's
// session bus would start it: NAME.service below /usr/local/share or
// /usr/share, which says Name=NAME. (dbus-daemon reads others' names too;
// dbus-broker does not.)
func FindCommand(root *rootfs.Root, name string) (argv []string, ok bool) {
	if !isValidName(name) {
		return nil, false
	}
	for _, data := range []rootfs.Path{"/usr/local/share", "/usr/share"} {
		p := data.Join(dir, name+".service")
		if st, err := root.Stat(p); err != nil || st.Size > maxFile {
			continue
		}
		text, err := root.Read(p)
		if err != nil {
			continue
		}
		if f, ok := parse(string(text)); ok && f.name == name {
			argv, err := SplitCommand(f.exec)
			return argv, err == nil
		}
	}
	return nil, false
}

// FindOnHost is the service file by which the host's session bus starts the
// name: of $XDG_RUNTIME_DIR (may be ""), then of the data directories,
// $XDG_DATA_HOME first. The file ours does not count.
func FindOnHost(dataDirs []string, runtimeDir, name, ours string) (file string, ok bool) {
	dirs := dataDirs
	if runtimeDir != "" {
		dirs = append([]string{runtimeDir}, dirs...)
	}
	for _, d := range dirs {
		d = filepath.Join(d, dir)
		list, _ := os.ReadDir(d)
		for _, e := range list[:min(len(list), maxFiles)] {
			if !strings.HasSuffix(e.Name(), ".service") {
				continue
			}
			file := filepath.Join(d, e.Name())
			text, err := rootfs.ReadHost(rootfs.HostPath(file), maxFile, 0)
			if err != nil || file == ours {
				continue
			}
			if f, ok := parse(string(text)); ok && f.name == name {
				return file, true
			}
		}
	}
	return "", false
}

// Format is a service file that starts argv for the name. It belongs at
// dbus-1/services/NAME.service in $XDG_DATA_HOME; a running bus reads it when
// it is next asked for a name it does not know.
func Format(name string, argv []string) []byte {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = quote(a)
	}
	exec := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(strings.Join(words, " "))
	return []byte("[D-BUS Service]\nName=" + name + "\nExec=" + exec + "\n")
}

// quote makes one word for the bus's shell rules. Without a backslash where it
// can be: dbus-broker does not undo the file's escapes.
func quote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("-_./:=@%+,", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}

// isValidName says whether name is a well-known bus name (D-Bus specification,
// "Bus names"), and so no path either.
func isValidName(name string) bool {
	parts := strings.Split(name, ".")
	for _, p := range parts {
		if p == "" || p[0] >= '0' && p[0] <= '9' || strings.ContainsFunc(p, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) {
			return false
		}
	}
	return len(parts) > 1 && len(name) <= 255
}

type service struct{ name, exec string }

// parse reads a service file (bus/desktop-file.c). ok is false without a name.
func parse(text string) (s service, ok bool) {
	if !utf8.ValidString(text) {
		return s, false
	}
	inside := false
	unescape := strings.NewReplacer(`\\`, `\`, `\s`, " ", `\t`, "\t", `\n`, "\n", `\r`, "\r")
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, "\r")
		if strings.HasPrefix(line, "[") {
			inside = strings.TrimRight(line, " \t") == "[D-BUS Service]"
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		value = unescape.Replace(strings.TrimLeft(value, " \t"))
		switch key = strings.TrimRight(key, " \t"); {
		case !inside:
		case key == "Name" && s.name == "":
			s.name = strings.TrimRight(value, " \t")
		case key == "Exec" && s.exec == "":
			s.exec = value
		}
	}
	return s, s.name != ""
}
