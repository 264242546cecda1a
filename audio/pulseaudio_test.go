package audio

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"chrun/internal/fakedesk"
	"chrun/session"
)

const testID = "0123456789abcdef0123456789abcdef"

func TestParseServers(t *testing.T) {
	for _, test := range []struct {
		list string
		want []string
	}{
		{"", nil},
		{"unix:/run/user/1000/pulse/native", []string{"unix:/run/user/1000/pulse/native"}},
		{"/run/x", []string{"unix:/run/x"}},
		{"{" + testID + "}unix:/a tcp:host:4713\ttcp6:[::1]:4", []string{"unix:/a", "tcp:host:4713", "tcp6:[::1]:4"}},
		{"{myhost}/a {other}/b {}/c {" + testID + " {" + testID + "}{x}/d", []string{"unix:/a"}},
		{"tcp4:10.0.0.1 host host:1 [::1]:4713", []string{"tcp4:10.0.0.1", "host", "host:1", "[::1]:4713"}},
		{"unix:relative tcp: : :5 {", nil},
	} {
		if got := parseServers(test.list, testID, "myhost"); !reflect.DeepEqual(got, test.want) {
			t.Errorf("parseServers(%q) = %q, want %q", test.list, got, test.want)
		}
	}
	if got := parseServers("{}/a", ""); got != nil {
		t.Errorf("a machine without an ID accepted %q", got)
	}
}

// The result becomes PULSE_SERVER inside, so it must be parsed to the same.
func FuzzPulseServer(f *testing.F) {
	f.Add("{" + testID + "}unix:/a//b/../c tcp:[::1]:4713 {x}y z")
	f.Fuzz(func(t *testing.T, list string) {
		once := parseServers(list, testID)
		if twice := parseServers(strings.Join(once, " ")); !reflect.DeepEqual(once, twice) {
			t.Errorf("%q, again %q", once, twice)
		}
	})
}

func TestPulse(t *testing.T) {
	t.Run("default, with cookie", func(t *testing.T) {
		d := fakedesk.New(t)
		p := d.Socket("run/pulse/native", true)
		cookie := strings.Repeat("c", cookieSize)
		d.Write("home/.config/pulse/cookie", cookie)
		s := detectPulse(d.Facts)
		fakedesk.WantEnv(t, s, map[string]string{"PULSE_SERVER": "unix:" + p, "PULSE_COOKIE": "/run/chrun/pulse-cookie"})
		fakedesk.WantBinds(t, s)
		if len(s.Files) != 1 || string(s.Files[0].Data) != cookie || s.Files[0].Mode != 0o600 {
			t.Errorf("files = %+v", s.Files)
		}
	})
	t.Run("dead: set for a later start, and against autospawn", func(t *testing.T) {
		d := fakedesk.New(t)
		p := d.Socket("run/pulse/native", false)
		s := detectPulse(d.Facts)
		fakedesk.WantEnv(t, s, map[string]string{"PULSE_SERVER": "unix:" + p})
		if s.State != "no server listens" {
			t.Error(s.State)
		}
	})
	t.Run("list", func(t *testing.T) {
		d := fakedesk.New(t, "PULSE_SERVER={"+testID+"}unix:DIR/x/live {"+testID+"}unix:DIR/x/dead {other}unix:DIR/x/live tcp:far:4713")
		d.Write("host/etc/machine-id", testID+"\n")
		p := d.Socket("x/live", true)
		d.Socket("x/dead", false)
		s := detectPulse(d.Facts)
		fakedesk.WantEnv(t, s, map[string]string{"PULSE_SERVER": "unix:" + p + " tcp:far:4713"})
		fakedesk.WantBinds(t, s, string(d.Dir)+"/x on "+string(d.Dir)+"/x")
		if s := detectPulse(d.Deny("network").Facts); fakedesk.Value(s, "PULSE_SERVER") != "unix:"+p {
			t.Error("without the network:", s.Env)
		}
	})
	t.Run("stale list", func(t *testing.T) {
		d := fakedesk.New(t, "PULSE_SERVER=unix:DIR/gone")
		p := d.Socket("run/pulse/native", true)
		s := detectPulse(d.Facts)
		fakedesk.WantEnv(t, s, map[string]string{"PULSE_SERVER": "unix:" + p})
		if !strings.Contains(s.State, "no server listens on PULSE_SERVER") {
			t.Error(s.State)
		}
	})
	t.Run("order", func(t *testing.T) {
		d := fakedesk.New(t, "PULSE_RUNTIME_PATH=DIR/prp")
		d.Write("host/etc/machine-id", testID+"\n")
		for _, p := range []string{"host/run/pulse/native", "home/.config/pulse/" + testID + "-runtime/native", "run/pulse/native", "prp/native"} {
			want := "unix:" + d.Socket(p, true)
			if p == "host/run/pulse/native" {
				want = "unix:/run/pulse/native"
			}
			if got := fakedesk.Value(detectPulse(d.Facts), "PULSE_SERVER"); got != want {
				t.Errorf("PULSE_SERVER=%s, want %s", got, want)
			}
		}
		if got := len(hidePulse(d.Facts).Cover); got != 3 {
			t.Errorf("%d sockets covered, want 3", got)
		}
	})
}

func TestCookie(t *testing.T) {
	d := fakedesk.New(t)
	if c, _ := readCookie(d.Caller); c != nil {
		t.Error("read a cookie from an empty home")
	}
	good := d.Write("elsewhere/cookie", strings.Repeat("g", cookieSize))
	short := d.Write("elsewhere/short", "g")
	link := string(d.Dir.Join("home/.pulse-cookie"))
	for _, test := range []struct {
		target string
		want   bool
	}{{good, true}, {short, false}, {string(d.Dir), false}, {"/dev/zero", false}, {link, false}} {
		os.Remove(link)
		if err := os.Symlink(test.target, link); err != nil {
			t.Fatal(err)
		}
		if c, _ := readCookie(d.Caller); (c != nil) != test.want {
			t.Errorf("a link to %s: %v, want %v", test.target, c != nil, test.want)
		}
	}
	os.Remove(link)
	d.Caller.Env = session.Environ{"PULSE_COOKIE=" + good}
	if c, file := readCookie(d.Caller); c == nil || file == "" {
		t.Error("PULSE_COOKIE was not read")
	}
	d.Caller.UID++
	if c, _ := readCookie(d.Caller); c != nil {
		t.Error("read a file of another uid")
	}
}
