package inside

import (
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// openTree opens the chroot in which the program runs, to look at it as chrun does.
// The caller closes it. It returns nil if that is impossible.
func openTree() *rootfs.Root {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	root, err := rootfs.OpenAt(fd, "/")
	if err != nil {
		return nil
	}
	return root
}

// hasLibrary reports whether the chroot has one of the libraries.
func hasLibrary(names ...session.Path) bool {
	dirs := []session.Path{"/lib64"}
	for _, dir := range rootfs.LibDirs {
		dirs = append(dirs, dir, session.Path(strings.TrimPrefix(string(dir), "/usr")))
	}
	for _, dir := range dirs {
		for _, name := range names {
			if exists(string(dir.Join(string(name)))) {
				return true
			}
		}
	}
	return false
}

// exists reports whether a file exists. It does not open it.
func exists(name string) bool {
	var st unix.Stat_t
	return unix.Stat(name, &st) == nil
}
