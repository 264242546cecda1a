package test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// openPortal is a desktop whose session bus starts the host's portal, with a
// backend that has windows.
func openPortal(t *testing.T) *desk {
	t.Helper()
	d := openDesktop(t, headless.Options{X11: true, Bus: true, Home: makeHome(t, nil), Private: true})
	d.Env = append(d.Env, "XDG_CURRENT_DESKTOP=GNOME")
	// By it the portal chooses its backend.
	if _, err := d.Output("dbus-update-activation-environment", "XDG_CURRENT_DESKTOP"); err != nil {
		t.Fatal(err)
	}
	return d
}

// portal calls a method of the host's portal from inside.
func (d *desk) portal(method string, args ...string) result {
	d.t.Helper()
	return d.chrun(both, nil, append([]string{"gdbus", "call", "--session", "-d", "org.freedesktop.portal.Desktop",
		"-o", "/org/freedesktop/portal/desktop", "-m", "org.freedesktop.portal." + method}, args...)...)
}

// The host's portal looks at /proc/PID/root of who asks, and refuses whom it
// cannot look at; it tells a program inside what is set on the host, and shows
// its notifications.
func TestPortal(t *testing.T) {
	d := openPortal(t)
	for scheme, number := range map[string]string{"prefer-dark": "1", "prefer-light": "2"} {
		if _, err := d.Output("gsettings", "set", "org.gnome.desktop.interface", "color-scheme", scheme); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 10*time.Second, scheme, func() bool {
			return strings.Contains(d.portal("Settings.Read", "org.freedesktop.appearance", "color-scheme").stdout, "uint32 "+number)
		})
	}
	seen := d.monitor("interface=org.freedesktop.impl.portal.Notification")
	d.portal("Notification.AddNotification", "id-1", "{'title': <'from inside'>}").wantOutput(t, "()")
	waitFor(t, 10*time.Second, "the notification", func() bool {
		return strings.Contains(seen.String(), "member=AddNotification") && strings.Contains(seen.String(), `"from inside"`)
	})
	if r := d.chrun(both, []string{"--deny", "session-bus"}, "gdbus", "call", "--session", "-d", "org.freedesktop.portal.Desktop",
		"-o", "/", "-m", "org.freedesktop.DBus.Peer.Ping"); r.code == 0 {
		t.Error("denied, the portal answers")
	}
}

// A file dialog of GTK is one of the host, and the path that it returns is the
// same inside.
func TestPortalFile(t *testing.T) {
	d := openPortal(t)
	dir := headless.Dir(t, d.User) // in /tmp, which is shared
	file := filepath.Join(dir, "a b ü.txt")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := d.start(ctx, both, nil, "sh", "-c", `f=$(zenity --file-selection --save --filename="$0") && echo content >"$f" && echo "chose $f"`, file)
	c.Env = append(c.Env, "GTK_USE_PORTAL=1")
	var said safeBuffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var window string
	waitFor(t, 40*time.Second, "the host's dialog", func() bool {
		window, _ = d.Output("xdotool", "search", "--onlyvisible", "--class", "xdg-desktop-portal-gtk")
		return window != ""
	})
	window, _, _ = strings.Cut(window, "\n")
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	waitFor(t, 15*time.Second, "the answer", func() bool {
		// It may not listen to keys yet.
		d.Output("xdotool", "windowfocus", window, "key", "Return")
		return len(ended) > 0
	})
	if err := <-ended; err != nil || !strings.Contains(said.String(), "chose "+file+"\n") {
		t.Errorf("%v: %s", err, said.String())
	}
	if text, err := d.Output("cat", file); text != "content" {
		t.Error(text, err)
	}
}
