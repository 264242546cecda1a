package desktop

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// Storage shares directories with data outside the home: those where the host
// mounts sticks and discs (udisks2 uses /run/media/USER or /media/USER), /mnt,
// /srv, and top-level directories that are not the system's, such as /data. They
// are shared whole, so that a later launch of the same program, which may be
// handed over to the running one, finds its files there.
var Storage = session.Feature{
	Name:   "storage",
	Shares: "data outside your home: /media, /run/media, /mnt, /srv, and directories such as /data",
	Detect: detectStorage,
}

func detectStorage(f *session.Facts) session.Share {
	var s session.Share
	dirs := append(mediaDirs(f), storageDirs(f)...)
	for _, dir := range dirs {
		s.Binds = append(s.Binds, session.Bind{Source: f.Caller.Host.Join(dir), Dest: session.Path(dir), Why: "data outside the home", Yields: true})
	}
	s.State = strings.Join(dirs, ", ")
	if s.State == "" {
		s.State = "the host has no data outside your home"
		return s
	}
	if f.Explain { // it reads the table of mounts
		s.Notes = noteLaterMedia(f.Caller, dirs)
	}
	return s
}

// mediaDirs lists the parents of the directories on which removable media are
// mounted, since the directory of a user may not exist yet.
func mediaDirs(f *session.Facts) (dirs []string) {
	for _, dir := range []string{"/run/media", "/media"} {
		source := f.Caller.Host.Join(dir)
		if !isDir(source) {
			continue
		}
		// If the chroot has no /media, a mount point for it is expensive (see
		// mirrorDir in package session). Make it only if the host uses /media.
		if dir == "/media" && !f.Root.IsDir("/media") && !exists(source.Join(f.Caller.Account.Name)) {
			continue
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// systemNames are the names of the system's directories at the top of a host.
var systemNames = []string{"bin", "boot", "dev", "efi", "etc", "gnu", "home", "lost+found",
	"media", "nix", "opt", "proc", "root", "run", "sbin", "snap", "sys", "sysroot", "tmp",
	"usr", "var"}

// storageDirs lists directories with data of the host for which the chroot has
// nothing of that name.
func storageDirs(f *session.Facts) (dirs []string) {
	list, _ := rootfs.ListHost(f.Caller.Host.Join("/"))
	for _, e := range list {
		name, dir := e.Name(), "/"+e.Name()
		if !e.IsDir() || name[0] == '.' || slices.Contains(systemNames, name) || strings.HasPrefix(name, "lib") {
			continue
		}
		source := f.Caller.Host.Join(dir)
		home := session.HostPath(f.Caller.Account.Home)
		if home.IsBelow(source) || f.Root.Dir() == source || !hasData(source) {
			continue
		}
		if inside, err := f.Root.List(session.Path(dir)); err == nil && len(inside) == 0 || errors.Is(err, fs.ErrNotExist) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// hasData reports whether something is in a directory that the caller can read. A
// mount point is not looked into, because its file system may not answer.
func hasData(dir session.HostPath) bool {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, string(dir), unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_NLINK, &st) != nil {
		return false
	}
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 { // since Linux 5.8
		return true
	}
	// Most file systems count subdirectories as links; then there is nothing to read.
	return unix.Access(string(dir), unix.R_OK|unix.X_OK) == nil && (st.Nlink > 2 || !isEmptyDir(dir))
}

// isEmptyDir reports whether a directory has no entries, or cannot be read.
func isEmptyDir(dir session.HostPath) bool {
	fd, err := unix.Open(string(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	buf := make([]byte, 4096)
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err != nil || n == 0 {
			return true
		}
		if _, count, _ := unix.ParseDirent(buf[:n], 1, nil); count > 0 { // without . and ..
			return false
		}
	}
}

// noteLaterMedia says if media that are plugged in later will not appear.
func noteLaterMedia(c *session.Caller, dirs []string) (notes []string) {
	dirs = slices.DeleteFunc(slices.Clone(dirs), func(dir string) bool { return !strings.HasSuffix(dir, "media") })
	if len(dirs) == 0 {
		return nil
	}
	// systemd shares all mounts (sd_booted(3)), so the table need not be read.
	if exists(c.Host.Join("/run/systemd/system")) {
		return nil
	}
	table, err := rootfs.ReadHost(c.Host.Join("/proc/self/mountinfo"), 0, 0)
	if err != nil {
		return nil
	}
	for _, dir := range dirs {
		if at := PrivateMount(string(table), dir); at != "" {
			notes = append(notes, "media plugged in later will not appear in "+dir+
				" of a running program, because mounts of the host are private; to change that: sudo mount --make-shared "+at)
		}
	}
	return notes
}

// PrivateMount returns the mount point that dir is on, if later mounts below it
// do not propagate to other mount namespaces (proc(5), mountinfo;
// mount_namespaces(7), "shared subtrees"); otherwise "".
func PrivateMount(table, dir string) (at string) {
	propagates := false
	for line := range strings.Lines(table) {
		// id parent major:minor root mount-point options optional… - type …
		head, _, _ := strings.Cut(line, " - ")
		fields := strings.Fields(head)
		if len(fields) < 6 || len(fields[4]) < len(at) || !session.Path(dir).IsBelow(session.Path(fields[4])) {
			continue
		}
		// "shared:N", or "master:N" for a slave of a shared mount.
		at, propagates = fields[4], strings.Contains(strings.Join(fields[6:], " "), ":")
	}
	if propagates {
		return ""
	}
	return at
}
