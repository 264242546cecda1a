package desktop

import (
	"path"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// Printing shares the caller's CUPS server, found as libcups does it
// (cups/usersys.c): CUPS_SERVER, then client.conf of the person and of the
// system, then the socket. Printers that announce themselves on the network
// come through the system bus.
var Printing = session.Feature{
	Name:      "printing",
	Shares:    "the host's printers: CUPS",
	Variables: []string{"CUPS_SERVER"},
	Detect:    detectPrinting,
	Hide: func(f *session.Facts) (s session.Share) {
		if p := f.Caller.Env.Get("CUPS_SERVER"); path.IsAbs(p) {
			s.Cover = []session.Path{session.Path(path.Clean(p))}
		}
		// Without it, libcups connects to port 631 of this machine.
		s.Env = []session.Var{{Name: "CUPS_SERVER", Value: noServer}}
		return s
	},
}

func detectPrinting(f *session.Facts) session.Share {
	const name, why = "CUPS_SERVER", "the print server"
	const dir, usual session.Path = "/run/cups", "/run/cups/cups.sock"
	c := f.Caller
	server, origin := cupsServer(c)
	switch {
	case server == "" || session.Path(path.Clean(server)) == usual:
		socket, ok := c.FindSocket(c.Host.Join(string(usual)))
		if !ok {
			return session.Share{State: "no print server listens"}
		}
		// Bind the directory, because cupsd makes a new socket when it restarts.
		return session.Share{State: string(usual) + " (listening)",
			Binds: socket.SystemBinds(f, dir, why),
			Env:   []session.Var{{Name: name, Value: string(usual)}}}
	case path.IsAbs(server):
		socket, ok := c.FindSocket(session.HostPath(server))
		if !ok {
			return session.Share{State: "no print server listens on " + server + " (from " + origin + ")"}
		}
		return session.Share{State: server + " (listening; from " + origin + ")",
			Binds: socket.Binds(f, why), Env: []session.Var{{Name: name, Value: string(socket.Path)}}}
	case !f.Allowed("network"):
		return session.Share{State: server + " (from " + origin + ") is unreachable: the network is denied"}
	}
	return session.Share{State: server + " (from " + origin + ")", Env: []session.Var{{Name: name, Value: server}}}
}

// cupsServer returns the server that the caller has configured and where; "" for
// none.
func cupsServer(c *session.Caller) (server, origin string) {
	if v := c.Env.Get("CUPS_SERVER"); v != "" {
		return v, "CUPS_SERVER"
	}
	for _, file := range []session.HostPath{session.HostPath(c.Account.Home).Join(".cups/client.conf"), c.Host.Join("/etc/cups/client.conf")} {
		data, err := rootfs.ReadHost(file, 0, 0)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) { // client.conf(5); the last one counts
			if words := strings.Fields(line); len(words) == 2 && strings.EqualFold(words[0], "ServerName") {
				server, origin = words[1], string(file)
			}
		}
		if server != "" {
			break
		}
	}
	return server, origin
}
