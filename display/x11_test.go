package display

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chrun/display/x11"
	"chrun/session"
)

// authority writes an Xauthority file for one local display.
func (d *desk) authority(name, host string, number int, data string) string {
	d.t.Helper()
	e := x11.Entry{Family: x11.FamilyLocal, Address: host, Number: strconv.Itoa(number), Name: "MIT-MAGIC-COOKIE-1", Data: data}
	d.must(os.MkdirAll(filepath.Dir(d.at(name)), 0o755))
	d.must(os.WriteFile(d.at(name), x11.FormatAuthority([]x11.Entry{e}), 0o600))
	return d.at(name)
}

// process makes a process in proc.
func (d *desk) process(pid int, cmdline []string, environ ...string) {
	d.t.Helper()
	dir := d.at(fmt.Sprintf("proc/%d", pid))
	d.must(os.MkdirAll(dir, 0o755))
	for name, list := range map[string][]string{"cmdline": cmdline, "environ": environ} {
		d.must(os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(append(list, ""), "\x00")), 0o600))
	}
}

func (d *desk) lock(number, pid int) {
	d.t.Helper()
	d.must(os.WriteFile(d.at(fmt.Sprintf("tmp/.X%d-lock", number)), fmt.Appendf(nil, "%10d\n", pid), 0o444))
}

// admission returns the cookie data that s hands in; "" if none, "!" and why
// if the file is not as it should be.
func admission(s session.Share) string {
	if len(s.Files) == 0 {
		if value(s, "XAUTHORITY") != "-" {
			return "!XAUTHORITY without a file"
		}
		return ""
	}
	f := s.Files[0]
	e := x11.ParseAuthority(f.Data)
	if len(s.Files) != 1 || f.Mode != 0o600 || f.Path != "/run/chrun/Xauthority" || value(s, "XAUTHORITY") != string(f.Path) ||
		len(e) != 1 || e[0].Family != x11.FamilyWild || e[0].Address != "" {
		return fmt.Sprintf("!%+v", s)
	}
	return e[0].Data
}

func TestX11Named(t *testing.T) {
	d := newDesk(t)
	d.listen("tmp/.X11-unix/X5")
	d.listen("other/xsock")
	d.listen("other/xsock:0")
	d.dead("tmp/.X11-unix/X6")
	abstract := 1<<30 + rand.IntN(1<<29) // no server of the machine has it
	d.listen(fmt.Sprintf("@%s/X%d", x11.SocketDir, abstract))
	x5 := []session.Bind{{Source: session.HostPath(d.at("tmp/.X11-unix/X5")), Dest: "/tmp/.X11-unix/X5", Why: "the X server's socket"}}
	dir := session.HostPath(d.at("other"))
	own := []session.Bind{{Source: dir, Dest: session.Path(dir), Why: "the X server's socket"}}
	for _, tt := range []struct {
		display, want string // "-": not offered
		binds         []session.Bind
		state         string
		offline       string // the same with the network denied
	}{
		{":5", ":5", x5, ":5 (listening; no cookie: the server must admit us by uid)", ":5"},
		{":5.0", ":5.0", x5, ":5.0 (listening;", ":5.0"},
		{"unix:5", ":5", x5, ":5 (", ":5"},
		{"unix/:5.1", ":5.1", x5, ":5.1 (", ":5.1"},
		{d.at("other/xsock"), d.at("other/xsock"), own, "(listening;", d.at("other/xsock")},
		{"unix:" + d.at("other/xsock") + ".2", d.at("other/xsock") + ".2", own, "(listening;", d.at("other/xsock") + ".2"},
		{d.at("other/xsock:0"), d.at("other/xsock:0"), own, "(listening;", d.at("other/xsock:0")},
		{fmt.Sprintf(":%d", abstract), fmt.Sprintf(":%d", abstract), nil, "abstract socket; no cookie", "-"},
		{"localhost:10.0", "localhost:10.0", nil, "over TCP", "-"},
		{"tcp/box:1", "tcp/box:1", nil, "over TCP", "-"},
		{":6", "-", nil, "its server is gone", "-"},
		{fmt.Sprintf(":%d", abstract+1), "-", nil, "no such server", "-"},
		{d.at("other/gone"), "-", nil, "does not exist", "-"},
		{"5", "-", nil, "there is no ':'", "-"},
		{"", "-", nil, "DISPLAY is set, but empty", "-"},
	} {
		d.no["network"] = false
		s := X11.Detect(d.facts("DISPLAY=" + tt.display))
		if got := value(s, "DISPLAY"); got != tt.want || !reflect.DeepEqual(s.Binds, tt.binds) || !strings.Contains(s.State, tt.state) || admission(s) != "" || s.Warn != nil {
			t.Errorf("%q: DISPLAY=%s, %+v", tt.display, got, s)
		}
		d.no["network"] = true
		s = X11.Detect(d.facts("DISPLAY=" + tt.display))
		if got := value(s, "DISPLAY"); got != tt.offline || (tt.want != got) != (len(s.Warn) > 0) {
			t.Errorf("%q without network: DISPLAY=%s, %+v", tt.display, got, s)
		}
	}
}

