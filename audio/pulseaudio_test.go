package audio

import (
	"os"
	"path"
	"reflect"
	"slices"
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
	t.Run("a directory with a blank", func(t *testing.T) {
		d := fakedesk.New(t)
		d.Caller.RuntimeDir = d.Dir.Join("my run")
		p := d.Socket("my run/pulse/native", true)
		s := detectPulse(d.Facts)
		fakedesk.WantEnv(t, s, map[string]string{"PULSE_SERVER": "unix:/run/chrun/pulse/native"})
		fakedesk.WantBinds(t, s, path.Dir(p)+" on /run/chrun/pulse")
	})
	t.Run("client.conf", func(t *testing.T) {
		d := fakedesk.New(t)
		d.Socket("run/pulse/native", true)
		system, own := d.Socket("s/system", true), d.Socket("s/own", true)
		want := func(want string) {
			t.Helper()
			if got := fakedesk.Value(detectPulse(d.Facts), "PULSE_SERVER"); got != "unix:"+want {
				t.Errorf("PULSE_SERVER=%s, want unix:%s", got, want)
			}
		}
		d.Write("host/etc/pulse/client.conf", "# default-server = unix:/no\n; default-server = x\n")
		want(d.Path("run/pulse/native"))
		d.Write("host/etc/pulse/client.conf.d/a.conf", "default-server = unix:"+system+"\n")
		d.Write("host/etc/pulse/client.conf.d/b", "default-server=unix:/no\n")
		want(system)
		d.Write("home/.config/pulse/client.conf", "autospawn = no\n.include more\n")
		want(d.Path("run/pulse/native")) // the caller's file replaces that of the system
		d.Write("home/.config/pulse/more", "default-server="+own+"\n\tcookie-file = "+
			d.Write("s/cookie", strings.Repeat("k", cookieSize))+"\n")
		want(own)
		if cookie, file := readCookie(d.Caller, readClientConf(d.Caller)); cookie == nil || file != d.Dir.Join("s/cookie") {
			t.Errorf("the cookie is from %q", file)
		}
		if s := hidePulse(d.Facts); !slices.Contains(s.Cover, session.Path(own)) {
			t.Errorf("denied: %q", s.Cover)
		}
		d.SetEnv("PULSE_CLIENTCONFIG=" + d.Write("x.conf", "default-server = far:4713\ncookie-file = other\n"))
		d.Write("home/.config/pulse/other", strings.Repeat("o", cookieSize))
		if got := fakedesk.Value(detectPulse(d.Facts), "PULSE_SERVER"); got != "far:4713" {
			t.Error(got)
		}
		if _, file := readCookie(d.Caller, readClientConf(d.Caller)); file != d.Dir.Join("home/.config/pulse/other") {
			t.Errorf("the cookie is from %q", file)
		}
		d.Caller.Env = append(d.Caller.Env, "PULSE_SERVER=unix:"+system)
		want(system)
	})
	t.Run("a file that includes itself", func(t *testing.T) {
		d := fakedesk.New(t)
		d.Write("home/.config/pulse/client.conf", ".include client.conf\ndefault-server = far\n")
		if conf := readClientConf(d.Caller); conf.defaultServer != "far" {
			t.Errorf("%+v", conf)
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
	if c, _ := readCookie(d.Caller, readClientConf(d.Caller)); c != nil {
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
		if c, _ := readCookie(d.Caller, readClientConf(d.Caller)); (c != nil) != test.want {
			t.Errorf("a link to %s: %v, want %v", test.target, c != nil, test.want)
		}
	}
	os.Remove(link)
	d.Caller.Env = session.Environ{"PULSE_COOKIE=" + good}
	if c, file := readCookie(d.Caller, readClientConf(d.Caller)); c == nil || file == "" {
		t.Error("PULSE_COOKIE was not read")
	}
	d.Caller.UID++
	if c, _ := readCookie(d.Caller, readClientConf(d.Caller)); c != nil {
		t.Error("read a file of another uid")
	}
}
