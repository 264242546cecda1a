package audio

import (
	"net"
	"reflect"
	"strings"
	"testing"

	"chrun/internal/fakedesk"
	"chrun/session"
)

func TestParseRemote(t *testing.T) {
	for _, test := range []struct {
		value string
		want  []string
	}{
		{"", nil},
		{"pipewire-1", []string{"pipewire-1"}},
		{"/run/pw/a b", []string{"/run/pw/a b"}},
		{"@pw", []string{"@pw"}},
		{`[ "pipewire-0", "/x/y" ]`, []string{"pipewire-0", "/x/y"}},
		{`[pipewire-0 @abs]`, []string{"pipewire-0", "@abs"}},
		{`["a\"b" c] d`, []string{`a"b`, "c"}},
		{"[ # first\n a # [\n b", []string{"a", "b"}},
		{`[ "open`, nil},
		{`[ a [ b ] ]`, []string{"a"}},
		{"[]", nil}, {"[", nil}, {`[""]`, nil},
	} {
		if got := parseRemote(test.value); !reflect.DeepEqual(got, test.want) {
			t.Errorf("parseRemote(%q) = %q, want %q", test.value, got, test.want)
		}
	}
}

func FuzzPipewireRemote(f *testing.F) {
	f.Add(`[ "a\\", b # c` + "\n]")
	f.Fuzz(func(t *testing.T, value string) {
		for _, name := range parseRemote(value) {
			if name == "" {
				t.Error("an empty name")
			}
		}
	})
}

func TestPipewire(t *testing.T) {
	t.Run("default", func(t *testing.T) {
		d := fakedesk.New(t)
		p := d.Socket("run/pipewire-0", true)
		s := detectPipewire(d.Facts)
		if s.State != p+" (listening)" {
			t.Error(s.State)
		}
		fakedesk.WantEnv(t, s, map[string]string{})
		fakedesk.WantBinds(t, s)
	})
	t.Run("dead", func(t *testing.T) {
		d := fakedesk.New(t)
		d.Socket("run/pipewire-0", false)
		if s := detectPipewire(d.Facts); s.State != "no server listens" {
			t.Error(s.State)
		}
	})
	t.Run("remote list", func(t *testing.T) {
		d := fakedesk.New(t, `PIPEWIRE_REMOTE=[ "gone", "DIR/other/pipewire-5" ]`)
		d.Socket("other/pipewire-5", true)
		s := detectPipewire(d.Facts)
		fakedesk.WantEnv(t, s, map[string]string{"PIPEWIRE_REMOTE": d.Caller.Env.Get("PIPEWIRE_REMOTE")})
		fakedesk.WantBinds(t, s, string(d.Dir)+"/other on "+string(d.Dir)+"/other")
	})
	t.Run("runtime dir", func(t *testing.T) {
		d := fakedesk.New(t, "PIPEWIRE_RUNTIME_DIR=DIR/pw", "PIPEWIRE_CORE=x")
		d.Socket("pw/pipewire-0", true)
		s := detectPipewire(d.Facts)
		fakedesk.WantEnv(t, s, map[string]string{"PIPEWIRE_RUNTIME_DIR": string(d.Dir) + "/pw"})
		fakedesk.WantBinds(t, s, string(d.Dir)+"/pw on "+string(d.Dir)+"/pw")
	})
	t.Run("stale environment", func(t *testing.T) {
		d := fakedesk.New(t, "PIPEWIRE_REMOTE=pipewire-7", "PIPEWIRE_RUNTIME_DIR=")
		d.Socket("run/pipewire-0", true)
		s := detectPipewire(d.Facts)
		fakedesk.WantEnv(t, s, map[string]string{})
		if !strings.Contains(s.State, "no server listens on PIPEWIRE_REMOTE") {
			t.Error(s.State)
		}
	})
	t.Run("system-wide", func(t *testing.T) {
		d := fakedesk.New(t)
		d.Socket("host/run/pipewire/pipewire-0", true)
		fakedesk.WantBinds(t, detectPipewire(d.Facts), string(d.Dir)+"/host/run/pipewire on /run/pipewire")
	})
	t.Run("abstract", func(t *testing.T) {
		d := fakedesk.New(t, "PIPEWIRE_REMOTE=@DIR/pw")
		l, err := net.Listen("unix", "@"+string(d.Dir)+"/pw")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		s := detectPipewire(d.Facts)
		fakedesk.WantEnv(t, s, map[string]string{"PIPEWIRE_REMOTE": "@" + string(d.Dir) + "/pw"})
		fakedesk.WantBinds(t, s)
		if s := detectPipewire(d.Deny("network").Facts); len(s.Env) > 0 {
			t.Error("shared without the network:", s.Env)
		}
	})
	t.Run("hidden", func(t *testing.T) {
		d := fakedesk.New(t, "PIPEWIRE_REMOTE=special")
		d.Write("run/pipewire-0.lock", "")
		var want []session.Path
		for _, p := range []string{"run/pipewire-0", "run/pipewire-0-manager", "run/special"} {
			want = append(want, session.Path(d.Socket(p, true)))
		}
		if s := hidePipewire(d.Facts); !reflect.DeepEqual(s.Cover, want) {
			t.Errorf("covered %q, want %q", s.Cover, want)
		}
	})
	t.Run("no runtime directory", func(t *testing.T) {
		d := fakedesk.New(t)
		d.Caller.RuntimeDir = ""
		for _, detect := range []func(*session.Facts) session.Share{
			detectPipewire, hidePipewire, detectPulse, hidePulse, detectAlsa, detectJack, hideJack} {
			if s := detect(d.Facts); len(s.Binds)+len(s.Cover) > 0 {
				t.Errorf("%+v", s)
			}
		}
	})
}