func TestX11Cookie(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup func(d *desk) (env []string)
		want  string
	}{
		{"XAUTHORITY", func(d *desk) []string {
			d.authority("home/.Xauthority", "here", 5, "home")
			return []string{"XAUTHORITY=" + d.authority("other/a", "here", 5, "named")}
		}, "named"},
		{"XAUTHORITY after the host was renamed", func(d *desk) []string {
			d.authority("home/.Xauthority", "here", 5, "home")
			return []string{"XAUTHORITY=" + d.authority("other/a", "before", 5, "named")}
		}, "named"},
		{"XAUTHORITY gone", func(d *desk) []string {
			d.authority("home/.Xauthority", "here", 5, "home")
			return []string{"XAUTHORITY=" + d.at("gone")}
		}, "home"},
		{"XAUTHORITY for another display", func(d *desk) []string {
			d.authority("home/.Xauthority", "here", 5, "home")
			return []string{"XAUTHORITY=" + d.authority("other/a", "here", 4, "named")}
		}, "home"},
		{"home, a link", func(d *desk) []string {
			d.authority("other/a", "here", 5, "linked")
			d.must(os.Symlink(d.at("other/a"), d.at("home/.Xauthority")))
			return nil
		}, "linked"},
		{"mutter, newest", func(d *desk) []string {
			d.authority("home/.Xauthority", "here", 4, "other display")
			d.authority("run/.mutter-Xwaylandauth.AAA", "here", 5, "new")
			old := d.authority("run/.mutter-Xwaylandauth.BBB", "here", 5, "old")
			d.must(os.Chtimes(old, time.Time{}, time.Now().Add(-time.Hour)))
			return nil
		}, "new"},
		{"KWin", func(d *desk) []string { d.authority("run/xauth_AbCd", "here", 5, "kwin"); return nil }, "kwin"},
		{"no links in the runtime directory", func(d *desk) []string {
			d.authority("other/a", "here", 5, "linked")
			d.must(os.Symlink(d.at("other/a"), d.at("run/xauth_link")))
			return nil
		}, ""},
		{"-auth", func(d *desk) []string {
			d.process(7, []string{"Xvfb", ":4", "-auth", d.authority("other/four", "here", 5, "wrong server")})
			d.process(8, []string{"/usr/bin/Xvfb", ":5", "-auth", d.authority("other/a", "here", 5, "auth")})
			return nil
		}, "auth"},
		{"-auth of -displayfd", func(d *desk) []string {
			d.process(8, []string{"Xorg", "vt2", "-displayfd", "3", "-auth", d.authority("other/a", "here", 5, "gdm")})
			return nil
		}, "gdm"},
		{"-auth by the lock", func(d *desk) []string {
			d.process(7, []string{"Xvfb", "-auth", d.authority("other/b", "here", 5, "not this")})
			d.process(6, []string{"Xvfb", "-auth", d.authority("other/a", "here", 5, "locked")})
			d.lock(5, 6)
			return nil
		}, "locked"},
		{"a server that asks for none", func(d *desk) []string {
			d.process(6, []string{"sway"})
			d.lock(5, 6)
			d.process(9, []string{"sh"}, "DISPLAY=:5", "XAUTHORITY="+d.authority("other/a", "here", 5, "stale"))
			return nil
		}, ""},
		{"a process's", func(d *desk) []string {
			d.process(6, []string{"X", ":5", "-auth", d.at("roots")})
			d.process(9, []string{"sh"}, "DISPLAY=:4", "XAUTHORITY="+d.authority("other/b", "here", 5, "of :4"))
			d.process(8, []string{"sh"}, "DISPLAY=unix:5.0", "XAUTHORITY="+d.authority("other/a", "here", 5, "environ"))
			d.process(10, []string{"sh"}, "DISPLAY=:5", "XAUTHORITY=relative")
			return nil
		}, "environ"},
		{"another host name only where nothing else is", func(d *desk) []string {
			d.authority("home/.Xauthority", "before", 5, "renamed")
			d.process(8, []string{"Xvfb", ":5", "-auth", d.authority("other/a", "here", 5, "auth")})
			return nil
		}, "auth"},
		{"another host name", func(d *desk) []string {
			d.authority("home/.Xauthority", "before", 5, "renamed")
			return nil
		}, "renamed"},
		{"hostile files", func(d *desk) []string {
			d.must(os.WriteFile(d.at("home/.Xauthority"), []byte("\x01\x00\xff\xffx"), 0o600))
			d.must(os.Mkdir(d.at("run/xauth_dir"), 0o755))
			d.must(os.WriteFile(d.at("proc/8"), nil, 0o600))
			return []string{"XAUTHORITY="}
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			d.listen("tmp/.X11-unix/X5")
			s := X11.Detect(d.facts(append(tt.setup(d), "DISPLAY=:5")...))
			if got := admission(s); got != tt.want {
				t.Errorf("cookie %q, want %q\n%+v", got, tt.want, s)
			}
			if none := strings.Contains(s.State, "no cookie"); none != (tt.want == "") {
				t.Errorf("state %q", s.State)
			}
			if renamed := strings.Contains(strings.Join(s.Notes, "\n"), "another host name"); renamed != (strings.Contains(tt.name, "renamed") || tt.want == "renamed") {
				t.Errorf("notes %q", s.Notes)
			}
		})
	}
}

