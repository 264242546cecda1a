package inside

import (
	"context"
	"net"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/desktop"
	"chrun/internal/doctor/report"
)

// probeHostOpen looks whether programs find the opener, and the opener its way out.
// It opens nothing.
func probeHostOpen(_ context.Context, in *Input, add func(...report.Check)) {
	const row = "host-open"
	opener := in.Env.Get("BROWSER")
	if !in.shares(row) || !path.IsAbs(opener) {
		return
	}
	if err := unix.Access(opener, unix.X_OK); err != nil {
		add(report.Bad(row, report.Reachable, "no-opener", opener+" cannot be executed: "+err.Error()))
		return
	}
	if exists(string(desktop.OpenSocket)) {
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: string(desktop.OpenSocket), Net: "unix"})
		if err != nil {
			add(report.Bad(row, report.Reachable, "no-opener", "chrun's server does not listen: "+plain(err).Error()))
			return
		}
		conn.Close()
	}
	for _, dir := range strings.Split(in.Env.Get("PATH"), ":") {
		var found, ours unix.Stat_t
		name := path.Join(dir, "xdg-open")
		if !path.IsAbs(name) || unix.Access(name, unix.X_OK) != nil {
			continue
		}
		if unix.Stat(name, &found) == nil && unix.Stat(opener, &ours) == nil && (found.Dev != ours.Dev || found.Ino != ours.Ino) {
			add(report.Good(row, report.Reachable, "through $BROWSER; "+name+" is the chroot's own"))
			return
		}
		add(report.Good(row, report.Reachable, "xdg-open opens links and files on the host"))
		return
	}
	add(report.Good(row, report.Reachable, "through $BROWSER; no xdg-open is on PATH"))
}
