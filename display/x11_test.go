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
	"chrun/internal/fakedesk"
	"chrun/session"
)

// writeAuthority writes an Xauthority file for one local display.
func (d *desk) writeAuthority(name, host string, number int, data string) string {
	d.Helper()
	e := x11.Entry{Family: x11.FamilyLocal, Address: host, Number: strconv.Itoa(number), Name: "MIT-MAGIC-COOKIE-1", Data: data}
	d.Must(os.MkdirAll(filepath.Dir(d.Path(name)), 0o755))
	d.Must(os.WriteFile(d.Path(name), x11.FormatAuthority([]x11.Entry{e}), 0o600))
	return d.Path(name)
}

// writeProcess adds a process to proc.
func (d *desk) writeProcess(pid int, cmdline []string, environ ...string) {
	d.Helper()
	dir := d.Path(fmt.Sprintf("host/proc/%d", pid))
	d.Must(os.MkdirAll(dir, 0o755))
	for name, list := range map[string][]string{"cmdline": cmdline, "environ": environ} {
		d.Must(os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(append(list, ""), "\x00")), 0o600))
	}
}

// writeLock writes the lock file of a display.
func (d *desk) writeLock(number, pid int) {
	d.Helper()
	d.Must(os.WriteFile(d.Path(fmt.Sprintf("host/tmp/.X%d-lock", number)), fmt.Appendf(nil, "%10d\n", pid), 0o444))
}

// sharedCookie returns the data of the cookie that s shares, "" if it shares none,
// and an explanation after a "!" if the file is wrong.
func sharedCookie(s session.Share) string {
	if len(s.Files) == 0 {
		if fakedesk.Value(s, "XAUTHORITY") != "-" {
			return "!XAUTHORITY without a file"
		}
		return ""
	}
	f := s.Files[0]
	e := x11.ParseAuthority(f.Data)
	if len(s.Files) != 1 || f.Mode != 0o600 || f.Path != "/run/chrun/Xauthority" || fakedesk.Value(s, "XAUTHORITY") != string(f.Path) ||
		len(e) != 1 || e[0].Family != x11.FamilyWild || e[0].Address != "" {
		return fmt.Sprintf("!%+v", s)
	}
	return e[0].Data
}

