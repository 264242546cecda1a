package desktop

import (
	"path"
	"strings"

	"chrun/session"
)

// Smartcard shares pcscd, through which programs reach smart cards and security
// keys, and a p11-kit server, which offers modules of the host. The host's polkit
// decides who may use a card.
var Smartcard = session.Feature{
	Name:      "smartcard",
	Shares:    "smart cards and security keys: pcscd, p11-kit",
	Variables: []string{"PCSCLITE_CSOCK_NAME", "P11_KIT_SERVER_ADDRESS", "P11_KIT_SERVER_PID"},
	Detect:    detectSmartcard,
	Hide: func(f *session.Facts) session.Share {
		s := hideBus(f.Caller.Env.Get("P11_KIT_SERVER_ADDRESS"))
		if p := f.Caller.Env.Get("PCSCLITE_CSOCK_NAME"); path.IsAbs(p) {
			s.Cover = append(s.Cover, session.Path(path.Clean(p)))
		}
		if dir := f.Caller.RuntimeDir; dir != "" {
			s.Cover = append(s.Cover, session.Path(dir.Join("p11-kit/pkcs11")))
		}
		return s
	},
}

func detectSmartcard(f *session.Facts) session.Share {
	const dir session.Path = "/run/pcscd"
	c := f.Caller
	var s session.Share
	var state []string
	value := c.Env.Get("PCSCLITE_CSOCK_NAME")
	named, usual := session.HostPath(value), c.Host.Join(string(dir), "pcscd.comm")
	if value == "" {
		named = usual
	}
	switch socket, ok := c.FindSocket(named); {
	case ok && value == "":
		state = append(state, "pcscd (listening)")
		s.Binds = socket.SystemBinds(f, dir, "pcscd, for smart cards")
	case ok:
		state = append(state, "pcscd at "+string(socket.Path))
		s.Binds = socket.Binds(f, "pcscd")
		s.Env = []session.Var{{Name: "PCSCLITE_CSOCK_NAME", Value: string(socket.Path)}}
	case value != "":
		s.Notes = []string{"PCSCLITE_CSOCK_NAME=" + value + ": no server listens"}
	}
	// The usual socket is in the runtime directory and needs nothing here. The
	// variable has the form of D-Bus addresses (p11-kit/rpc-transport.c).
	if list := c.Env.Get("P11_KIT_SERVER_ADDRESS"); list != "" {
		addresses, binds, notes := chooseReachable(f, list, "the p11-kit server")
		s.Binds, s.Notes = append(s.Binds, binds...), append(s.Notes, notes...)
		if len(addresses) > 0 {
			state = append(state, "p11-kit at "+joinAddresses(addresses))
			s.Env = append(s.Env, session.Var{Name: "P11_KIT_SERVER_ADDRESS", Value: joinAddresses(addresses)})
		}
	}
	s.State = strings.Join(state, ", ")
	if s.State == "" {
		s.State = "no pcscd listens"
	}
	return s
}
