package main

import (
	"context"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// notify shows an error on the desktop, for launches from a menu where nobody
// sees stderr (Desktop Notifications 1.2, Notify). Without a session bus or a
// notification server it does nothing.
func notify(text string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	conn, err := dbus.ConnectSessionBus(dbus.WithContext(ctx))
	if err != nil {
		return
	}
	defer conn.Close()
	body := strings.ReplaceAll(strings.TrimSpace(text), "chrun: ", "")
	conn.Object("org.freedesktop.Notifications", "/org/freedesktop/Notifications").CallWithContext(ctx,
		"org.freedesktop.Notifications.Notify", 0,
		"chrun", uint32(0), "dialog-error", "chrun", body, []string{}, map[string]dbus.Variant{}, int32(-1))
}
