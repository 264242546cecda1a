package desktop

import (
	"golang.org/x/sys/unix"

	"chrun/session"
)

// MachineID shares the host's machine ID. D-Bus, PulseAudio, IBus and dconf
// compare it with the ID of their peers, and use it in file names.
var MachineID = session.Feature{
	Name:   "machine-id",
	Shares: "the host's /etc/machine-id, which D-Bus, PulseAudio and IBus compare",
	Detect: func(f *session.Facts) session.Share {
		const file, oldFile session.Path = "/etc/machine-id", "/var/lib/dbus/machine-id"
		id := f.Caller.MachineID()
		if id == "" {
			return session.Share{State: "the host has none"}
		}
		share := func(p session.Path) session.File {
			return session.File{Path: p, Data: []byte(id + "\n"), Mode: 0o444, Why: "the host's id"}
		}
		s := session.Share{Files: []session.File{share(file)}}
		// The old file is usually missing, or a symlink to the new one.
		if st, err := f.Root.Lstat(oldFile); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			s.Files = append(s.Files, share(oldFile))
		}
		return s
	},
}
