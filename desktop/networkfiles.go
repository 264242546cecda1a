package desktop

import (
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// NetworkFiles shares the host's name servers and host names.
var NetworkFiles = session.Feature{
	Name:   "network-files",
	Shares: "the host's /etc/resolv.conf and /etc/hosts",
	Detect: func(f *session.Facts) session.Share {
		var s session.Share
		var found []string
		for _, p := range []session.Path{"/etc/resolv.conf", "/etc/hosts"} {
			hostFile := f.Caller.Host.Join(string(p))
			data, err := rootfs.ReadHost(hostFile, 0, 0)
			if err != nil {
				s.Notes = append(s.Notes, err.Error())
				continue
			}
			found = append(found, string(p))
			s.Files = append(s.Files, session.File{Path: p, Data: data, HostFile: hostFile, Why: "the host's"})
		}
		s.State = strings.Join(found, ", ")
		if s.State == "" {
			s.State = "the host has neither"
		}
		return s
	},
}
