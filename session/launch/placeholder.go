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
// in a home that chrun made. A later program might mistake one for the file
// itself. Since removing a mount point unmounts it everywhere (unlink(2) since
// Linux 3.18), a placeholder stays as long as another launch or a detached
// program uses it.
func removePlaceholders(plan *session.Plan) {
	tables := sync.OnceValue(mountTables)
	for _, m := range plan.Mounts[1:] {
		home := plan.Mounts[m.Into]
		if m.Feature != "files" || !home.AllowMountPoints {
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
// mount namespace.
func mountTables() map[string]string {
	tables := map[string]string{}
	list, _ := os.ReadDir("/proc")
	for _, e := range list {
		if e.Name()[0] < '0' || e.Name()[0] > '9' {
			continue
		}
		dir := "/proc/" + e.Name()
		ns, err := os.Readlink(dir + "/ns/mnt")
		if _, known := tables[ns]; err != nil || known {
			continue
		}
		if data, err := rootfs.ReadHost(rootfs.HostPath(dir+"/mountinfo"), 0, 0); err == nil {
			tables[ns] = string(data)
		}
	}
	return tables
}

var mountEscape = strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`) // proc(5)

// isMounted reports whether p is a mount point in one of the tables.
func isMounted(p session.Path, tables map[string]string) bool {
	for _, table := range tables {
		if strings.Contains(table, " "+mountEscape.Replace(string(p))+" ") {
			return true
		}
	}
	return false
}
