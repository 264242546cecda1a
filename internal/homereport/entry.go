package homereport

import (
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// entry is something at the top of a home.
type entry struct {
	kind  string
	stamp string // differs after a change: the target of a symlink, else size and time
}

const (
	link      = "link"
	directory = "directory"
	file      = "file"
	// placeholder is an empty file on which a launch may have mounted one.
	placeholder = "placeholder"
)

// list returns the visible entries at the top of a directory, except the
// directories on which chrun mounts. Those in mounted are known to be such.
func list(dir string, mounted map[string]bool) map[string]entry {
	entries, _ := rootfs.ListHost(rootfs.HostPath(dir))
	names := map[string]entry{}
	for _, e := range entries {
		name := e.Name()
		switch {
		case name[0] == '.', e.IsDir() && mounted[name]:
		case e.Type()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path.Join(dir, name))
			names[name] = entry{link, target}
		default:
			if e, ok := look(path.Join(dir, name), e.IsDir()); ok {
				names[name] = e
			}
		}
	}
	return names
}

// look returns the entry p. ok is false if it is a directory on which chrun mounts.
func look(p string, isDir bool) (e entry, ok bool) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, p, unix.AT_SYMLINK_NOFOLLOW|unix.AT_STATX_DONT_SYNC, unix.STATX_BASIC_STATS, &st)
	stamp := fmt.Sprintf("%d.%d", st.Mtime.Sec, st.Mtime.Nsec)
	switch mode := st.Mode & 0o7777; {
	case isDir:
		return entry{directory, stamp}, err != nil || mode != session.PlaceholderMode
	case err == nil && st.Size == 0 && mode == 0o600:
		return entry{placeholder, stamp}, true
	}
	return entry{file, fmt.Sprintf("%s %d", stamp, st.Size)}, true
}
