package desktop

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// windowLibraries are parts of the names of libraries that open windows.
var windowLibraries = [][]byte{[]byte("libX11.so"), []byte("libxcb.so"), []byte("libwayland-client.so"), []byte("libgtk-"),
	[]byte("libQt5Gui"), []byte("libQt6Gui"), []byte("libSDL")}

// maxProgram is how much of a program is searched for the names of libraries.
const maxProgram = 4 << 20

// OpensWindows guesses whether a program opens windows: it names a library for
// that, or has an entry in the menu. programs are the paths to try in turn.
func OpensWindows(root *rootfs.Root, programs []session.Path) bool {
	i := slices.IndexFunc(programs, root.Exists)
	if i < 0 {
		return false
	}
	if f, err := root.Open(programs[i]); err == nil {
		data, _ := io.ReadAll(io.LimitReader(f, maxProgram))
		f.Close()
		if slices.ContainsFunc(windowLibraries, func(lib []byte) bool { return bytes.Contains(data, lib) }) {
			return true
		}
	}
	const dir session.Path = "/usr/share/applications"
	name := path.Base(string(programs[i]))
	list, _ := root.List(dir)
	return slices.ContainsFunc(list, func(e fs.DirEntry) bool {
		return isNamedFor(e.Name(), name) && startsWindow(root, dir.Join(e.Name()), name)
	})
}

// isNamedFor reports whether the file of a desktop entry has a name that contains
// the program's, such as org.gnome.gedit.desktop. To read all entries of a large
// chroot would take longer than the rest of a launch.
func isNamedFor(entry, program string) bool {
	id, ok := strings.CutSuffix(entry, ".desktop")
	return ok && strings.Contains(strings.ToLower(id), strings.ToLower(program))
}

// startsWindow reports whether a desktop entry starts the program name outside a
// terminal.
func startsWindow(root *rootfs.Root, entry session.Path, name string) bool {
	data, err := root.Read(entry)
	if err != nil {
		return false
	}
	starts := false
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		words := strings.Fields(value)
		switch {
		case key == "Terminal" && value == "true":
			return false
		case key == "Exec" && len(words) > 0 && path.Base(strings.Trim(words[0], `"`)) == name:
			starts = true
		}
	}
	return starts
}
