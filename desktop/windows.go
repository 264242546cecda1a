package desktop

import (
	"bytes"
	"io"
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
	list, _ := root.List(dir)
	for _, e := range list {
		if strings.HasSuffix(e.Name(), ".desktop") && startsWindow(root, dir.Join(e.Name()), path.Base(string(programs[i]))) {
			return true
		}
	}
	return false
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
