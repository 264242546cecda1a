package audio

import (
	"os"
	"reflect"
	"strings"
	"testing"

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
		t.Errorf("a machine without an id took %q for itself", got)
	}
}

// What is written is read again as the same: it becomes PULSE_SERVER inside.
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
		d := newDesk(t)
		p := d.socket("run/pulse/native", true)
		cookie := strings.Repeat("c", cookieSize)
		d.write("home/.config/pulse/cookie", cookie)
		s := detectPulse(d.Facts)
		wantEnv(t, s, map[string]string{"PULSE_SERVER": "unix:" + p, "PULSE_COOKIE": "/run/chrun/pulse-cookie"})
		wantBinds(t, s)
		if len(s.Files) != 1 || string(s.Files[0].Data) != cookie || s.Files[0].Mode != 0o600 {
			t.Errorf("files = %+v", s.Files)
		}
	})
	t.Run("dead: named for a later start, and against autospawn", func(t *testing.T) {
		d := newDesk(t)
		p := d.socket("run/pulse/native", false)
		s := detectPulse(d.Facts)
		wantEnv(t, s, map[string]string{"PULSE_SERVER": "unix:" + p})
		if s.State != "no server listens" {
			t.Error(s.State)
		}
	})
	t.Run("list", func(t *testing.T) {
		d := newDesk(t, "PULSE_SERVER={"+testID+"}unix:DIR/x/live {"+testID+"}unix:DIR/x/dead {other}unix:DIR/x/live tcp:far:4713")
		d.write("host/etc/machine-id", testID+"\n")
		p := d.socket("x/live", true)
		d.socket("x/dead", false)
		s := detectPulse(d.Facts)
		wantEnv(t, s, map[string]string{"PULSE_SERVER": "unix:" + p + " tcp:far:4713"})
		wantBinds(t, s, string(d.dir)+"/x on "+string(d.dir)+"/x")
		if s := detectPulse(d.deny("network").Facts); env(s)["PULSE_SERVER"] != "unix:"+p {
			t.Error("without the network:", env(s))
		}
	})
	t.Run("stale list", func(t *testing.T) {
		d := newDesk(t, "PULSE_SERVER=unix:DIR/gone")
		p := d.socket("run/pulse/native", true)
		s := detectPulse(d.Facts)
		wantEnv(t, s, map[string]string{"PULSE_SERVER": "unix:" + p})
		if !strings.Contains(s.State, "PULSE_SERVER leads to no server") {
			t.Error(s.State)
		}
	})
	t.Run("order", func(t *testing.T) {
		d := newDesk(t, "PULSE_RUNTIME_PATH=DIR/prp")
		d.write("host/etc/machine-id", testID+"\n")
		for _, p := range []string{"host/run/pulse/native", "home/.config/pulse/" + testID + "-runtime/native", "run/pulse/native", "prp/native"} {
			want := "unix:" + d.socket(p, true)
			if p == "host/run/pulse/native" {
				want = "unix:/run/pulse/native"
			}
			if got := env(detectPulse(d.Facts))["PULSE_SERVER"]; got != want {
				t.Errorf("PULSE_SERVER=%s, want %s", got, want)
			}
		}
		if got := len(hidePulse(d.Facts).Cover); got != 3 {
			t.Errorf("%d sockets covered, want 3", got)
		}
	})
}

func TestCookie(t *testing.T) {
	d := newDesk(t)
	if readCookie(d.Caller) != nil {
		t.Error("found a cookie in an empty home")
	}
	good := d.write("elsewhere/cookie", strings.Repeat("g", cookieSize))
	short := d.write("elsewhere/short", "g")
	place := string(d.dir.Join("home/.pulse-cookie"))
	for _, test := range []struct {
		target string
		want   bool
	}{{good, true}, {short, false}, {string(d.dir), false}, {"/dev/zero", false}, {place, false}} {
		os.Remove(place)
		if err := os.Symlink(test.target, place); err != nil {
			t.Fatal(err)
		}
		if got := readCookie(d.Caller) != nil; got != test.want {
			t.Errorf("a link to %s: %v, want %v", test.target, got, test.want)
		}
	}
	os.Remove(place)
	d.Caller.Env = session.Environ{"PULSE_COOKIE=" + good}
	if readCookie(d.Caller) == nil {
		t.Error("PULSE_COOKIE was not read")
	}
	d.Caller.UID++
	if readCookie(d.Caller) != nil {
		t.Error("took a file of another uid")
	}
}
