package inside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/desktop"
	"chrun/desktop/dbus"
	"chrun/internal/doctor/report"
	"chrun/session"
)

// sessionBus and systemBus are the variables with the addresses of the buses.
const (
	sessionBus = "DBUS_SESSION_BUS_ADDRESS"
	systemBus  = "DBUS_SYSTEM_BUS_ADDRESS"
)

// probeSessionBus says hello, and asks what is on the bus.
func probeSessionBus(ctx context.Context, in *Input, add func(...report.Check)) {
	const row = "session-bus"
	socket, outside := desktop.SocketIn(in.Env.Get(sessionBus)), in.Caller.Get(sessionBus)
	switch {
	case in.denies(row):
		return
	case !in.shares(row) && outside != "":
		add(report.Bad(row, report.Found, "bus-stale", sessionBus+" names a bus that does not run"))
		return
	case socket == "" || !in.shares(row):
		return
	case outside != "" && desktop.SocketIn(outside) != socket && !session.Path(socket).IsBelow(session.PrivateDir):
		add(report.Notice(row, report.Found, "bus-moved", "chrun has found the bus, but "+sessionBus+" is stale",
			"address", session.Quote(in.Env.Get(sessionBus))))
	}
	usual := tryBus(ctx, path.Join(in.Env.Get("XDG_RUNTIME_DIR"), "bus"), socket)
	b, ok := openBus(ctx, row, socket, func(checks ...report.Check) {
		for i := range checks {
			nameUsualBus(&checks[i], usual)
		}
		add(checks...)
	})
	if !ok {
		return
	}
	defer b.conn.Close()
	add(report.Good(row, report.Answers, "the bus answers"))
	parts := []string{"answers"}
	parts = append(parts, b.askPortal(ctx, add), b.askNotifications(ctx, add), b.askTray(ctx))
	add(report.Good(row, report.Answers, strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")))
}

// tryBus says hello to the bus at the usual place while another one is tried. The channel
// gets its socket if it answers.
func tryBus(ctx context.Context, usual, other string) <-chan string {
	found := make(chan string, 1)
	if usual == other {
		return found
	}
	go func() {
		ctx, cancel := context.WithTimeout(ctx, Limit/2)
		defer cancel()
		if conn, err := dbus.Connect(ctx, usual); err == nil {
			conn.Close()
			found <- usual
		}
	}()
	return found
}

// nameUsualBus lets the command of a check name the bus at the usual place, if it answers.
func nameUsualBus(c *report.Check, usual <-chan string) {
	select {
	case socket := <-usual:
		c.Values = map[string]string{"address": session.Quote("unix:path=" + socket)}
		if c.Fault != "bus-foreign" {
			c.Fault = "bus-other"
		}
	case <-time.After(100 * time.Millisecond):
		if c.Fault == "bus-foreign" {
			c.Fault = "bus-refused"
		}
	}
}

// probeSystemBus says hello, and lists the well-known services that run.
func probeSystemBus(ctx context.Context, in *Input, add func(...report.Check)) {
	const row = "system-bus"
	socket := desktop.SocketIn(in.Env.Get(systemBus))
	if !in.shares(row) || socket == "" {
		return
	}
	b, ok := openBus(ctx, row, socket, add)
	if !ok {
		return
	}
	defer b.conn.Close()
	var running []string
	for _, s := range []struct{ name, text string }{
		{"org.freedesktop.login1", "logind"}, {"org.freedesktop.NetworkManager", "NetworkManager"},
		{"org.freedesktop.UPower", "UPower"}, {"org.freedesktop.PolicyKit1", "polkit"}, {"org.freedesktop.RealtimeKit1", "RealtimeKit"},
	} {
		if b.isOwned(ctx, s.name) {
			running = append(running, s.text)
		}
	}
	add(report.Good(row, report.Answers, strings.TrimSuffix("answers: "+strings.Join(running, ", "), ": ")))
}

// bus is a connection to a bus.
type bus struct {
	row  string
	conn *dbus.Conn
}

// openBus connects to a bus, or says why that failed.
func openBus(ctx context.Context, row, socket string, add func(...report.Check)) (*bus, bool) {
	ctx, cancel := context.WithTimeout(ctx, Limit-300*time.Millisecond) // so that there is time to say it
	defer cancel()
	conn, err := dbus.Connect(ctx, socket)
	if err == nil {
		return &bus{row, conn}, true
	}
	prefix, what := "bus", "the bus"
	if row == "system-bus" {
		prefix, what = "system-bus", "the system bus"
	}
	switch {
	case ctx.Err() != nil:
		add(report.Bad(row, report.Answers, prefix+"-hang", what+" accepts connections, but does not answer"))
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ECONNREFUSED):
		add(report.Bad(row, report.Reachable, prefix+"-gone", what+" cannot be reached: "+err.Error()))
	case prefix == "bus" && !session.Path(socket).IsBelow(session.PrivateDir) && serverUID(socket) != os.Getuid(): // not chrun's relay
		add(report.Bad(row, report.Answers, "bus-foreign", fmt.Sprintf("the bus at %s belongs to another user and refuses you", socket)))
	default:
		add(report.Bad(row, report.Answers, prefix+"-refused", what+" refuses the program: "+err.Error()))
	}
	return nil, false
}

// serverUID returns the uid of the server at a socket, -1 if it is unknown.
func serverUID(socket string) (uid int) {
	uid = -1
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return uid
	}
	defer conn.Close()
	if raw, err := conn.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
				uid = int(cred.Uid)
			}
		})
	}
	return uid
}

