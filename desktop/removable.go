package desktop

import (
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// Removable is where the host mounts sticks and discs: udisks2 in
// /run/media/USER or /media/USER. The directory above is shared, with all that
// is mounted below, so that USER too may be made later.
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
		// A mount point for /media in a chroot that lacks it is dear, see
		// mirror in package session: only for who has had sticks there.
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
			s.Notes = append(s.Notes, "what is plugged in later will not appear in "+dir+
				" of a running program: the host keeps its mounts to itself. To change that: sudo mount --make-shared "+at)
		}
	}
	return s
}

// privateMount returns the mount point that holds dir, if what is mounted below it
// later stays unseen in other mount namespaces (proc(5), mountinfo;
// mount_namespaces(7), "shared subtrees").
func privateMount(table, dir string) (at string) {
	received := false
	for line := range strings.Lines(table) {
		// id parent major:minor root mount-point options optional… - type …
		head, _, _ := strings.Cut(line, " - ")
		fields := strings.Fields(head)
		if len(fields) < 6 || len(fields[4]) < len(at) || !session.Path(dir).IsBelow(session.Path(fields[4])) {
			continue
		}
		// "shared:N", or "master:N": a slave of such a one.
		at, received = fields[4], strings.Contains(strings.Join(fields[6:], " "), ":")
	}
	if received {
		return ""
	}
	return at
}
