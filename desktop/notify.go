package desktop

import (
	"context"
	"errors"
	"time"

	"chrun/desktop/dbus"
	"chrun/session"
)

var errNoBus = errors.New("no session bus")

// Notify shows an error on the caller's desktop (Desktop Notifications 1.2,
// org.freedesktop.Notifications.Notify), for launches from a menu, whose stderr
// nobody sees. app is the ID of the menu entry, or "". It gives up after limit.
// Then it stays connected for the time shown, because GNOME Shell withdraws the
// notification of an entry when its sender disconnects.
func Notify(c *session.Caller, app, summary, body string, limit, shown time.Duration) error {
	socket := BusSocket(c)
	if socket == "" {
		return errNoBus
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	bus, err := dbus.Connect(ctx, socket)
	if err != nil {
		return err
	}
	defer bus.Close()
	hints := map[string]dbus.Variant{}
	if app != "" {
		hints["desktop-entry"] = dbus.MakeVariant(dbus.ValidString(app))
	}
	const (
		replaces = uint32(0)
		icon     = "dialog-error"
		expires  = int32(-1) // as the server decides
	)
	err = bus.Object("org.freedesktop.Notifications", "/org/freedesktop/Notifications").CallWithContext(ctx,
		"org.freedesktop.Notifications.Notify", 0, "chrun", replaces, icon, dbus.ValidString(summary), dbus.ValidString(body),
		[]string{}, hints, expires).Err
	if err == nil && shown > 0 {
		select {
		case <-time.After(shown):
		case <-bus.Context().Done():
		}
	}
	return err
}

// OwnsBusName reports whether a program owns the name on the caller's session
// bus. The bus has to answer within limit.
func OwnsBusName(c *session.Caller, name string, limit time.Duration) bool {
	socket := BusSocket(c)
	if socket == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	bus, err := dbus.Connect(ctx, socket)
	if err != nil {
		return false
	}
	defer bus.Close()
	owned := false
	err = bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, name).Store(&owned)
	return err == nil && owned
}

// BusSocket returns the socket of the caller's session bus, found as a program
// inside finds it: a path, "@" and an abstract name, or "" if there is none.
func BusSocket(c *session.Caller) string {
	share := detectSessionBus(&session.Facts{Caller: c, Allowed: func(string) bool { return true }})
	for _, v := range share.Env {
		if socket := SocketIn(v.Value); socket != "" {
			return socket
		}
	}
	return ""
}
