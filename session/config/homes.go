package config

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// PrivateHome returns the private home of a chroot, a directory in dataDir/homes
// ($XDG_DATA_HOME/chrun). The home belongs to tree, the chroot's canonical path,
// and not to its name: a record in stateDir/homes ($XDG_STATE_HOME/chrun) keeps
// the name that the home got first, which is the NAME of the chroot or its
// escaped path. So the home stays the same when the chroot is renamed or
// forgotten, and another chroot that gets the NAME does not get the home.
//
// PrivateHome only reads. A record that cannot be read is an error, because without
// it the chroot would get another home. record writes the record; call it before the
// home is made. Its errors are *os.PathError or *os.LinkError.
func PrivateHome(stateDir, dataDir string, tree rootfs.HostPath, ch *Chroot) (home rootfs.HostPath, record func() error, err error) {
	records, homes := path.Join(stateDir, "homes"), rootfs.HostPath(path.Join(dataDir, "homes"))
	file := path.Join(records, escapePath(tree))
	name, err := readRecord(file)
	if name != "" || err != nil {
		return homes.Join(name), func() error { return nil }, err
	}
	name = escapePath(tree)
	if ch.Name != "" {
		taken, err := isTaken(records, homes, ch.Name)
		if err != nil {
			return "", nil, err
		}
		if !taken {
			name = ch.Name
		}
	}
	return homes.Join(name), func() error {
		others, err := findRecords(records, name)
		if err != nil {
			return err
		}
		for _, other := range others { // of homes that no longer exist
			if err := os.Remove(other); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return writeRecord(file, name)
	}, nil
}

// readRecord reads the name of a home from a record, or returns "" if there is no
// such file, or none with a valid name.
func readRecord(file string) (string, error) {
	data, err := rootfs.ReadHost(rootfs.HostPath(file), 300, 0)
	switch {
	case errors.Is(err, rootfs.ErrNotRegular), errors.Is(err, rootfs.ErrTooLarge):
		return "", nil
	case err != nil:
		return "", ignoreMissing(err)
	}
	name := strings.TrimSuffix(string(data), "\n")
	if len(name) > 255 || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\x00\n") {
		return "", nil
	}
	return name, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return err
}

// isTaken reports whether the home called name exists and belongs to another
// chroot. A home without a record belongs to the chroot with that NAME.
func isTaken(records string, homes rootfs.HostPath, name string) (bool, error) {
	if _, err := os.Lstat(string(homes.Join(name))); err != nil {
		return false, ignoreMissing(err)
	}
	list, err := findRecords(records, name)
	return len(list) > 0, err
}

// findRecords lists the records that name a home.
func findRecords(records, name string) (files []string, err error) {
	list, err := os.ReadDir(records)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		file := path.Join(records, e.Name())
		of, err := readRecord(file)
		if err != nil {
			return nil, err
		}
		if of == name {
			files = append(files, file)
		}
	}
	return files, nil
}

// writeRecord writes name to file atomically.
func writeRecord(file, name string) error {
	dir := path.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename
	_, err = f.WriteString(name + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// HomeRecord is the file with the names of what the person knows to be at the top
// of a private home.
func HomeRecord(stateDir string, home rootfs.HostPath) string {
	return path.Join(stateDir, "home-entries", escapePath(home))
}

// HasSeen reports whether the caller has seen the message about topic, which is
// the path of a chroot and may have a suffix. The record of it is in
// stateDir/told ($XDG_STATE_HOME/chrun).
func HasSeen(stateDir string, topic rootfs.HostPath) bool {
	_, err := os.Stat(seenFile(stateDir, topic))
	return err == nil
}

// RecordSeen records that the caller has seen the message about topic. Errors
// are *os.PathError or *os.LinkError.
func RecordSeen(stateDir string, topic rootfs.HostPath) error {
	return writeRecord(seenFile(stateDir, topic), string(topic))
}

func seenFile(stateDir string, topic rootfs.HostPath) string {
	return path.Join(stateDir, "told", escapePath(topic))
}
