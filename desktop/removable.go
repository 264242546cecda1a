package desktop

import (
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// Removable shares the directories where the host mounts sticks and discs:
// udisks2 uses /run/media/USER or /media/USER. The parent directory is shared
// with all mounts below it, because USER may not exist yet.
var Removable = session.Feature{
	Name:   "removable",
	Shares: "sticks and discs: /run/media, /media",
	Detect: detectRemovable,
}

func detectRemovable(f *session.Facts) session.Share {
	c := f.Caller
	var s session.Share
	var dirs []string
	for _, dir := range []string{"/run/media", "/media"} {
		source := c.Host.Join(dir)
		if !isDir(source) {
			continue
		}
		// If the chroot has no /media, a mount point for it is expensive (see
		// mirror in package session). Make it only if the host uses /media.
		if dir == "/media" && !f.Root.IsDir("/media") && !exists(source.Join(c.Account.Name)) {
			continue
		}
		dirs = append(dirs, dir)
		s.Binds = append(s.Binds, session.Bind{Source: source, Dest: session.Path(dir), Why: "where removable media are mounted"})
	}
	s.State = strings.Join(dirs, ", ")
	if s.State == "" {
		s.State = "the host has no /run/media and no /media"
		return s
	}
	// systemd shares all mounts (sd_booted(3)): the table need not be read.
	if exists(c.Host.Join("/run/systemd/system")) {
		return s
	}
	table, err := rootfs.ReadHost(c.Host.Join("/proc/self/mountinfo"), 0, 0)
	if err != nil {
		return s
	}
	for _, dir := range dirs {
		if at := privateMount(string(table), dir); at != "" {
			s.Notes = append(s.Notes, "media plugged in later will not appear in "+dir+
				" of a running program, because mounts of the host are private; to change that: sudo mount --make-shared "+at)
		}
	}
	return s
}

// privateMount returns the mount point that dir is on, if later mounts below it
// do not propagate to other mount namespaces (proc(5), mountinfo;
// mount_namespaces(7), "shared subtrees"); otherwise "".
func privateMount(table, dir string) (at string) {
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
