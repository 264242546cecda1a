package desktop

import (
	"net"
	"reflect"
	"strings"
	"testing"

	"chrun/internal/fakedesk"
	"chrun/session"
)

func TestSessionBus(t *testing.T) {
	const name = "DBUS_SESSION_BUS_ADDRESS"
	none := map[string]string{name: "disabled:"} // without it, libdbus starts a bus
	t.Run("unset", func(t *testing.T) {
		d := fakedesk.New(t)
		p := d.Socket("run/bus", true)
		s := detectSessionBus(d.Facts)
		fakedesk.WantEnv(t, s, map[string]string{name: "unix:path=" + p})
		fakedesk.WantBinds(t, s)
		if !strings.HasSuffix(s.State, "(listening; "+name+" was unset)") {
			t.Error(s.State)
		}
		d.Caller.UID++
		fakedesk.WantEnv(t, detectSessionBus(d.Facts), none)
	})
	t.Run("no listener, and a symlink", func(t *testing.T) {
		d := fakedesk.New(t)
		d.Socket("run/bus", false)
		if s := detectSessionBus(d.Facts); s.State != "no bus listens; "+name+" was unset" {
			t.Error(s.State)
		}
		d.Link(d.Socket("other/bus", true), "run/bus")
		s := detectSessionBus(d.Facts)
		fakedesk.WantEnv(t, s, map[string]string{name: "unix:path=" + d.Path("run/bus")})
		fakedesk.WantBinds(t, s, d.Path("other")+" on "+d.Path("other"))
	})
	t.Run("list", func(t *testing.T) {
		d := fakedesk.New(t, name+"=unix:path=DIR/gone;unixexec:path=/bin/sh;unix:path=DIR/my%20bus/b,guid=12")
		d.Socket("my bus/b", true)
		s := detectSessionBus(d.Facts)
		fakedesk.WantEnv(t, s, map[string]string{name: "unix:path=" + string(d.Dir) + "/my%20bus/b"})
		fakedesk.WantBinds(t, s, string(d.Dir)+"/my bus on "+string(d.Dir)+"/my bus")
		if len(s.Notes) != 2 {
			t.Errorf("notes = %q", s.Notes)
		}
	})
	t.Run("stale", func(t *testing.T) {
		d := fakedesk.New(t, name+"=unix:path=DIR/gone")
		p := d.Socket("run/bus", true)
		fakedesk.WantEnv(t, detectSessionBus(d.Facts), map[string]string{name: "unix:path=" + p})
	})
	t.Run("abstract", func(t *testing.T) {
		d := fakedesk.New(t, name+"=unix:abstract=DIR/bus")
		l, err := net.Listen("unix", "@"+string(d.Dir)+"/bus")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		fakedesk.WantEnv(t, detectSessionBus(d.Facts), map[string]string{name: "unix:abstract=" + string(d.Dir) + "/bus"})
		fakedesk.WantEnv(t, detectSessionBus(d.Deny("network").Facts), none)
		s := SessionBus.Hide(d.Facts)
		fakedesk.WantEnv(t, s, none)
		if len(s.Notes) != 1 || !reflect.DeepEqual(s.Cover, []session.Path{session.Path(d.Dir.Join("run/bus"))}) {
			t.Errorf("%+v", s)
		}
	})
}
