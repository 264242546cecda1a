package x11

import (
	"strings"
	"testing"

	"chrun/session"
)

// existing returns an exists function for ParseDisplay.
func existing(paths ...session.HostPath) func(session.HostPath) bool {
	return func(p session.HostPath) bool {
		for _, q := range paths {
			if p == q {
				return true
			}
		}
		return false
	}
}

func TestParseDisplay(t *testing.T) {
	exists := existing("/tmp/.X11-unix/X0", "/tmp/.X11-unix/X5", "/tmp/.X11-unix/X05", "/run/x/sock",
		"/run/x/sock.7", "/private/tmp/launchd.Xy/org.xquartz:0", session.HostPath("/"+strings.Repeat("x", 200)))
	for _, tt := range []struct {
		in     string
		want   Display
		string string
		remote bool
	}{
		{":0", Display{Screen: -1}, ":0", false},
		{":0.0", Display{}, ":0.0", false},
		{":10.2", Display{Number: 10, Screen: 2}, ":10.2", false},
		{":007", Display{Number: 7, Screen: -1}, ":7", false},
		{"unix:0", Display{Screen: -1}, ":0", false},
		{"unix:3.1", Display{Number: 3, Screen: 1}, ":3.1", false},
		{"unix/:0", Display{Screen: -1}, ":0", false},
		{"unix/unix:0", Display{Screen: -1}, ":0", false},
		{"unix/myhost:4", Display{Number: 4, Screen: -1}, ":4", false},
		{"localhost:10", Display{Host: "localhost", Number: 10, Screen: -1}, "localhost:10", false},
		{"localhost:10.0", Display{Host: "localhost", Number: 10}, "localhost:10.0", false},
		{"127.0.0.1:1", Display{Host: "127.0.0.1", Number: 1, Screen: -1}, "127.0.0.1:1", false},
		{"127.0.1.1:1", Display{Host: "127.0.1.1", Number: 1, Screen: -1}, "127.0.1.1:1", true},
		{"[::1]:1", Display{Host: "::1", Number: 1, Screen: -1}, "[::1]:1", false},
		{"::1:0", Display{Host: "::1", Screen: -1}, "[::1]:0", false},
		{"::ffff:127.0.0.1:0", Display{Host: "::ffff:127.0.0.1", Screen: -1}, "[::ffff:127.0.0.1]:0", false},
		{"[fe80::2%eth0]:1.1", Display{Host: "fe80::2%eth0", Number: 1, Screen: 1}, "[fe80::2%eth0]:1.1", true},
		{"tcp/box:0", Display{Protocol: "tcp", Host: "box", Screen: -1}, "tcp/box:0", true},
		{"inet/box:0.1", Display{Protocol: "inet", Host: "box", Screen: 1}, "inet/box:0.1", true},
		{"inet6/[2001:db8::1]:2", Display{Protocol: "inet6", Host: "2001:db8::1", Number: 2, Screen: -1}, "inet6/[2001:db8::1]:2", true},
		{"/run/x/sock", Display{Path: "/run/x/sock", Screen: -1}, "/run/x/sock", false},
		{"/run/x/sock.3", Display{Path: "/run/x/sock", Screen: 3}, "/run/x/sock.3", false},
		{"/run/x/sock.7", Display{Path: "/run/x/sock.7", Screen: -1}, "/run/x/sock.7", false},
		{"unix:/run/x/sock.12", Display{Path: "/run/x/sock", Screen: 12}, "/run/x/sock.12", false},
		{"/private/tmp/launchd.Xy/org.xquartz:0", Display{Path: "/private/tmp/launchd.Xy/org.xquartz:0", Screen: -1}, "/private/tmp/launchd.Xy/org.xquartz:0", false},
		{"/tmp/.X11-unix/X5", Display{Number: 5, Screen: -1}, ":5", false},
		{"unix:/tmp/.X11-unix/X5.1", Display{Number: 5, Screen: 1}, ":5.1", false},
		{"/tmp/.X11-unix/X05", Display{Path: "/tmp/.X11-unix/X05", Screen: -1}, "/tmp/.X11-unix/X05", false},
	} {
		got, err := ParseDisplay(tt.in, exists)
		if err != nil || got != tt.want || got.String() != tt.string || got.IsRemote() != tt.remote {
			t.Errorf("ParseDisplay(%q) = %+v (%s, remote %v), %v\nwant %+v (%s, remote %v)",
				tt.in, got, got, got.IsRemote(), err, tt.want, tt.string, tt.remote)
		}
	}
	for _, bad := range []string{
		"", "0", ":", ":x", ":0.", ":0.x", ":0.1.2", ": 0", ":+1", ":-1", ":0 ", ":2147483648", ":99999999999999999999",
		"host", "host:", "host/unix:0", "local/:0", "tcp/:0", "tcp/unix:0", "inet6/:1", "TCP/box:0", "box:59536",
		"box::0", "[box]:0", "[::1:0", "[]:0", "a b:0", "tcp/", "/", "/run/x/gone", "/run/x/sock.0", "/run/x/sock.x", "/run/x/sock.",
		"unix:/run/x/gone", "unix:sock", "unix:", "/" + strings.Repeat("x", 200),
	} {
		if d, err := ParseDisplay(bad, exists); err == nil {
			t.Errorf("ParseDisplay(%q) = %+v, want an error", bad, d)
		}
	}
}

func TestSockets(t *testing.T) {
	for _, tt := range []struct {
		d                Display
		socket, abstract string
	}{
		{Display{Number: 7}, "/tmp/.X11-unix/X7", "@/tmp/.X11-unix/X7"},
		{Display{Path: "/run/x"}, "/run/x", ""},
		{Display{Host: "box"}, "", ""},
	} {
		if s, a := tt.d.Socket(), tt.d.AbstractName(); string(s) != tt.socket || a != tt.abstract {
			t.Errorf("%+v: %q, %q", tt.d, s, a)
		}
	}
}

func FuzzParseDisplay(f *testing.F) {
	for _, s := range []string{":0.0", "unix:0", "unix/:0", "tcp/localhost:10.0", "[::1]:1", "::1:0", "/a.1", "unix:/a", "/tmp/.X11-unix/X5.1", "[fe80::1%a/b]:0"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, all bool) {
		// Either all files exist, or only those without a '.' in their name.
		exists := func(p session.HostPath) bool { return all || !strings.Contains(string(p), ".") }
		d, err := ParseDisplay(s, exists)
		if err != nil {
			return
		}
		out := d.String()
		if strings.HasPrefix(out, "unix:") {
			t.Errorf("%q became %q, which libxcb 1.16 refuses", s, out)
		}
		if d.Path != "" && d.Host != "" || d.Number < 0 || d.Screen < -1 {
			t.Errorf("%q became %+v", s, d)
		}
		again, err := ParseDisplay(out, exists)
		if err != nil || again != d {
			t.Errorf("%q became %+v, printed as %q, read as %+v, %v", s, d, out, again, err)
		}
		if !d.IsSameServer(again) {
			t.Errorf("%+v is not the same as itself", d)
		}
	})
}
