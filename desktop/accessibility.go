package desktop

import (
	"fmt"
	"os"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// Accessibility shares the bus of screen readers (AT-SPI). Usually programs ask
// the session bus for its address (org.a11y.Bus.GetAddress), which is a path in
// the runtime directory and thus valid inside too.
var Accessibility = session.Feature{
	Name:      "accessibility",
	Group:     "bus",
	Shares:    "the accessibility bus: screen readers",
	Variables: []string{"AT_SPI_BUS_ADDRESS"},
	Detect:    detectAccessibility,
	Hide: func(f *session.Facts) session.Share {
		s := hideBus(f.Caller.Env.Get("AT_SPI_BUS_ADDRESS"))
		s.Cover = append(s.Cover, accessibilitySockets(f.Caller.RuntimeDir)...)
		s.Env = disableAccessibility
		return s
	},
}

// disableAccessibility is for GTK 2 and 3, and for GTK 4. Without it each program
// asks the session bus to start the accessibility bus, and prints a warning.
var disableAccessibility = []session.Var{{Name: "NO_AT_BRIDGE", Value: "1"}, {Name: "GTK_A11Y", Value: "none"}}

func detectAccessibility(f *session.Facts) session.Share {
	const name = "AT_SPI_BUS_ADDRESS"
	if f.NeedsBusRelay() {
		return session.Share{State: refusesUID, Absent: true, Env: disableAccessibility}
	}
	addresses, binds, notes := chooseReachable(f, f.Caller.Env.Get(name), "the accessibility bus")
	if len(addresses) > 0 {
		return session.Share{
			State: fmt.Sprintf("%s (listening)", joinAddresses(addresses)), Binds: binds, Notes: notes,
			Env: []session.Var{{Name: name, Value: joinAddresses(addresses)}},
		}
	}
	if !f.Allowed("session-bus") {
		return session.Share{State: "unavailable without the session bus", Absent: true, Notes: notes, Env: disableAccessibility}
	}
	return session.Share{State: "through the session bus", Notes: notes}
}

// accessibilitySockets lists the sockets of the accessibility bus: bus, or bus_0
// for the display :0.
func accessibilitySockets(runtimeDir session.HostPath) (sockets []session.Path) {
	if runtimeDir == "" {
		return nil
	}
	dir := runtimeDir.Join("at-spi")
	entries, _ := rootfs.ListHost(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "bus") && e.Type()&os.ModeSocket != 0 {
			sockets = append(sockets, session.Path(dir.Join(e.Name())))
		}
	}
	return sockets
}