func TestX11RemoteCookie(t *testing.T) {
	d := newDesk(t)
	in := []x11.Entry{
		{Family: 0, Address: "\x0a\x00\x00\x01", Number: "1", Name: "MIT-MAGIC-COOKIE-1", Data: "one"},
		{Family: 0, Address: "\x0a\x00\x00\x01", Number: "2", Name: "MIT-MAGIC-COOKIE-1", Data: "two"},
	}
	d.must(os.WriteFile(d.at("home/.Xauthority"), x11.FormatAuthority(in), 0o600))
	s := X11.Detect(d.facts("DISPLAY=box:1"))
	if len(s.Files) != 1 || !slices.Equal(x11.ParseAuthority(s.Files[0].Data), in[:1]) {
		t.Errorf("%+v", s)
	}
}

func TestX11Search(t *testing.T) {
	abstract := 1<<30 + rand.IntN(1<<29)
	for _, tt := range []struct {
		name  string
		setup func(d *desk)
		want  string
		state string
	}{
		{"none", func(d *desk) { d.dead("tmp/.X11-unix/X5") }, "-", "none: DISPLAY was unset, and no X server of ours is running"},
		{"one", func(d *desk) { d.listen("tmp/.X11-unix/X5") }, ":5", ":5 (listening; DISPLAY was unset; no cookie"},
		{"lowest", func(d *desk) {
			d.listen("tmp/.X11-unix/X10")
			d.listen("tmp/.X11-unix/X9")
		}, ":9", "DISPLAY was unset; lowest number of :9, :10; no cookie"},
		{"with a cookie", func(d *desk) {
			d.listen("tmp/.X11-unix/X10")
			d.listen("tmp/.X11-unix/X9")
			d.authority("home/.Xauthority", "here", 10, "ten")
		}, ":10", "lowest number with a cookie of :9, :10; cookie from "},
		{"not a display", func(d *desk) { d.listen("tmp/.X11-unix/X05"); d.listen("tmp/.X11-unix/Y1") }, "-", "none: "},
		{"abstract, whose is not known", func(d *desk) { d.listen(fmt.Sprintf("@%s/X%d", x11.SocketDir, abstract)) }, "-", "none: "},
		{"abstract, of our process", func(d *desk) {
			d.listen(fmt.Sprintf("@%s/X%d", x11.SocketDir, abstract))
			d.process(5, []string{"Xvfb", fmt.Sprintf(":%d", abstract)})
		}, fmt.Sprintf(":%d", abstract), "listening on an abstract socket; DISPLAY was unset"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			tt.setup(d)
			s := X11.Detect(d.facts())
			if got := value(s, "DISPLAY"); got != tt.want || !strings.Contains(s.State, tt.state) {
				t.Errorf("DISPLAY=%s, %+v", got, s)
			}
			f := d.facts()
			f.Caller.UID = os.Getuid() + 1
			if s := X11.Detect(f); os.Getuid() != 0 && len(s.Env) > 0 {
				t.Errorf("another user's server was offered: %+v", s)
			}
		})
	}
}

