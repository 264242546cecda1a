package desktop

import (
	"chrun/session"
	"chrun/session/rootfs"
)

// NetworkFiles shares the host's name servers and host names.
var NetworkFiles = session.Feature{
	Name:   "network-files",
	Shares: "the host's /etc/resolv.conf and /etc/hosts",
	Detect: func(f *session.Facts) session.Share {
		var s session.Share
		const resolvConf session.Path = "/etc/resolv.conf"
		for _, p := range []session.Path{resolvConf, "/etc/hosts"} {
			hostFile := f.Caller.Host.Join(string(p))
			data, err := rootfs.ReadHost(hostFile, 0, 0)
			if err != nil {
				s.Notes = append(s.Notes, err.Error())
				continue
			}
			// Root inside needs name servers to install anything.
			s.Files = append(s.Files, session.File{Path: p, Data: data, HostFile: hostFile, ForRoot: p == resolvConf, Why: "the host's"})
		}
		if len(s.Files) == 0 {
			s.State = "the host has neither"
		}
		return s
	},
}