func TestX11Named(t *testing.T) {
	d := newDesk(t)
	d.listen("host/tmp/.X11-unix/X5")
	d.listen("other/xsock")
	d.listen("other/xsock:0")
	d.Socket("host/tmp/.X11-unix/X6", false)
	abstract := 1<<30 + rand.IntN(1<<29) // no server on this machine uses it
	d.listen(fmt.Sprintf("@%s/X%d", x11.SocketDir, abstract))
	x5 := []session.Bind{{Source: session.HostPath(d.Path("host/tmp/.X11-unix/X5")), Dest: "/tmp/.X11-unix/X5", Why: "the X server's socket"}}
	only := func(p string) []session.Bind {
		return []session.Bind{{Source: session.HostPath(d.Path(p)), Dest: "/tmp/.X11-unix/X0", HidesOthers: true, Why: "the X server's socket"}}
	}
	for _, tt := range []struct {
		display, want string // "-" if it is not shared
		binds         []session.Bind
		state         string
		offline       string // DISPLAY if network is denied
	}{
		{":5", ":5", x5, ":5 (listening; no cookie: the server must admit your uid)", ":5"},
		{":5.0", ":5.0", x5, ":5.0 (listening;", ":5.0"},
		{"unix:5", ":5", x5, ":5 (", ":5"},
		{"unix/:5.1", ":5.1", x5, ":5.1 (", ":5.1"},
		{d.Path("other/xsock"), ":0", only("other/xsock"), "(listening; inside :0;", ":0"},
		{"unix:" + d.Path("other/xsock") + ".2", ":0.2", only("other/xsock"), "(listening;", ":0.2"},
		{d.Path("other/xsock:0"), ":0", only("other/xsock:0"), "(listening;", ":0"},
		{fmt.Sprintf(":%d", abstract), fmt.Sprintf(":%d", abstract), nil, "abstract socket; no cookie", "-"},
		{"localhost:10.0", "localhost:10.0", nil, "over TCP", "-"},
		{"tcp/box:1", "tcp/box:1", nil, "over TCP", "-"},
		{":6", "-", nil, "no server listens on", "-"},
		{fmt.Sprintf(":%d", abstract+1), "-", nil, "no X server runs", "-"},
		{d.Path("other/gone"), "-", nil, "does not exist", "-"},
		{"5", "-", nil, "it has no ':'", "-"},
		{"", "-", nil, "DISPLAY is set, but empty", "-"},
	} {
		d.Deny()
		s := X11.Detect(d.facts("DISPLAY=" + tt.display))
		if got := fakedesk.Value(s, "DISPLAY"); got != tt.want || !reflect.DeepEqual(s.Binds, tt.binds) || !strings.Contains(s.State, tt.state) || sharedCookie(s) != "" || s.Warnings != nil {
			t.Errorf("%q: DISPLAY=%s, %+v", tt.display, got, s)
		}
		d.Deny("network")
		s = X11.Detect(d.facts("DISPLAY=" + tt.display))
		if got := fakedesk.Value(s, "DISPLAY"); got != tt.offline || (tt.want != got) != (len(s.Warnings) > 0) {
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
			d.writeAuthority("home/.Xauthority", "myhost", 5, "home")
			return []string{"XAUTHORITY=" + d.writeAuthority("other/a", "myhost", 5, "named")}
		}, "named"},
		{"XAUTHORITY after the host was renamed", func(d *desk) []string {
			d.writeAuthority("home/.Xauthority", "myhost", 5, "home")
			return []string{"XAUTHORITY=" + d.writeAuthority("other/a", "before", 5, "named")}
		}, "named"},
		{"XAUTHORITY gone", func(d *desk) []string {
			d.writeAuthority("home/.Xauthority", "myhost", 5, "home")
			return []string{"XAUTHORITY=" + d.Path("gone")}
		}, "home"},
		{"XAUTHORITY for another display", func(d *desk) []string {
			d.writeAuthority("home/.Xauthority", "myhost", 5, "home")
			return []string{"XAUTHORITY=" + d.writeAuthority("other/a", "myhost", 4, "named")}
		}, "home"},
		{"home, a link", func(d *desk) []string {
			d.writeAuthority("other/a", "myhost", 5, "linked")
			d.Must(os.Symlink(d.Path("other/a"), d.Path("home/.Xauthority")))
			return nil
		}, "linked"},
		{"mutter, newest", func(d *desk) []string {
			d.writeAuthority("home/.Xauthority", "myhost", 4, "other display")
			d.writeAuthority("run/.mutter-Xwaylandauth.AAA", "myhost", 5, "new")
			old := d.writeAuthority("run/.mutter-Xwaylandauth.BBB", "myhost", 5, "old")
			d.Must(os.Chtimes(old, time.Time{}, time.Now().Add(-time.Hour)))
			return nil
		}, "new"},
		{"KWin", func(d *desk) []string { d.writeAuthority("run/xauth_AbCd", "myhost", 5, "kwin"); return nil }, "kwin"},
		{"no links in the runtime directory", func(d *desk) []string {
			d.writeAuthority("other/a", "myhost", 5, "linked")
			d.Must(os.Symlink(d.Path("other/a"), d.Path("run/xauth_link")))
			return nil
		}, ""},
		{"-auth", func(d *desk) []string {
			d.writeProcess(7, []string{"Xvfb", ":4", "-auth", d.writeAuthority("other/four", "myhost", 5, "wrong server")})
			d.writeProcess(8, []string{"/usr/bin/Xvfb", ":5", "-auth", d.writeAuthority("other/a", "myhost", 5, "auth")})
			return nil
		}, "auth"},
		{"-auth of -displayfd", func(d *desk) []string {
			d.writeProcess(8, []string{"Xorg", "vt2", "-displayfd", "3", "-auth", d.writeAuthority("other/a", "myhost", 5, "gdm")})
			return nil
		}, "gdm"},
		{"-auth by the lock", func(d *desk) []string {
			d.writeProcess(7, []string{"Xvfb", "-auth", d.writeAuthority("other/b", "myhost", 5, "not this")})
			d.writeProcess(6, []string{"Xvfb", "-auth", d.writeAuthority("other/a", "myhost", 5, "locked")})
			d.writeLock(5, 6)
			return nil
		}, "locked"},
		{"a server that requires none", func(d *desk) []string {
			d.writeProcess(6, []string{"sway"})
			d.writeLock(5, 6)
			d.writeProcess(9, []string{"sh"}, "DISPLAY=:5", "XAUTHORITY="+d.writeAuthority("other/a", "myhost", 5, "stale"))
			return nil
		}, ""},
		{"an environment", func(d *desk) []string {
			d.writeProcess(6, []string{"X", ":5", "-auth", d.Path("roots")})
			d.writeProcess(9, []string{"sh"}, "DISPLAY=:4", "XAUTHORITY="+d.writeAuthority("other/b", "myhost", 5, "of :4"))
			d.writeProcess(8, []string{"sh"}, "DISPLAY=unix:5.0", "XAUTHORITY="+d.writeAuthority("other/a", "myhost", 5, "environ"))
			d.writeProcess(10, []string{"sh"}, "DISPLAY=:5", "XAUTHORITY=relative")
			return nil
		}, "environ"},
		{"another hostname only as a last resort", func(d *desk) []string {
			d.writeAuthority("home/.Xauthority", "before", 5, "renamed")
			d.writeProcess(8, []string{"Xvfb", ":5", "-auth", d.writeAuthority("other/a", "myhost", 5, "auth")})
			return nil
		}, "auth"},
		{"another hostname", func(d *desk) []string {
			d.writeAuthority("home/.Xauthority", "before", 5, "renamed")
			return nil
		}, "renamed"},
		{"hostile files", func(d *desk) []string {
			d.Must(os.WriteFile(d.Path("home/.Xauthority"), []byte("\x01\x00\xff\xffx"), 0o600))
			d.Must(os.Mkdir(d.Path("run/xauth_dir"), 0o755))
			d.Must(os.WriteFile(d.Path("host/proc/8"), nil, 0o600))
			return []string{"XAUTHORITY="}
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			d.listen("host/tmp/.X11-unix/X5")
			s := X11.Detect(d.facts(append(tt.setup(d), "DISPLAY=:5")...))
			if got := sharedCookie(s); got != tt.want {
				t.Errorf("cookie %q, want %q\n%+v", got, tt.want, s)
			}
			if none := strings.Contains(s.State, "no cookie"); none != (tt.want == "") {
				t.Errorf("state %q", s.State)
			}
			if renamed := strings.Contains(strings.Join(s.Notes, "\n"), "a hostname other than"); renamed != (strings.Contains(tt.name, "renamed") || tt.want == "renamed") {
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
	d.Must(os.WriteFile(d.Path("home/.Xauthority"), x11.FormatAuthority(in), 0o600))
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
		{"none", func(d *desk) { d.Socket("host/tmp/.X11-unix/X5", false) }, "-", "none: DISPLAY was unset, and you have no running X server"},
		{"one", func(d *desk) { d.listen("host/tmp/.X11-unix/X5") }, ":5", ":5 (listening; DISPLAY was unset; no cookie"},
		{"lowest", func(d *desk) {
			d.listen("host/tmp/.X11-unix/X10")
			d.listen("host/tmp/.X11-unix/X9")
		}, ":9", "DISPLAY was unset; lowest number of :9, :10; no cookie"},
		{"with a cookie", func(d *desk) {
			d.listen("host/tmp/.X11-unix/X10")
			d.listen("host/tmp/.X11-unix/X9")
			d.writeAuthority("home/.Xauthority", "myhost", 10, "ten")
		}, ":10", "lowest number with a cookie of :9, :10; cookie from "},
		{"not a display", func(d *desk) { d.listen("host/tmp/.X11-unix/X05"); d.listen("host/tmp/.X11-unix/Y1") }, "-", "none: "},
		{"abstract, with an unknown owner", func(d *desk) { d.listen(fmt.Sprintf("@%s/X%d", x11.SocketDir, abstract)) }, "-", "none: "},
		{"abstract, of the caller's process", func(d *desk) {
			d.listen(fmt.Sprintf("@%s/X%d", x11.SocketDir, abstract))
			d.writeProcess(5, []string{"Xvfb", fmt.Sprintf(":%d", abstract)})
		}, fmt.Sprintf(":%d", abstract), "listening on an abstract socket; DISPLAY was unset"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			tt.setup(d)
			s := X11.Detect(d.facts())
			if got := fakedesk.Value(s, "DISPLAY"); got != tt.want || !strings.Contains(s.State, tt.state) {
				t.Errorf("DISPLAY=%s, %+v", got, s)
			}
			f := d.facts()
			f.Caller.UID = os.Getuid() + 1
			if s := X11.Detect(f); os.Getuid() != 0 && len(s.Env) > 0 {
				t.Errorf("another user's server was shared: %+v", s)
			}
		})
	}
}

// A server of root may belong to another session. Only with its cookie is it
// shared.
func TestX11SearchRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("it requires a socket of root")
	}
	d := newDesk(t)
	d.listen("host/tmp/.X11-unix/X5")
	auth := d.writeAuthority("home/.Xauthority", "myhost", 5, "mine")
	const uid = 4321
	f := d.facts()
	f.Caller.UID = uid
	if s := X11.Detect(f); len(s.Env) > 0 {
		t.Errorf("root's server without a cookie: %+v", s)
	}
	d.Must(os.Chown(auth, uid, uid))
	if s := X11.Detect(f); fakedesk.Value(s, "DISPLAY") != ":5" || sharedCookie(s) != "mine" {
		t.Errorf("root's server with a cookie: %+v", s)
	}
	d.Must(os.Chown(d.Path("host/tmp/.X11-unix/X5"), uid+1, uid+1))
	if s := X11.Detect(f); len(s.Env) > 0 {
		t.Errorf("another user's server: %+v", s)
	}
}

