package launch

import (
	"os"
	"path"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// removePlaceholders removes the empty files on which single files were mounted
// in a home that chrun made, or in the runtime directory. A later program might mistake one for the file
// itself. Since removing a mount point unmounts it everywhere (unlink(2) since
// Linux 3.18), a placeholder stays as long as another launch or a detached
// program uses it.
func removePlaceholders(plan *session.Plan, root *rootfs.Root) {
	tables := sync.OnceValue(mountTables)
	removeStale(plan, tables)
	removeOwnPlaceholders(plan, root, tables)
	for _, m := range plan.Mounts[1:] {
		home := plan.Mounts[m.Into]
		if m.Feature != "files" && m.Feature != "wayland" || !home.AllowMountPoints {
			continue
		}
		dir, err := openBeneath(home.Source, path.Dir(m.Rel))
		if err != nil {
			continue
		}
		var st unix.Stat_t
		name := path.Base(m.Rel)
		err = unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0 && !isMounted(m.Dest, tables()) {
			unix.Unlinkat(dir, name, 0)
		}
		unix.Close(dir)
	}
}

// removeStale removes the placeholders and links of earlier launches at the top of
// a private home that the caller's home no longer has anything for.
func removeStale(plan *session.Plan, tables func() map[string]string) {
	for _, s := range plan.Stale {
		dir, err := openBeneath(string(s.Home), ".")
		if err != nil {
			return
		}
		switch {
		case s.Link != "":
			removeLink(dir, s.Name, s.Link)
		case !isMounted(s.Dest, tables()):
			unix.Unlinkat(dir, s.Name, unix.AT_REMOVEDIR) // fails if it is not empty
		}
		unix.Close(dir)
	}
}

// removeLink removes a symlink if it has exactly this target. Looking first and
// then removing could hit a file that a program has just renamed onto it, so the
// entry is moved aside, looked at, and put back if it is something else.
func removeLink(dir int, name, target string) error {
	aside := ".chrun-" + name
	if err := unix.Renameat2(dir, name, dir, aside, unix.RENAME_NOREPLACE); err != nil {
		return err
	}
	buf := make([]byte, len(target)+1)
	if n, err := unix.Readlinkat(dir, aside, buf); err == nil && string(buf[:n]) == target {
		return unix.Unlinkat(dir, aside, 0)
	}
	return unix.Renameat2(dir, aside, dir, name, unix.RENAME_NOREPLACE)
}

// removeOwnPlaceholders removes the mount points that this launch has made at the
// top of a home that is not chrun's: the chroot's own, or a directory of the
// person's. Nothing of chrun stays there.
func removeOwnPlaceholders(plan *session.Plan, root *rootfs.Root, tables func() map[string]string) {
	if plan.Home.Mode != session.HomeAuto && plan.Home.Mode != session.HomeDir {
		return
	}
	for _, p := range plan.Preparations {
		if !p.Placeholder {
			continue
		}
		var dir int
		var err error
		name := path.Base(p.At)
		if p.InTree != "" {
			name = path.Base(string(p.InTree))
			dir, err = root.OpenDir(session.Path(path.Dir(string(p.InTree))))
		} else {
			dir, err = openBeneath(string(p.InHome), path.Dir(p.At))
		}
		if err != nil {
			continue
		}
		if !isMounted(p.Dest, tables()) {
			unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
		}
		unix.Close(dir)
	}
}

// openBeneath opens a directory below home without following symlinks, which a
// program inside may have planted.
func openBeneath(home, dir string) (int, error) {
	fd, err := unix.Open(home, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	return unix.Openat2(fd, dir, &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
}

// mountTables returns the mount tables of all processes that we may read, by
// mount namespace. It returns nil if it could not find out.
func mountTables() map[string]string {
	tables := map[string]string{}
	list, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range list {
		if e.Name()[0] < '0' || e.Name()[0] > '9' {
			continue
		}
		dir := "/proc/" + e.Name()
		ns, err := os.Readlink(dir + "/ns/mnt")
		if rootfs.IsFailure(err) {
			return nil
		}
		if _, known := tables[ns]; err != nil || known {
			continue
		}
		data, err := rootfs.ReadHost(rootfs.HostPath(dir+"/mountinfo"), 0, 0)
		switch {
		case rootfs.IsFailure(err):
			return nil
		case err == nil:
			tables[ns] = string(data)
		}
	}
	return tables
}

var mountEscape = strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`) // proc(5)

// isMounted reports whether p is a mount point in one of the tables, or may be one
// because there are no tables.
func isMounted(p session.Path, tables map[string]string) bool {
	if tables == nil {
		return true
	}
	for _, table := range tables {
		if strings.Contains(table, " "+mountEscape.Replace(string(p))+" ") {
			return true
		}
	}
	return false
}
