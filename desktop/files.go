package desktop

import (
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// NetworkFiles are the host's name servers and host names.
var NetworkFiles = session.Feature{
	Name:   "network-files",
	Shares: "/etc/resolv.conf and /etc/hosts, as the host has them",
	Detect: func(f *session.Facts) session.Share {
		var s session.Share
		var found []string
		for _, p := range []session.Path{"/etc/resolv.conf", "/etc/hosts"} {
			live := f.Caller.Host.Join(string(p))
			data, err := rootfs.ReadHost(live, 0, 0)
			if err != nil {
				s.Notes = append(s.Notes, err.Error())
				continue
			}
			found = append(found, string(p))
			s.Files = append(s.Files, session.File{Path: p, Data: data, Live: live, Why: "the host's"})
		}
		s.State = strings.Join(found, ", ")
		if s.State == "" {
			s.State = "none on the host"
		}
		return s
	},
}

// MachineID is the host's machine id. D-Bus, PulseAudio, IBus and dconf compare
// it with their peers' and put it into names of files.
var MachineID = session.Feature{
	Name:   "machine-id",
	Shares: "/etc/machine-id: D-Bus, PulseAudio and IBus compare it",
	Detect: func(f *session.Facts) session.Share {
		const ours, old session.Path = "/etc/machine-id", "/var/lib/dbus/machine-id"
		id := f.Caller.MachineID()
		if id == "" {
			return session.Share{State: "the host has none"}
		}
		s := session.Share{State: "the host's"}
		s.Files = []session.File{{Path: ours, Data: []byte(id + "\n"), Mode: 0o444, Why: "the host's id"}}
		// The older place is mostly a link to the first, or absent.
		if st, err := f.Root.Lstat(old); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			s.Files = append(s.Files, session.File{Path: old, Data: []byte(id + "\n"), Mode: 0o444, Why: "the host's id"})
		}
		return s
	},
}

// Network is the host's network namespace. The planner makes another when it is
// denied.
var Network = session.Feature{
	Name:   "network",
	Shares: "the host's network, and its abstract sockets",
	Detect: func(f *session.Facts) session.Share { return session.Share{State: "the host's"} },
	Hide: func(f *session.Facts) session.Share {
		return session.Share{
			State: "an own one with loopback",
			// unix(7): abstract names belong to the network namespace.
			Notes: []string{"abstract sockets go with the network: what listens only there (some X servers, input methods and buses) is out of reach too"},
		}
	},
}
