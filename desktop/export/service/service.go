// Package service reads and writes D-Bus service files (D-Bus specification
// 0.41, "Message Bus Starting Services"): it finds the program of a chroot that
// provides a name, checks whether the host provides it already, and writes the
// file with which the host starts the chroot's program. It does not connect to a
// bus, so the caller must check whether a name has an owner.
package service

import (
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"chrun/desktop/export/inside"
	"chrun/session/rootfs"
)

const (
	dir      = "dbus-1/services"
	maxFile  = 64 << 10 // bytes of a service file
	maxFiles = 5000     // of one directory
)

// FindCommand returns the command with which the chroot's session bus would start
// the service of that name: from NAME.service in a directory for data, if it has Name=NAME. (dbus-daemon also accepts other file names; dbus-broker does
// not.)
func FindCommand(root *rootfs.Root, name string) (argv []string, ok bool) {
	if !isValidName(name) {
		return nil, false
	}
	for _, data := range inside.DataDirs(root) {
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

// FindOnHost returns the file with which the host's session bus starts the service
// of that name. It searches $XDG_RUNTIME_DIR (may be ""), then the data
// directories, which begin with $XDG_DATA_HOME, and ignores the file exported.
func FindOnHost(dataDirs []string, runtimeDir, name, exported string) (file string, ok bool) {
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
			if err != nil || file == exported {
				continue
			}
			if f, ok := parse(string(text)); ok && f.name == name {
				return file, true
			}
		}
	}
	return "", false
}

// Format returns a service file that starts argv for the name. It belongs at
// dbus-1/services/NAME.service in $XDG_DATA_HOME. A running bus reads it the next
// time a client uses a name that the bus does not know.
func Format(name string, argv []string) []byte {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = quote(a)
	}
	exec := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(strings.Join(words, " "))
	return []byte("[D-BUS Service]\nName=" + name + "\nExec=" + exec + "\n")
}

// quote makes s one word by the bus's quoting rules. It avoids backslashes if
// possible, since dbus-broker does not undo the escapes of a file.
func quote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("-_./:=@%+,", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}

// isValidName reports whether name is a well-known bus name (D-Bus specification,
// "Bus names"), and so cannot be a path.
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

// parse reads a service file as bus/desktop-file.c does. ok is false if it has no
// name.
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
