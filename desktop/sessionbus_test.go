package desktop

import (
	"net"
	"reflect"
	"strings"
	"testing"

	"chrun/session"
)

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
	t.Run("no listener, and a symlink", func(t *testing.T) {
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
