package session

import (
	"net"
	"os"
	"reflect"
	"testing"

	"chrun/session/account"
)

// Sockets are found through symlinks: WSLg makes some, and people make runtime
// directories of them. What is bound is where they lead.
func TestFindSocket(t *testing.T) {
	tmp, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	dir := HostPath(tmp)
	for _, d := range []string{"run", "real/pulse", "home"} {
		if err := os.MkdirAll(string(dir.Join(d)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{"real/bus", "real/pulse/native", "run/own"} {
		l, err := net.Listen("unix", string(dir.Join(p)))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	for link, target := range map[string]string{"run/bus": "../real/bus", "run/pulse": string(dir.Join("real/pulse")),
		"run/same": "own", "run/gone": "nothing", "run/circle": "circle", "link": string(dir.Join("real/bus"))} {
		if err := os.Symlink(target, string(dir.Join(link))); err != nil {
			t.Fatal(err)
		}
	}
	c := &Caller{UID: os.Getuid(), RuntimeDir: dir.Join("run"), Account: account.Account{Home: string(dir.Join("home"))},
		Listeners: ReadListeners}
	for p, want := range map[string]struct{ real, path, bind string }{
		"run/own":          {"run/own", "run/own", ""},
		"run/same":         {"run/own", "run/same", ""},
		"run/bus":          {"real/bus", "run/bus", "real"},
		"run/pulse/native": {"real/pulse/native", "run/pulse/native", "real/pulse"},
		"link":             {"real/bus", "real/bus", "real"},
		"run/gone":         {},
		"run/circle":       {},
		"run":              {},
		"nothing":          {},
	} {
		s, ok := c.FindSocket(dir.Join(p))
		if ok != (want.real != "") || ok && s != (Socket{dir.Join(want.real), dir.Join(want.path)}) {
			t.Errorf("%s: %+v %v", p, s, ok)
			continue
		}
		if !ok {
			continue
		}
		var binds []Bind
		if want.bind != "" {
			binds = []Bind{{Source: dir.Join(want.bind), Dest: Path(dir.Join(want.bind)), Why: "why"}}
		}
		if got := s.Binds(&Facts{Caller: c}, "why"); !reflect.DeepEqual(got, binds) {
			t.Errorf("%s: %+v", p, got)
		}
		// A program with another uid has its own runtime directory.
		private := &Facts{Caller: c, Identity: Identity{Kind: Grant, UID: c.UID + 1}}
		if got := s.Binds(private, "why"); !reflect.DeepEqual(got, []Bind{{Source: s.Real, Dest: Path(s.Path), Why: "why"}}) {
			t.Errorf("%s: %+v", p, got)
		}
	}
	if _, ok := c.FindSocket("relative"); ok {
		t.Error("a relative path")
	}
}
