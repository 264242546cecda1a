package audio

import (
	"net"
	"reflect"
	"strings"
	"testing"

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
		d := newDesk(t)
		p := d.socket("run/pipewire-0", true)
		s := detectPipewire(d.Facts)
		if s.State != p+" (listening)" {
			t.Error(s.State)
		}
		wantEnv(t, s, map[string]string{})
		wantBinds(t, s)
	})
	t.Run("dead", func(t *testing.T) {
		d := newDesk(t)
		d.socket("run/pipewire-0", false)
		if s := detectPipewire(d.Facts); s.State != "no server listens" {
			t.Error(s.State)
		}
	})
	t.Run("remote list", func(t *testing.T) {
		d := newDesk(t, `PIPEWIRE_REMOTE=[ "gone", "DIR/other/pipewire-5" ]`)
		d.socket("other/pipewire-5", true)
		s := detectPipewire(d.Facts)
		wantEnv(t, s, map[string]string{"PIPEWIRE_REMOTE": d.Caller.Env.Get("PIPEWIRE_REMOTE")})
		wantBinds(t, s, string(d.dir)+"/other on "+string(d.dir)+"/other")
	})
	t.Run("runtime dir", func(t *testing.T) {
		d := newDesk(t, "PIPEWIRE_RUNTIME_DIR=DIR/pw", "PIPEWIRE_CORE=x")
		d.socket("pw/pipewire-0", true)
		s := detectPipewire(d.Facts)
		wantEnv(t, s, map[string]string{"PIPEWIRE_RUNTIME_DIR": string(d.dir) + "/pw"})
		wantBinds(t, s, string(d.dir)+"/pw on "+string(d.dir)+"/pw")
	})
	t.Run("stale environment", func(t *testing.T) {
		d := newDesk(t, "PIPEWIRE_REMOTE=pipewire-7", "PIPEWIRE_RUNTIME_DIR=")
		d.socket("run/pipewire-0", true)
		s := detectPipewire(d.Facts)
		wantEnv(t, s, map[string]string{})
		if !strings.Contains(s.State, "lead to no server") {
			t.Error(s.State)
		}
	})
	t.Run("system-wide", func(t *testing.T) {
		d := newDesk(t)
		d.socket("host/run/pipewire/pipewire-0", true)
		wantBinds(t, detectPipewire(d.Facts), string(d.dir)+"/host/run/pipewire on /run/pipewire")
	})
	t.Run("abstract", func(t *testing.T) {
		d := newDesk(t, "PIPEWIRE_REMOTE=@DIR/pw")
		l, err := net.Listen("unix", "@"+string(d.dir)+"/pw")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		s := detectPipewire(d.Facts)
		wantEnv(t, s, map[string]string{"PIPEWIRE_REMOTE": "@" + string(d.dir) + "/pw"})
		wantBinds(t, s)
		if s := detectPipewire(d.deny("network").Facts); len(s.Env) > 0 {
			t.Error("offered without the network:", s.Env)
		}
	})
	t.Run("hidden", func(t *testing.T) {
		d := newDesk(t, "PIPEWIRE_REMOTE=special")
		d.write("run/pipewire-0.lock", "")
		var want []session.Path
		for _, p := range []string{"run/pipewire-0", "run/pipewire-0-manager", "run/special"} {
			want = append(want, session.Path(d.socket(p, true)))
		}
		if s := hidePipewire(d.Facts); !reflect.DeepEqual(s.Cover, want) {
			t.Errorf("covered %q, want %q", s.Cover, want)
		}
	})
	t.Run("no runtime directory", func(t *testing.T) {
		d := newDesk(t)
		d.Caller.RuntimeDir = ""
		for _, detect := range []func(*session.Facts) session.Share{
			detectPipewire, hidePipewire, detectPulse, hidePulse, detectAlsa, detectJack, hideJack} {
			if s := detect(d.Facts); len(s.Binds)+len(s.Cover) > 0 {
				t.Errorf("%+v", s)
			}
		}
	})
}
