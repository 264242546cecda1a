package desktop

import (
	"maps"
	"strings"
	"testing"

	"chrun/internal/fakedesk"
	"chrun/session"
)

// Chromium tries only the display that XDG_SESSION_TYPE names.
func TestFixSessionType(t *testing.T) {
	for _, tt := range []struct{ env, want string }{
		{"XDG_SESSION_TYPE=wayland WAYLAND_DISPLAY=wayland-0 DISPLAY=:0", "wayland"},
		{"XDG_SESSION_TYPE=wayland WAYLAND_DISPLAY= DISPLAY=:0", "x11"},
		{"XDG_SESSION_TYPE=wayland DISPLAY=:0", "x11"},
		{"XDG_SESSION_TYPE=wayland WAYLAND_DISPLAY=", "unset"},
		{"XDG_SESSION_TYPE=wayland WAYLAND_SOCKET=3", "wayland"},
		{"XDG_SESSION_TYPE=x11 WAYLAND_DISPLAY= DISPLAY=:0", "x11"},
		{"XDG_SESSION_TYPE=tty WAYLAND_DISPLAY= DISPLAY=localhost:10", "tty"},
		{"XDG_SESSION_TYPE=tty WAYLAND_DISPLAY=wayland-0", "wayland"},
		{"XDG_SESSION_TYPE=x11 WAYLAND_DISPLAY=wayland-0 DISPLAY=:0", "x11"},
		{"WAYLAND_DISPLAY=wayland-0", "wayland"},
		{"WAYLAND_DISPLAY=wayland-0 DISPLAY=:0", "unset"},
		{"WAYLAND_DISPLAY=", "unset"},
	} {
		values := map[string]string{}
		for _, kv := range strings.Fields(tt.env) {
			name, value, _ := strings.Cut(kv, "=")
			values[name] = value
		}
		before := maps.Clone(values)
		FixSessionType(values)
		got, ok := values["XDG_SESSION_TYPE"]
		if !ok {
			got = "unset"
		}
		delete(values, "XDG_SESSION_TYPE")
		delete(before, "XDG_SESSION_TYPE")
		if got != tt.want || !maps.Equal(values, before) {
			t.Errorf("%s: %s, %v", tt.env, got, values)
		}
	}
}

func TestOpensWindows(t *testing.T) {
	d := fakedesk.New(t)
	d.Write("tree/usr/bin/xclock", "\x7fELF\x00libXaw.so.7\x00libX11.so.6\x00")
	d.Write("tree/usr/bin/make", "\x7fELF\x00libc.so.6\x00")
	for _, name := range []string{"firefox", "vim", "python"} {
		d.Write("tree/usr/bin/"+name, "#!/bin/sh\n")
	}
	d.Write("tree/usr/share/applications/org.mozilla.firefox.desktop", "[Desktop Entry]\nName=Firefox\nExec=/usr/bin/firefox %u\n")
	d.Write("tree/usr/share/applications/vim.desktop", "[Desktop Entry]\nExec=vim %F\nTerminal=true\n")
	for name, want := range map[string]bool{"xclock": true, "firefox": true, "make": false, "vim": false, "python": false, "gone": false} {
		if got := OpensWindows(d.Root, []session.Path{"/usr/local/bin/" + session.Path(name), "/usr/bin/" + session.Path(name)}); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A denied feature sets a value that means none where the library would look for
// a server by itself.
func TestNone(t *testing.T) {
	none := map[string]string{"wayland": "WAYLAND_DISPLAY=", "session-bus": "DBUS_SESSION_BUS_ADDRESS=disabled:",
		"pulseaudio": "PULSE_SERVER=unix:/dev/null", "pipewire": "PIPEWIRE_REMOTE=/dev/null", "printing": "CUPS_SERVER=/dev/null",
		"jack": "JACK_NO_START_SERVER=1", "accessibility": "NO_AT_BRIDGE=1"}
	for _, f := range Features {
		if f.Hide == nil {
			continue
		}
		got := ""
		if s := f.Hide(fakedesk.New(t).Facts); len(s.Env) > 0 {
			got = s.Env[0].Name + "=" + s.Env[0].Value
		}
		if got != none[f.Name] {
			t.Errorf("%s: %q, want %q", f.Name, got, none[f.Name])
		}
	}
	// Those of which there is none on the host.
	for _, f := range Features {
		d := fakedesk.New(t)
		d.Caller.RuntimeDir = ""
		d.SetEnv("WAYLAND_DISPLAY=wayland-9") // if it is unset, it stays unset where there is no wayland-0
		want, value := none[f.Name], ""
		if f.Name != "wayland" && f.Name != "session-bus" && f.Name != "pulseaudio" {
			continue // their defaults are the caller's own servers, which may start later
		}
		if s := f.Detect(d.Facts); len(s.Env) > 0 {
			value = s.Env[0].Name + "=" + s.Env[0].Value
		}
		if value != want {
			t.Errorf("%s: %q, want %q", f.Name, value, want)
		}
	}
}
