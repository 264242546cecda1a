package config

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"chrun/session/rootfs"
)

// HomeFor is where the private home of a chroot lies: in dataDir/homes
// ($XDG_DATA_HOME/chrun). It belongs to tree, the chroot's canonical path: the
// name that it got at first, that of the chroot or its escaped path, is noted in
// stateDir/homes ($XDG_STATE_HOME/chrun), so that another name of the chroot, or
// none, leads to the same home, and the same name of another chroot does not.
//
// It only reads: one small file once there is the note. note writes that; call
// it before the home is made. Its errors are *os.PathError or
// *os.LinkError.
func HomeFor(stateDir, dataDir string, tree rootfs.HostPath, ch *Chroot) (home rootfs.HostPath, note func() error) {
	notes, homes := path.Join(stateDir, "homes"), rootfs.HostPath(path.Join(dataDir, "homes"))
	file := path.Join(notes, EscapePath(tree))
	if name := readNote(file); name != "" {
		return homes.Join(name), func() error { return nil }
	}
	name := EscapePath(tree)
	if ch.Name != "" && !taken(notes, homes, ch.Name) {
		name = ch.Name
	}
	return homes.Join(name), func() error {
		for _, other := range claims(notes, name) { // of a home that is gone
			if err := os.Remove(other); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return writeNote(file, name)
	}
}

// readNote reads the name of a home, "" if there is none that could be one.
func readNote(file string) string {
	data, err := rootfs.ReadHost(rootfs.HostPath(file), 300, 0)
	name := strings.TrimSuffix(string(data), "\n")
	if err != nil || len(name) > 255 || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\x00\n") {
		return ""
	}
	return name
}

// taken says whether the home called name is there and another chroot's.
// Without a note it is that of whoever has the name.
func taken(notes string, homes rootfs.HostPath, name string) bool {
	_, err := os.Lstat(string(homes.Join(name)))
	return err == nil && len(claims(notes, name)) > 0
}

// claims lists the notes that name a home.
func claims(notes, name string) (files []string) {
	list, _ := os.ReadDir(notes)
	for _, e := range list {
		if file := path.Join(notes, e.Name()); !strings.HasPrefix(e.Name(), ".") && readNote(file) == name {
			files = append(files, file)
		}
	}
	return files
}

// writeNote writes a file that holds name, as a whole or not at all.
func writeNote(file, name string) error {
	dir := path.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.WriteString(name + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// Told says whether the caller has been told about the chroot in tree, and tell
// notes that, in stateDir/told ($XDG_STATE_HOME/chrun).
func Told(stateDir string, tree rootfs.HostPath) (told bool, tell func() error) {
	file := path.Join(stateDir, "told", EscapePath(tree))
	_, err := os.Stat(file)
	return err == nil, func() error { return writeNote(file, string(tree)) }
}
