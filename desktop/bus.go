package desktop

import (
	"fmt"
	"os"
	"strings"

	"chrun/session"
)

// SessionBus is the bus of the caller's session: notifications, portals, media
// keys, the tray, secrets, and whatever else its programs offer each other.
var SessionBus = session.Feature{
	Name:   "session-bus",
	Group:  "bus",
	Shares: "the session bus: notifications, portals, tray, media keys, secrets, input methods",
	Variables: []string{"DBUS_SESSION_BUS_ADDRESS", "DBUS_SESSION_BUS_PID", "DBUS_SESSION_BUS_WINDOWID",
		// Of a program that a bus started, not of its children.
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
	reached, binds, notes := chooseReachable(f, list, "the session bus")
	how := ""
	if len(reached) == 0 {
		// As libdbus does without the variable: a socket of our uid, no link
		// (dbus-sysdeps-unix.c, _dbus_lookup_user_bus). After a stale variable
		// too: tmux and sudo keep those.
		how = "; " + name + " was unset"
		if list != "" {
			how = "; " + name + " leads to no bus"
		}
		if dir := f.Caller.RuntimeDir; dir != "" {
			p := dir.Join("bus")
			if st, err := os.Lstat(string(p)); err == nil && st.Mode()&os.ModeSocket != 0 &&
				session.Owner(st) == f.Caller.UID && f.Caller.Listeners().Live(p) {
				reached = []address{unixAddress(string(p))}
			}
		}
	}
	if len(reached) == 0 {
		return session.Share{State: "no bus listens" + how, Notes: notes}
	}
	if f.Foreign() {
		return relayBus(reached, session.PrivateDir.Join("session-bus"), name, notes)
	}
	// Explicit, for the libraries disagree on what an unset variable means,
	// and libdbus may start a bus of its own (dbus-sysdeps-unix.c).
	return session.Share{
		State: fmt.Sprintf("%s (listening%s)", joinAddresses(reached), how),
		Binds: binds, Notes: notes,
		Env: []session.Var{{Name: name, Value: joinAddresses(reached)}},
	}
}

// relayBus offers a bus to a program that it would not know by its uid.
func relayBus(reached []address, at session.Path, name string, notes []string) session.Share {
	for _, a := range reached {
		bus := a.get("path")
		if abstract := a.get("abstract"); abstract != "" {
			bus = "@" + abstract
		}
		if bus == "" {
			continue // over TCP
		}
		return session.Share{
			State: fmt.Sprintf("%s (listening; through chrun, for it knows you by another uid)", a),
			Relay: &session.Relay{Bus: bus, Path: at}, Notes: notes,
			Env: []session.Var{{Name: name, Value: unixAddress(string(at)).String()}},
		}
	}
	return session.Share{State: "none: that bus would not know the program by its uid", Notes: notes}
}

// hideBus covers what a list of addresses names.
func hideBus(list string) (s session.Share) {
	s.Cover, s.Notes = pathsToCover(list)
	return s
}

// SystemBus is the machine's bus: NetworkManager, UPower, RealtimeKit, logind.
var SystemBus = session.Feature{
	Name:      "system-bus",
	Group:     "bus",
	Shares:    "the system bus: power, network state, real-time scheduling",
	Variables: []string{"DBUS_SYSTEM_BUS_ADDRESS"},
	Detect:    detectSystemBus,
	Hide: func(f *session.Facts) session.Share {
		return hideBus(f.Caller.Env.Get("DBUS_SYSTEM_BUS_ADDRESS"))
	},
}

func detectSystemBus(f *session.Facts) session.Share {
	const (
		name            = "DBUS_SYSTEM_BUS_ADDRESS"
		dir, socketName = session.Path("/run/dbus"), "system_bus_socket"
		why             = "the system bus"
	)
	list := f.Caller.Env.Get(name)
	reached, binds, notes := chooseReachable(f, list, why)
	if len(reached) == 0 {
		source := f.Caller.Host.Join(string(dir))
		if !f.Caller.Listens(source.Join(socketName)) {
			return session.Share{State: "no bus listens", Notes: notes}
		}
		// The directory, so that a bus which restarts is found again. Libraries
		// were built with /run or /var/run: the variable spares the difference.
		reached = []address{unixAddress(string(dir.Join(socketName)))}
		binds = []session.Bind{{Source: source, Dest: dir, ReadOnly: true, Why: why}}
	}
	// It admits every uid, if that is what the program claims.
	if f.Identity.Kind != "" && f.Identity.UID != f.Identity.ShownUID {
		return relayBus(reached, session.PrivateDir.Join("system-bus"), name, notes)
	}
	return session.Share{
		State: fmt.Sprintf("%s (listening)", joinAddresses(reached)), Binds: binds, Notes: notes,
		Env: []session.Var{{Name: name, Value: joinAddresses(reached)}},
	}
}

// Accessibility is the bus of screen readers (AT-SPI). Programs find it through
// the session bus (org.a11y.Bus.GetAddress) and get a path of the host, which is
// in the runtime directory and thus the same inside.
var Accessibility = session.Feature{
	Name:      "accessibility",
	Group:     "bus",
	Shares:    "the accessibility bus: screen readers",
	Variables: []string{"AT_SPI_BUS_ADDRESS"},
	Detect: func(f *session.Facts) session.Share {
		const name = "AT_SPI_BUS_ADDRESS"
		if f.Foreign() {
			return session.Share{State: "none: that bus would not know the program by its uid", Env: noAccessibility}
		}
		reached, binds, notes := chooseReachable(f, f.Caller.Env.Get(name), "the accessibility bus")
		if len(reached) > 0 {
			return session.Share{
				State: fmt.Sprintf("%s (listening)", joinAddresses(reached)), Binds: binds, Notes: notes,
				Env: []session.Var{{Name: name, Value: joinAddresses(reached)}},
			}
		}
		if !f.Allowed("session-bus") {
			return session.Share{State: "not without the session bus", Notes: notes}
		}
		return session.Share{State: "through the session bus", Notes: notes}
	},
	Hide: func(f *session.Facts) session.Share {
		s := hideBus(f.Caller.Env.Get("AT_SPI_BUS_ADDRESS"))
		if dir := f.Caller.RuntimeDir; dir != "" {
			entries, _ := os.ReadDir(string(dir.Join("at-spi")))
			for _, e := range entries {
				// bus, or bus_0 for the display :0
				if strings.HasPrefix(e.Name(), "bus") && e.Type()&os.ModeSocket != 0 {
					s.Cover = append(s.Cover, session.Path(dir.Join("at-spi", e.Name())))
				}
			}
		}
		// GTK 2 and 3, and GTK 4: else each start asks the session bus to
		// start the accessibility bus, and complains.
		s.Env = noAccessibility
		return s
	},
}

var noAccessibility = []session.Var{{Name: "NO_AT_BRIDGE", Value: "1"}, {Name: "GTK_A11Y", Value: "none"}}
