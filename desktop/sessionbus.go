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
		"DBUS_STARTER_ADDRESS", "DBUS_STARTER_BUS_TYPE"},
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
		return s
	},
}

func detectSessionBus(f *session.Facts) session.Share {
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
		if a, ok := findUserBus(f.Caller); ok {
			addresses = []address{a}
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

// findUserBus finds the bus in the runtime directory as libdbus does: a socket
// with the caller's uid that is not a symlink (dbus-sysdeps-unix.c,
// _dbus_lookup_user_bus).
func findUserBus(c *session.Caller) (address, bool) {
	if c.RuntimeDir == "" {
		return address{}, false
	}
	socket := c.RuntimeDir.Join("bus")
	st, err := os.Lstat(string(socket))
	if err != nil || st.Mode()&os.ModeSocket == 0 || session.Owner(st) != c.UID || !c.Listeners().IsLive(socket) {
		return address{}, false
	}
	return unixAddress(string(socket)), true
}
