package desktop

import (
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"

	"chrun/session"
)

func TestParseAddresses(t *testing.T) {
	for _, test := range []struct {
		list string
		want string // written again
	}{
		{"", ""},
		{"unix:path=/run/user/1000/bus,guid=00ff", "unix:path=/run/user/1000/bus"},
		{"unix:abstract=/x%20y;unix:path=/b", "unix:abstract=/x%20y;unix:path=/b"},
		{"unix:path=/a%2Fb%7e", "unix:path=/a/b%7e"},
		{"unix:path=/a b", "unix:path=/a%20b"},
		{"autolaunch:", "autolaunch:"},
		{"tcp:host=h,port=1", "tcp:host=h,port=1"},
		{"junk;:path=/x;unix:path;unix:=x;unix:path=%g0;unix:path=%a;unix:path=/a,path=/b;unix:path=/ok", "unix:path=/ok"},
	} {
		if got := joinAddresses(parseAddresses(test.list)); got != test.want {
			t.Errorf("parseAddresses(%q) = %q, want %q", test.list, got, test.want)
		}
	}
	if got := parseAddresses("unix:path=/a%20%5c")[0].get("path"); got != `/a \` {
		t.Errorf("unescaped %q", got)
	}
}

// What is written is read again as the same: it becomes a variable inside.
func FuzzBusAddress(f *testing.F) {
	f.Add("unix:path=/run/user/1000/bus,guid=1;unix:abstract=/x%20y;tcp:host=h,port=5")
	f.Fuzz(func(t *testing.T, list string) {
		once := parseAddresses(list)
		if twice := parseAddresses(joinAddresses(once)); !reflect.DeepEqual(once, twice) {
			t.Errorf("%q, again %q", once, twice)
		}
	})
}

func TestSessionBus(t *testing.T) {
	const name = "DBUS_SESSION_BUS_ADDRESS"
	t.Run("unset", func(t *testing.T) {
		d := newFixture(t)
		p := d.socket("run/bus", true)
		s := detectSessionBus(d.Facts)
		wantEnv(t, s, map[string]string{name: "unix:path=" + p})
		wantBinds(t, s)
		if !strings.HasSuffix(s.State, "(listening; "+name+" was unset)") {
			t.Error(s.State)
		}
		d.Caller.UID++
		wantEnv(t, detectSessionBus(d.Facts), map[string]string{})
	})
	t.Run("dead, and a link", func(t *testing.T) {
		d := newFixture(t)
		d.socket("run/bus", false)
		if s := detectSessionBus(d.Facts); s.State != "no bus listens; "+name+" was unset" {
			t.Error(s.State)
		}
		d.link(d.socket("run/other", true), "run/bus")
		wantEnv(t, detectSessionBus(d.Facts), map[string]string{})
	})
	t.Run("list", func(t *testing.T) {
		d := newFixture(t, name+"=unix:path=DIR/gone;unixexec:path=/bin/sh;unix:path=DIR/my%20bus/b,guid=12")
		d.socket("my bus/b", true)
		s := detectSessionBus(d.Facts)
		wantEnv(t, s, map[string]string{name: "unix:path=" + string(d.dir) + "/my%20bus/b"})
		wantBinds(t, s, string(d.dir)+"/my bus on "+string(d.dir)+"/my bus")
		if len(s.Notes) != 2 {
			t.Errorf("notes = %q", s.Notes)
		}
	})
	t.Run("stale", func(t *testing.T) {
		d := newFixture(t, name+"=unix:path=DIR/gone")
		p := d.socket("run/bus", true)
		wantEnv(t, detectSessionBus(d.Facts), map[string]string{name: "unix:path=" + p})
	})
	t.Run("abstract", func(t *testing.T) {
		d := newFixture(t, name+"=unix:abstract=DIR/bus")
		l, err := net.Listen("unix", "@"+string(d.dir)+"/bus")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		wantEnv(t, detectSessionBus(d.Facts), map[string]string{name: "unix:abstract=" + string(d.dir) + "/bus"})
		wantEnv(t, detectSessionBus(d.deny("network").Facts), map[string]string{})
		s := SessionBus.Hide(d.Facts)
		if len(s.Notes) != 1 || !reflect.DeepEqual(s.Cover, []session.Path{session.Path(d.dir.Join("run/bus"))}) {
			t.Errorf("%+v", s)
		}
	})
}

func TestSystemBus(t *testing.T) {
	d := newFixture(t)
	d.socket("host/run/dbus/system_bus_socket", true)
	s := detectSystemBus(d.Facts)
	wantEnv(t, s, map[string]string{"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/run/dbus/system_bus_socket"})
	wantBinds(t, s, string(d.dir)+"/host/run/dbus on /run/dbus")
	if s := detectSystemBus(newFixture(t).Facts); s.State != "no bus listens" || len(s.Env)+len(s.Binds) > 0 {
		t.Errorf("%+v", s)
	}
}

func TestAccessibility(t *testing.T) {
	d := newFixture(t, "AT_SPI_BUS_ADDRESS=unix:path=DIR/run/at-spi/bus_0,guid=1")
	p := d.socket("run/at-spi/bus_0", true)
	s := Accessibility.Detect(d.Facts)
	wantEnv(t, s, map[string]string{"AT_SPI_BUS_ADDRESS": "unix:path=" + p})
	d.setEnv()
	if s := Accessibility.Detect(d.Facts); s.State != "through the session bus" {
		t.Error(s.State)
	}
	s = Accessibility.Hide(d.Facts)
	wantEnv(t, s, map[string]string{"NO_AT_BRIDGE": "1", "GTK_A11Y": "none"})
	if !reflect.DeepEqual(s.Cover, []session.Path{session.Path(p)}) {
		t.Error(s.Cover)
	}
}

// IBus is found where the host's daemon has written its address, whichever home
// is inside; its socket at the path that is written there.
func TestIBus(t *testing.T) {
	d := newFixture(t)
	d.Home = "/home/alice"
	wantBinds(t, SessionBus.Detect(d.Facts))
	d.write("home/.cache/ibus/bus/registry", "")
	wantBinds(t, SessionBus.Detect(d.Facts)) // it has never run
	d.write("home/.config/ibus/bus/0123-unix-0", "IBUS_ADDRESS=unix:abstract=x\n")
	dir := string(d.dir)
	cache := dir + "/home/.cache/ibus"
	s := SessionBus.Detect(d.Facts)
	wantBinds(t, s, dir+"/home/.config/ibus/bus on /home/alice/.config/ibus/bus", cache+" on "+cache)
	if !strings.HasSuffix(s.State, ", and IBus") {
		t.Error(s.State)
	}
	d.setEnv("XDG_CONFIG_HOME=DIR/cfg", "XDG_CACHE_HOME=DIR/cache")
	d.write("cfg/ibus/bus/0123-unix-0", "")
	wantBinds(t, SessionBus.Detect(d.Facts), dir+"/cfg/ibus/bus on /home/alice/.config/ibus/bus")
	for _, b := range SessionBus.Detect(d.Facts).Binds {
		if !b.ReadOnly {
			t.Errorf("%+v", b)
		}
	}
	d.Identity.Kind, d.Identity.UID = "remap", d.Caller.UID+1
	wantBinds(t, SessionBus.Detect(d.Facts)) // it would not know the program
	if s := SessionBus.Hide(d.Facts); len(s.Binds) > 0 || !slices.Contains(s.Cover, "/home/alice/.config/ibus/bus/0123-unix-0") {
		t.Errorf("denied: %+v", s)
	}
}
