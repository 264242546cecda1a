package audio

import (
	"fmt"
	"slices"
	"strings"

	"chrun/session"
)

// Jack is JACK, by PipeWire's library (pw-jack) or the real server.
var Jack = session.Feature{
	Name:   "jack",
	Group:  group,
	Shares: "JACK: pw-jack, or the real server through the shared /dev/shm",
	Variables: []string{"JACK_DEFAULT_SERVER", "JACK_PROMISCUOUS_SERVER", "JACK_NO_START_SERVER", "JACK_START_SERVER",
		"JACK_DRIVER_DIR"}, // a path of the host
	Detect: detectJack,
	Hide:   hideJack,
}

func detectJack(f *session.Facts) session.Share {
	var state []string
	servers := jackServers(f.Caller)
	switch {
	case len(servers) > 0 && f.Allowed("shm"):
		state = append(state, "the JACK server (listening)")
	case len(servers) > 0:
		state = append(state, "the JACK server is out of reach without shm")
	}
	if f.Allowed("pipewire") && f.Root.Exists("/usr/bin/pw-jack") {
		state = append(state, "pw-jack")
	}
	if len(state) == 0 {
		state = append(state, "no server, and no pw-jack in the chroot")
	}
	s := session.Share{State: strings.Join(state, ", ")}
	for _, name := range []string{"JACK_DEFAULT_SERVER", "JACK_PROMISCUOUS_SERVER"} {
		if v := f.Caller.Env.Get(name); v != "" {
			s.Env = append(s.Env, session.Var{Name: name, Value: v})
		}
	}
	// A second server, started inside, would take the sound card from the
	// host's.
	s.Env = append(s.Env, session.Var{Name: "JACK_NO_START_SERVER", Value: "1"})
	return s
}

// jackServers are the live sockets /dev/shm/jack_SERVER_UID_N of the caller's.
func jackServers(c *session.Caller) (list []session.Path) {
	for name := range c.Listeners() {
		if strings.HasPrefix(name, "/dev/shm/jack_") && strings.Contains(name, fmt.Sprintf("_%d_", c.UID)) {
			list = append(list, session.Path(name))
		}
	}
	slices.Sort(list)
	return list
}

func hideJack(f *session.Facts) session.Share {
	return session.Share{Cover: jackServers(f.Caller)}
}