const busName = "org.freedesktop.DBus"

// isOwned reports whether a program has a name, without starting one.
func (b *bus) isOwned(ctx context.Context, name string) (owned bool) {
	call := b.conn.Object(busName, "/org/freedesktop/DBus").CallWithContext(ctx, busName+".NameHasOwner", 0, name)
	return call.Store(&owned) == nil && owned
}

// ownerPID returns the process that has a name, "0" if it has just ended.
func (b *bus) ownerPID(ctx context.Context, name string) string {
	var pid uint32
	call := b.conn.Object(busName, "/org/freedesktop/DBus").CallWithContext(ctx, busName+".GetConnectionUnixProcessID", 0, name)
	_ = call.Store(&pid)
	return strconv.Itoa(int(pid))
}

// canStart reports whether the bus starts a program for a name when it is called.
func (b *bus) canStart(ctx context.Context, name string) bool {
	var names []string
	call := b.conn.Object(busName, "/org/freedesktop/DBus").CallWithContext(ctx, busName+".ListActivatableNames", 0)
	return call.Store(&names) == nil && slices.Contains(names, name)
}

// call calls a method of a program that has a name. The bus starts none.
func (b *bus) call(ctx context.Context, name, object, method string, args ...any) ([]any, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	call := b.conn.Object(name, dbus.ObjectPath(object)).CallWithContext(ctx, method, dbus.NoAutoStart, args...)
	return call.Body, call.Err
}

// property reads a property.
func (b *bus) property(ctx context.Context, name, object, iface, property string) (any, error) {
	body, err := b.call(ctx, name, object, busName+".Properties.Get", iface, property)
	if err != nil {
		return nil, err
	}
	if len(body) == 1 {
		if v, ok := body[0].(dbus.Variant); ok {
			return v.Value(), nil
		}
	}
	return nil, errors.New("no value")
}

// askPortal reads only the versions of the portal's interfaces.
func (b *bus) askPortal(ctx context.Context, add func(...report.Check)) string {
	const name, object = "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop"
	if !b.isOwned(ctx, name) {
		if b.canStart(ctx, name) {
			return "portal starts on demand"
		}
		return "no portal"
	}
	var found []string
	for _, iface := range []string{"FileChooser", "OpenURI", "Settings"} {
		version, err := b.property(ctx, name, object, "org.freedesktop.portal."+iface, "version")
		if errors.Is(err, context.DeadlineExceeded) {
			add(report.Bad(b.row, report.Answers, "portal-hang", "the portal does not answer: programs start late", "pid", b.ownerPID(ctx, name)))
			return ""
		}
		if v, ok := version.(uint32); ok && err == nil {
			found = append(found, fmt.Sprintf("%s %d", iface, v))
		}
	}
	if found == nil {
		add(report.Notice(b.row, report.Answers, "portal-empty", "the portal has no backend: no file dialogs, no dark style"))
		return ""
	}
	add(report.Good(b.row, report.Answers, "portal: "+strings.Join(found, ", ")))
	return "portal"
}

// askNotifications asks which program shows notifications.
func (b *bus) askNotifications(ctx context.Context, add func(...report.Check)) string {
	const name = "org.freedesktop.Notifications"
	if !b.isOwned(ctx, name) {
		if b.canStart(ctx, name) {
			return "notifications start on demand"
		}
		return "no notifications"
	}
	body, err := b.call(ctx, name, "/org/freedesktop/Notifications", name+".GetServerInformation")
	if errors.Is(err, context.DeadlineExceeded) {
		add(report.Bad(b.row, report.Answers, "notifications-hang", "the notification server does not answer", "pid", b.ownerPID(ctx, name)))
		return ""
	}
	if len(body) > 0 {
		if server, ok := body[0].(string); ok && server != "" {
			return "notifications by " + server[:min(len(server), 40)]
		}
	}
	return "notifications"
}

// askTray asks whether icons of programs are shown somewhere.
func (b *bus) askTray(ctx context.Context) string {
	const name = "org.kde.StatusNotifierWatcher"
	if !b.isOwned(ctx, name) {
		return "no tray"
	}
	if shown, err := b.property(ctx, name, "/StatusNotifierWatcher", name, "IsStatusNotifierHostRegistered"); err == nil && shown == false {
		return "no tray"
	}
	return "tray"
}