func TestX11Refused(t *testing.T) {
	d := newDesk(t)
	d.Must(os.Chmod(d.listen("host/tmp/.X11-unix/X5"), 0o500))
	var s session.Share
	asNobody(t, func() { s = X11.Detect(d.facts("DISPLAY=:5")) })
	if len(s.Env) > 0 || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "you cannot connect") {
		t.Errorf("%+v", s)
	}
}

func TestX11Hide(t *testing.T) {
	d := newDesk(t)
	d.listen("host/tmp/.X11-unix/X5")
	d.Socket("host/tmp/.X11-unix/X6", false)
	d.Must(os.WriteFile(d.Path("host/tmp/.X11-unix/X7"), nil, 0o600))
	other := d.listen("other/xsock")
	abstract := fmt.Sprintf("@%s/X%d", x11.SocketDir, 1<<30+rand.IntN(1<<29))
	d.listen(abstract)
	s := X11.Hide(d.facts("DISPLAY=" + other))
	want := []session.Path{"/tmp/.X11-unix/X5", "/tmp/.X11-unix/X6", session.Path(other)}
	if !reflect.DeepEqual(s.Cover, want) || !strings.Contains(strings.Join(s.Notes, "\n"), abstract) {
		t.Errorf("%+v, want %q", s, want)
	}
	d.Deny("network")
	if s := X11.Hide(d.facts()); s.Notes != nil {
		t.Errorf("with network denied: %q", s.Notes)
	}
}
