package desktop

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"chrun/desktop/dbus"
	"chrun/session"
)

// Notify shows an error on the desktop of the caller (Desktop Notifications
// 1.2, org.freedesktop.Notifications.Notify), for launches from a menu where
// nobody sees stderr. app is the id of the entry that failed, or "". It gives up
// after limit. Then it stays on the bus for the time hold: GNOME Shell takes back
// what is about an entry when its sender goes.
func Notify(c *session.Caller, app, summary, body string, limit, hold time.Duration) error {
	addr := BusAddress(c)
	if addr == nil {
		return errors.New("no session bus")
	}
	bus, err := dbus.Dial(addr, c.UID, limit)
	if err != nil {
		return err
	}
	defer bus.Close()
	bus.Bus()
	call := dbus.Call{Dest: "org.freedesktop.Notifications", Path: "/org/freedesktop/Notifications",
		Iface: "org.freedesktop.Notifications", Member: "Notify", Sig: "susssasa{sv}i"}
	b := &call.Body
	b.String("chrun")
	b.Uint32(0) // replaces none
	b.String("dialog-error")
	b.String(summary)
	b.String(body)
	b.Array(4, func() {}) // no actions
	b.Array(8, func() {
		if app != "" {
			b.Struct()
			b.String("desktop-entry")
			b.StringVariant(app)
		}
	})
	b.Uint32(^uint32(0)) // the server decides how long it stays
	if _, err = bus.Call(&call); err == nil && hold > 0 {
		bus.Hold(hold)
	}
	return err
}

// BusAddress is where the session bus listens, found as a program inside would;
// nil if there is none.
func BusAddress(c *session.Caller) unix.Sockaddr {
	share := detectSessionBus(&session.Facts{Caller: c, Allowed: func(string) bool { return true }})
	for _, v := range share.Env {
		for _, a := range parseAddresses(v.Value) {
			if p := a.get("path"); p != "" {
				return &unix.SockaddrUnix{Name: p}
			} else if p := a.get("abstract"); p != "" {
				return &unix.SockaddrUnix{Name: "@" + p}
			}
		}
	}
	return nil
}
