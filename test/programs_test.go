package test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// Clients of all services of the desktop work with every kind of environment.
func TestClients(t *testing.T) {
	d := openDesktop(t, headless.Options{Compositor: "sway", X11: true, Sound: true, Bus: true})
	for _, c := range []struct {
		command []string
		want    string
		modes   []mode
	}{
		{[]string{"wayland-info"}, "wl_compositor", []mode{both, wayland, empty}},
		{[]string{"foot", "-e", "true"}, "", []mode{both, wayland, empty}},
		{[]string{"xdpyinfo"}, "number of screens", []mode{both, x11, empty}},
		{[]string{"pw-cli", "info", "0"}, "PipeWire:Interface:Core", []mode{both, x11, wayland, empty}},
		{[]string{"pactl", "info"}, "PulseAudio (on PipeWire", []mode{both, x11, wayland, empty}},
		{[]string{"gdbus", "call", "--session", "--dest", "org.freedesktop.DBus", "--object-path", "/", "--method", "org.freedesktop.DBus.ListNames"}, "org.freedesktop.DBus", []mode{both, x11, wayland, empty}},
		{[]string{"dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames"}, "org.freedesktop.DBus", []mode{both, x11, wayland, empty}},
		{[]string{"bwrap", "--ro-bind", "/", "/", "true"}, "", []mode{both, empty}},
		{[]string{"unshare", "-U", "true"}, "", []mode{both, empty}},
	} {
		for _, m := range c.modes {
			t.Run(c.command[0]+"/"+m.name, func(t *testing.T) {
				d := &desk{d.Session, t, d.chroot}
				d.chrun(m, nil, c.command...).wantOutput(t, c.want)
			})
		}
	}
	t.Run("zenity", func(t *testing.T) {
		for _, m := range []mode{both, wayland, x11, empty} {
			d := &desk{d.Session, t, d.chroot}
			// Status 5, a timeout, means that the dialog was shown.
			if r := d.chrun(m, nil, "zenity", "--info", "--text=hello", "--timeout=1"); r.code != 5 {
				t.Errorf("%s: status %d: %s", m.name, r.code, r.stderr)
			}
		}
	})
	t.Run("sound", func(t *testing.T) { checkSound(&desk{d.Session, t, d.chroot}) })
	t.Run("pipewire restarts", func(t *testing.T) {
		d := &desk{d.Session, t, d.chroot}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		flag := filepath.Join(headless.Dir(t, d.User), "again")
		cmd := d.start(ctx, both, nil, "sh", "-c", "pw-cli info 0 >/dev/null && echo first; while ! test -e "+flag+"; do sleep 0.05; done; pw-cli info 0 >/dev/null && pactl info >/dev/null && echo second")
		var out safeBuffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 10*time.Second, "the first connection", func() bool { return strings.Contains(out.String(), "first") })
		if err := d.RestartPipewire(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(flag, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "second") {
			t.Errorf("after the restart: %v: %s", err, out.String())
		}
	})
}

// checkSound plays a tone through each kind of client and records it.
func checkSound(d *desk) {
	t := d.t
	wav := filepath.Join(headless.Dir(t, d.User), "tone.wav")
	const hertz = 440
	if err := os.WriteFile(wav, headless.Tone(hertz, time.Second, 0.3).WAV(), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command []string
		mode    mode
	}{
		{[]string{"pw-play", wav}, both}, {[]string{"paplay", wav}, both}, {[]string{"aplay", "-q", wav}, both},
		{[]string{"pw-play", wav}, empty}, {[]string{"aplay", "-q", wav}, empty},
	} {
		recorded, err := d.Record(func() error {
			return d.chrun(c.mode, nil, c.command...).err
		})
		if err != nil || recorded.Loudness() < 0.02 || recorded.Share(hertz) < 0.5 {
			t.Errorf("%s (%s): %v, loudness %.3f, share of the tone %.2f", c.command[0], c.mode.name, err, recorded.Loudness(), recorded.Share(hertz))
		}
	}
	r := d.chrun(both, nil, "timeout", "-s", "INT", "2", "pw-record", "--target", "0", filepath.Join(filepath.Dir(wav), "rec.wav"))
	if r.code != 124 && r.code != 0 {
		t.Errorf("pw-record: %d: %s", r.code, r.stderr)
	}
}