// A server of root's may be another session's: only a cookie makes it ours.
func TestX11SearchRoots(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs a socket of root's")
	}
	d := newDesk(t)
	d.listen("tmp/.X11-unix/X5")
	auth := d.authority("home/.Xauthority", "here", 5, "mine")
	const uid = 4321
	f := d.facts()
	f.Caller.UID = uid
	if s := X11.Detect(f); len(s.Env) > 0 {
		t.Errorf("root's server without a cookie of ours: %+v", s)
	}
	d.must(os.Chown(auth, uid, uid))
	if s := X11.Detect(f); value(s, "DISPLAY") != ":5" || admission(s) != "mine" {
		t.Errorf("root's server with our cookie: %+v", s)
	}
	d.must(os.Chown(d.at("tmp/.X11-unix/X5"), uid+1, uid+1))
	if s := X11.Detect(f); len(s.Env) > 0 {
		t.Errorf("another user's server: %+v", s)
	}
}

func TestX11Refused(t *testing.T) {
	d := newDesk(t)
	d.must(os.Chmod(d.listen("tmp/.X11-unix/X5"), 0o500))
	var s session.Share
	asNobody(t, func() { s = X11.Detect(d.facts("DISPLAY=:5")) })
	if len(s.Env) > 0 || len(s.Warn) != 1 || !strings.Contains(s.Warn[0], "refuses us") {
		t.Errorf("%+v", s)
	}
}

func TestX11Hide(t *testing.T) {
	d := newDesk(t)
	d.listen("tmp/.X11-unix/X5")
	d.dead("tmp/.X11-unix/X6")
	d.must(os.WriteFile(d.at("tmp/.X11-unix/X7"), nil, 0o600))
	other := d.listen("other/xsock")
	abstract := fmt.Sprintf("@%s/X%d", x11.SocketDir, 1<<30+rand.IntN(1<<29))
	d.listen(abstract)
	s := X11.Hide(d.facts("DISPLAY=" + other))
	want := []session.Path{"/tmp/.X11-unix/X5", "/tmp/.X11-unix/X6", session.Path(other)}
	if !reflect.DeepEqual(s.Cover, want) || !strings.Contains(strings.Join(s.Notes, "\n"), abstract) {
		t.Errorf("%+v, want %q", s, want)
	}
	d.no["network"] = true
	if s := X11.Hide(d.facts()); s.Notes != nil {
		t.Errorf("the network is denied: %q", s.Notes)
	}
}
