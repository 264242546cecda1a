package audio

import (
	"fmt"
	"slices"
	"strings"

	"chrun/session"
)

// Jack shares JACK: PipeWire's implementation (pw-jack) or a JACK server.
var Jack = session.Feature{
	Name:   "jack",
	Group:  group,
	Shares: "JACK: pw-jack, or a JACK server through the shared /dev/shm",
	Variables: []string{"JACK_DEFAULT_SERVER", "JACK_PROMISCUOUS_SERVER", "JACK_NO_START_SERVER", "JACK_START_SERVER",
		"JACK_DRIVER_DIR"}, // a path on the host
	Detect: detectJack,
	Hide:   hideJack,
}

// startNoJack keeps libjack from starting a server inside, which would compete with
// the host's for the sound card.
var startNoJack = session.Var{Name: "JACK_NO_START_SERVER", Value: "1"}

func detectJack(f *session.Facts) session.Share {
	var state []string
	servers := findJackServers(f.Caller)
	switch {
	case len(servers) > 0 && f.Allowed("shm"):
		state = append(state, "the JACK server (listening)")
	case len(servers) > 0:
		state = append(state, "the JACK server is unreachable without shm")
	}
	if f.Allowed("pipewire") && f.Root.Exists("/usr/bin/pw-jack") {
		state = append(state, "pw-jack")
	}
	s := session.Share{State: strings.Join(state, ", ")}
	if len(state) == 0 {
		s = session.Share{State: "no server, and the chroot has no pw-jack", Absent: true}
	}
	for _, name := range []string{"JACK_DEFAULT_SERVER", "JACK_PROMISCUOUS_SERVER"} {
		if v := f.Caller.Env.Get(name); v != "" {
			s.Env = append(s.Env, session.Var{Name: name, Value: v})
		}
	}
	s.Env = append(s.Env, startNoJack)
	return s
}

// findJackServers returns the caller's sockets /dev/shm/jack_SERVER_UID_N on which
// a server listens.
func findJackServers(c *session.Caller) (list []session.Path) {
	for name := range c.Listeners().Names {
		if strings.HasPrefix(name, "/dev/shm/jack_") && strings.Contains(name, fmt.Sprintf("_%d_", c.UID)) {
			list = append(list, session.Path(name))
		}
	}
	slices.Sort(list)
	return list
}

func hideJack(f *session.Facts) session.Share {
	return session.Share{Cover: findJackServers(f.Caller), Env: []session.Var{startNoJack}}
}
