package desktop

import (
	"fmt"
	"os"

	"chrun/session"
)

// SessionBus shares the bus of the caller's session, through which programs
// reach notifications, portals, media keys, the tray and secrets.
var SessionBus = session.Feature{
	Name:   "session-bus",
	Group:  "bus",
	Shares: "the session bus: notifications, portals, tray, media keys, secrets, input methods",
	Variables: []string{"DBUS_SESSION_BUS_ADDRESS", "DBUS_SESSION_BUS_PID", "DBUS_SESSION_BUS_WINDOWID",
		// Set for programs that the bus starts; their children must not inherit them.
		"DBUS_STARTER_ADDRESS", "DBUS_STARTER_BUS_TYPE", "IBUS_ADDRESS"},
	Detect: func(f *session.Facts) session.Share {
		s := detectSessionBus(f)
		shareIBus(f, &s)
		s.Notes = append(s.Notes, findMissingModules(f.Root, f.Caller.Env)...)
		return s
	},
	Hide: func(f *session.Facts) session.Share {
		s := hideBus(f.Caller.Env.Get("DBUS_SESSION_BUS_ADDRESS"))
		if dir := f.Caller.RuntimeDir; dir != "" {
			s.Cover = append(s.Cover, session.Path(dir.Join("bus")))
		}
		hideIBus(f, &s)
		s.Env = []session.Var{noSessionBus}
		return s
	},
}

// noSessionBus means that there is no bus. Without the variable, or with an empty
// one, libdbus starts a bus of its own that outlives the launch (autolaunch).
var noSessionBus = session.Var{Name: "DBUS_SESSION_BUS_ADDRESS", Value: "disabled:"}

func detectSessionBus(f *session.Facts) session.Share {
	s := findSessionBus(f)
	if s.Env == nil {
		s.Absent, s.Env = true, []session.Var{noSessionBus}
	}
	return s
}

func findSessionBus(f *session.Facts) session.Share {
	const name = "DBUS_SESSION_BUS_ADDRESS"
	list := f.Caller.Env.Get(name)
	addresses, binds, notes := chooseReachable(f, list, "the session bus")
	remark := ""
	if len(addresses) == 0 {
		remark = "; " + name + " was unset"
		if list != "" {
			remark = "; no bus listens at " + name
		}
		// A stale variable is common: tmux and sudo keep it.
		if socket, ok := findUserBus(f.Caller); ok {
			addresses, binds = []address{unixAddress(string(socket.Path))}, socket.Binds(f, "the session bus")
		}
	}
	if len(addresses) == 0 {
		return session.Share{State: "no bus listens" + remark, Notes: notes}
	}
	if f.NeedsBusRelay() {
		return relayBus(addresses, session.PrivateDir.Join("session-bus"), name, notes)
	}
	// Set the variable even if it was unset: libraries do not agree on the
	// default, and libdbus may start a bus of its own (dbus-sysdeps-unix.c).
	return session.Share{
		State: fmt.Sprintf("%s (listening%s)", joinAddresses(addresses), remark),
		Binds: binds, Notes: notes,
		Env: []session.Var{{Name: name, Value: joinAddresses(addresses)}},
	}
}

// findUserBus finds the bus in the runtime directory as sd-bus does: a socket, with
// the caller's uid.
func findUserBus(c *session.Caller) (session.Socket, bool) {
	if c.RuntimeDir == "" {
		return session.Socket{}, false
	}
	socket, ok := c.FindSocket(c.RuntimeDir.Join("bus"))
	if !ok {
		return socket, false
	}
	st, err := os.Stat(string(socket.Real))
	return socket, err == nil && session.Owner(st) == c.UID
}
