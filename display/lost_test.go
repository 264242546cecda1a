package display

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"chrun/internal/fakedesk"
	"chrun/session"
)

// Displays are searched for only if the whole environment was lost. One that is
// half set names what the person wants: anything else is somebody else's screen.
func TestEnvironmentLost(t *testing.T) {
	for _, tt := range []struct {
		env          []string
		throughRoot  bool
		wayland, x11 string
	}{
		{nil, false, "wayland-1", ":5"},
		{[]string{"XDG_SESSION_TYPE=wayland"}, false, "wayland-1", ":5"},
		{[]string{"DISPLAY=:5"}, false, "-", ":5"},
		{[]string{"DISPLAY=:9"}, false, "-", "-"},
		{[]string{"DISPLAY="}, false, "-", "-"},
		{[]string{"WAYLAND_DISPLAY=wayland-1"}, false, "wayland-1", "-"},
		{[]string{"WAYLAND_DISPLAY=wayland-9"}, false, "", "-"},
		{[]string{"WAYLAND_DISPLAY="}, false, "", "-"},
		{[]string{"WAYLAND_DISPLAY=", "DISPLAY=:5"}, false, "", ":5"},
		{[]string{"WAYLAND_SOCKET=999999"}, false, "-", "-"},
		{[]string{"DISPLAY=localhost:10.0"}, false, "-", "localhost:10.0"},
		// sudo keeps only DISPLAY.
		{nil, true, "wayland-1", ":5"},
		{[]string{"DISPLAY=:5"}, true, "wayland-1", ":5"},
		{[]string{"DISPLAY=:9"}, true, "wayland-1", "-"},
		{[]string{"DISPLAY="}, true, "-", "-"},
		{[]string{"DISPLAY=localhost:10.0"}, true, "-", "localhost:10.0"},
		{[]string{"WAYLAND_DISPLAY=", "DISPLAY=:5"}, true, "", ":5"},
	} {
		d := newDesk(t)
		d.listen("run/wayland-1")
		d.listen("host/tmp/.X11-unix/X5")
		f := d.facts(tt.env...)
		f.Caller.ThroughRoot = tt.throughRoot
		wayland, x11 := Wayland.Detect(f), X11.Detect(f)
		if w, x := fakedesk.Value(wayland, "WAYLAND_DISPLAY"), fakedesk.Value(x11, "DISPLAY"); w != tt.wayland || x != tt.x11 {
			t.Errorf("%q, through root %v: WAYLAND_DISPLAY=%q DISPLAY=%q, want %q and %q", tt.env, tt.throughRoot, w, x, tt.wayland, tt.x11)
		}
	}
}

// Without a compositor WAYLAND_DISPLAY stays unset, as on the host, unless clients
// would then find the socket wayland-0. Nested compositors take an empty value for
// Wayland.
func TestNoWaylandUnset(t *testing.T) {
	for _, tt := range []struct{ env, socket, want string }{
		{"DISPLAY=:5", "run/wayland-1", "-"},
		{"DISPLAY=:5", "run/wayland-0", ""},
		{"WAYLAND_DISPLAY=", "run/wayland-1", ""},
		{"WAYLAND_DISPLAY=wayland-9", "run/wayland-1", ""},
	} {
		d := newDesk(t)
		d.listen(tt.socket)
		if got := fakedesk.Value(Wayland.Detect(d.facts(tt.env)), "WAYLAND_DISPLAY"); got != tt.want {
			t.Errorf("%s with %s: WAYLAND_DISPLAY=%q, want %q", tt.env, tt.socket, got, tt.want)
		}
	}
}

func TestExplain(t *testing.T) {
	const ssh = "SSH_CONNECTION=192.0.2.1 5000 192.0.2.2 22"
	for _, tt := range []struct {
		env, sockets, deny []string
		want               string // parts of the text, between "|"; "" for no text
	}{
		{nil, []string{"run/wayland-0"}, nil, ""},
		{nil, []string{"run/wayland-0", "run/wayland-1"}, nil, "opens on wayland-0, the default of wayland-0, wayland-1; |WAYLAND_DISPLAY=wayland-1 chrun"},
		{[]string{"WAYLAND_DISPLAY=wayland-1"}, []string{"run/wayland-0", "run/wayland-1"}, nil, ""},
		{nil, []string{"host/tmp/.X11-unix/X5", "host/tmp/.X11-unix/X6"}, nil, "opens on :5, the lowest number of :5, :6; |DISPLAY=:6 chrun"},
		{[]string{ssh}, []string{"run/wayland-0"}, nil, "opens on the screen of this machine; |ssh -X"},
		{[]string{ssh, "WAYLAND_DISPLAY=wayland-0"}, []string{"run/wayland-0"}, nil, ""},
		{[]string{ssh, "DISPLAY=localhost:10"}, []string{"run/wayland-0"}, nil, ""},
		{[]string{ssh}, nil, nil, "no display: |ssh without -X"},
		{nil, nil, nil, "no display: |are unset, and you have no running"},
		{[]string{"DISPLAY=:9"}, nil, nil, `no display: DISPLAY=":9": no X server runs`},
		{[]string{"DISPLAY=:9"}, []string{"run/wayland-0", "host/tmp/.X11-unix/X5"}, nil, "no display: |WAYLAND_DISPLAY=wayland-0 chrun …, or DISPLAY=:5 chrun …"},
		{[]string{"DISPLAY=:9"}, []string{"run/wayland-0", "host/tmp/.X11-unix/X5"}, []string{"wayland"}, "no display: |running: DISPLAY=:5 chrun"},
		{[]string{"DISPLAY=:9", "WAYLAND_DISPLAY=wayland-7"}, nil, nil, `no display: WAYLAND_DISPLAY="wayland-7": it does not exist; DISPLAY=":9"`},
		{[]string{"DISPLAY=:9", "WAYLAND_DISPLAY=wayland-0"}, []string{"run/wayland-0"}, nil, ""},
		{[]string{"DISPLAY=", "WAYLAND_DISPLAY="}, []string{"run/wayland-0"}, nil, ""},
		{nil, nil, []string{"wayland", "x11"}, ""},
	} {
		d := newDesk(t)
		d.Deny(tt.deny...)
		for _, s := range tt.sockets {
			d.listen(s)
		}
		f := d.facts(tt.env...)
		got := strings.Join(Explain(f, detect(f, Wayland), detect(f, X11)), "\n")
		for _, part := range strings.Split(tt.want, "|") {
			if !strings.Contains(got, part) || (tt.want == "") != (got == "") || strings.Contains(got, "\n") {
				t.Errorf("%q, %q: %q does not have %q", tt.env, tt.sockets, got, part)
			}
		}
	}
	d := newDesk(t)
	f := d.facts()
	f.Caller.RuntimeDir = ""
	if got := Explain(f, Wayland.Detect(f), X11.Detect(f)); len(got) != 1 || !strings.Contains(got[0], fmt.Sprintf("no runtime directory (XDG_RUNTIME_DIR, or else /run/user/%d)", os.Getuid())) {
		t.Errorf("%q", got)
	}
}

// detect returns what an allowed feature shares, or what a denied one hides.
func detect(f *session.Facts, feature session.Feature) session.Share {
	if f.Allowed(feature.Name) {
		return feature.Detect(f)
	}
	return feature.Hide(f)
}
