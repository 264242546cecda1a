package elevate

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// OpenTree opens the tree at dir for a launch that root mounts. If somebody other than
// root can change where dir leads, it opens dir with the rights of the desktop user,
// who could otherwise make root enter a directory that is closed to that user. The
// launch enters the directory that is open, whatever becomes of the path.
func (d *Decision) OpenTree(dir rootfs.HostPath) (*rootfs.Root, error) { return d.openTree(dir, true) }

// openTree does the same. trusted is false if the user's own configuration names dir.
func (d *Decision) openTree(dir rootfs.HostPath, trusted bool) (root *rootfs.Root, err error) {
	if trusted && onlyRootChanges(string(dir)) {
		return rootfs.Open(dir)
	}
	var fd int
	var fdErr error
	asUser := func() {
		if root, err = rootfs.Open(dir); err != nil && d.RootInside {
			fd, fdErr = unix.Open(string(dir), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		}
	}
	if err := runAs(d.user, d.groups, asUser); err != nil {
		return nil, err
	}
	if err == nil || !d.RootInside || fdErr != nil {
		return root, err
	}
	defer unix.Close(fd)
	// A tree with mode 0700 in a directory of the user's can only be one that was made
	// there: the user cannot move a directory of root's.
	var above unix.Stat_t
	if !errors.Is(err, fs.ErrPermission) || unix.Fstatat(fd, "..", &above, 0) != nil || int(above.Uid) != d.user.UID {
		return nil, err
	}
	real, linkErr := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if linkErr != nil {
		return nil, err
	}
	return rootfs.OpenAt(fd, rootfs.HostPath(real))
}

// maxLinks is how many symlinks a path may have, as in the kernel (path_resolution(7)).
const maxLinks = 40

// onlyRootChanges reports whether only root can change where p leads: every directory
// on the way, and through symlinks, belongs to root, and nobody else can replace the
// name that is looked up in it.
func onlyRootChanges(p string) bool {
	at, names := "/", strings.Split(p, "/")
	for links := 0; len(names) > 0; {
		name := names[0]
		names = names[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at) // at has no symlinks
			continue
		}
		var dir, entry unix.Stat_t
		next := path.Join(at, name)
		if unix.Lstat(at, &dir) != nil || dir.Uid != 0 || dir.Mode&0o022 != 0 && dir.Mode&unix.S_ISVTX == 0 || unix.Lstat(next, &entry) != nil {
			return false
		}
		if dir.Mode&0o022 != 0 && entry.Uid != 0 { // a sticky directory, such as /tmp
			return false
		}
		if entry.Mode&unix.S_IFMT != unix.S_IFLNK {
			at = next
			continue
		}
		target, err := os.Readlink(next)
		if links++; err != nil || links > maxLinks {
			return false
		}
		if path.IsAbs(target) {
			at = "/"
		}
		names = append(strings.Split(target, "/"), names...)
	}
	return true
}
