package desktop

import (
	"fmt"

	"chrun/session"
)

// SystemBus shares the bus of the machine, where NetworkManager, UPower,
// RealtimeKit and logind are.
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
	addresses, binds, notes := chooseReachable(f, f.Caller.Env.Get(name), why)
	if len(addresses) == 0 {
		socket, ok := f.Caller.FindSocket(f.Caller.Host.Join(string(dir), socketName))
		if !ok {
			return session.Share{State: "no bus listens", Notes: notes}
		}
		// Bind the directory, so that a restarted bus is found. Set the variable,
		// because some libraries look in /var/run and others in /run.
		addresses = []address{unixAddress(string(dir.Join(socketName)))}
		binds = socket.SystemBinds(f, dir, why)
	}
	// The bus admits every uid, but only if the program claims the uid that it
	// has on the host.
	if f.Identity.Kind != "" && f.Identity.UID != f.Identity.InsideUID {
		return relayBus(addresses, session.PrivateDir.Join("system-bus"), name, notes)
	}
	return session.Share{
		State: fmt.Sprintf("%s (listening)", joinAddresses(addresses)), Binds: binds, Notes: notes,
		Env: []session.Var{{Name: name, Value: joinAddresses(addresses)}},
	}
}
