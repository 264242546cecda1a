package display

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/account"
)

// desk is a caller with directories and sockets of a test's own.
type desk struct {
	t   *testing.T
	dir string // holds run (the runtime directory), home, tmp/.X11-unix, proc
	env session.Environ
	no  map[string]bool // denied
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	// Not t.TempDir: with the test's name the paths of sockets get too long.
	dir, err := os.MkdirTemp("", "desk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &desk{t: t, dir: dir, no: map[string]bool{}}
	for _, sub := range []string{"run", "home", "tmp/.X11-unix", "proc", "other"} {
		d.must(os.MkdirAll(filepath.Join(dir, sub), 0o755))
	}
	d.must(os.Chmod(dir, 0o755)) // MkdirTemp: 0700
	d.env = session.Environ{"XDG_RUNTIME_DIR=" + d.at("run"), "HOME=" + d.at("home")}
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) at(name string) string { return filepath.Join(d.dir, name) }

// listen makes a socket with a server.
func (d *desk) listen(name string) string {
	d.t.Helper()
	p := d.at(name)
	if strings.HasPrefix(name, "@") {
		p = name
	}
	d.must(os.MkdirAll(filepath.Dir(d.at(name)), 0o755))
	l, err := net.Listen("unix", p)
	d.must(err)
	d.t.Cleanup(func() { l.Close() })
	return p
}

// dead makes a socket whose server is gone.
func (d *desk) dead(name string) string {
	d.t.Helper()
	p := d.at(name)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p})
	d.must(err)
	l.SetUnlinkOnClose(false)
	d.must(l.Close())
	return p
}

// facts are those of a launch with env in addition to the directories'.
func (d *desk) facts(env ...string) *session.Facts {
	dir := session.HostPath(d.dir)
	return &session.Facts{
		Caller: &session.Caller{
			UID: os.Getuid(), GID: os.Getgid(),
			Account:    account.Account{Name: "alice", Home: d.at("home")},
			Env:        append(env, d.env...),
			Hostname:   "here",
			RuntimeDir: dir.Join("run"),
			Host:       dir,
			Listeners:  func() session.Listeners { return session.ReadListeners("/proc/net/unix") },
		},
		Allowed: func(feature string) bool { return !d.no[feature] },
	}
}

// value returns what s sets name to; "-" if it does not.
func value(s session.Share, name string) string {
	for _, v := range s.Env {
		if v.Name == name {
			return v.Value
		}
	}
	return "-"
}

func TestWaylandNamed(t *testing.T) {
	d := newDesk(t)
	d.listen("run/wayland-1")
	d.listen("run/sub/wayland-7")
	d.listen("other/wl")
	d.dead("run/wayland-3")
	d.must(os.WriteFile(d.at("run/wayland-4"), nil, 0o600))
	d.must(os.Symlink(d.at("other/wl"), d.at("run/wayland-5"))) // WSLg
	d.must(os.Symlink("wayland-1", d.at("run/wayland-6")))
	d.must(os.Symlink("wayland-8", d.at("run/wayland-8")))
	own := []session.HostPath{session.HostPath(d.at("other"))}
	for _, tt := range []struct {
		name  string
		want  string // WAYLAND_DISPLAY inside, "-": none
		binds []session.HostPath
		state string
	}{
		{"wayland-1", "wayland-1", nil, "wayland-1 (listening)"},
		{"sub/wayland-7", "sub/wayland-7", nil, "sub/wayland-7 (listening)"},
		{d.at("run/wayland-1"), "wayland-1", nil, "wayland-1 (listening)"},
		{d.at("other/wl"), d.at("other/wl"), own, "(listening)"},
		{"../other/wl", d.at("other/wl"), own, "(listening)"},
		{"wayland-5", "wayland-5", own, "(listening)"},
		{"wayland-6", "wayland-6", nil, "(listening)"},
		{"wayland-3", "-", nil, "its server is gone"},
		{"wayland-4", "-", nil, "not a socket"},
		{"wayland-8", "-", nil, "none: "},
		{"wayland-9", "-", nil, "does not exist"},
		{"", "-", nil, "it is empty"},
		{"/" + strings.Repeat("x", 107), "-", nil, "108 bytes"},
	} {
		s := Wayland.Detect(d.facts("WAYLAND_DISPLAY=" + tt.name))
		var binds []session.HostPath
		for _, b := range s.Binds {
			binds = append(binds, b.Source)
		}
		if got := value(s, "WAYLAND_DISPLAY"); got != tt.want || !reflect.DeepEqual(binds, tt.binds) || !strings.Contains(s.State, tt.state) {
			t.Errorf("%q: WAYLAND_DISPLAY=%s, %+v", tt.name, got, s)
		}
		if notes := strings.Join(s.Notes, " "); tt.want == "-" && !strings.Contains(notes, "listening: wayland-1 ") {
			t.Errorf("%q: the live socket is not named: %q", tt.name, notes)
		}
	}
}

func TestWaylandSearch(t *testing.T) {
	for _, tt := range []struct {
		name       string
		live, dead []string
		want       string
		state      string
	}{
		{"one", []string{"wayland-1"}, nil, "wayland-1", "wayland-1 (listening; WAYLAND_DISPLAY was unset)"},
		{"default", []string{"wayland-1", "wayland-0"}, nil, "wayland-0", "wayland-0 (listening; WAYLAND_DISPLAY was unset; the default of wayland-0, wayland-1)"},
		{"lowest", []string{"wayland-10", "wayland-2"}, []string{"wayland-0"}, "wayland-2", "wayland-2 (listening; WAYLAND_DISPLAY was unset; the first in order of wayland-2, wayland-10)"},
		{"dead", nil, []string{"wayland-3"}, "-", "none: wayland-3 is there, but its server is gone"},
		{"nothing", []string{"pipewire-0", "wayland-0.lock", "wayland-proxy-42"}, nil, "-", "none: no compositor's socket in "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			for _, n := range tt.live {
				d.listen("run/" + n)
			}
			for _, n := range tt.dead {
				d.dead("run/" + n)
			}
			d.listen("other/wl")
			d.must(os.Symlink(d.at("other/wl"), d.at("run/wayland-00")))
			s := Wayland.Detect(d.facts())
			if got := value(s, "WAYLAND_DISPLAY"); got != tt.want || !strings.HasPrefix(s.State, tt.state) || s.Binds != nil {
				t.Errorf("WAYLAND_DISPLAY=%s, %+v", got, s)
			}
			f := d.facts()
			f.Caller.UID++ // then all sockets are somebody else's
			if s := Wayland.Detect(f); len(s.Env) > 0 {
				t.Errorf("another user's socket was offered: %+v", s)
			}
			f.Caller.RuntimeDir = ""
			if s := Wayland.Detect(f); len(s.Env) > 0 || !strings.HasPrefix(s.State, "none: ") {
				t.Errorf("without a runtime directory: %+v", s)
			}
		})
	}
}

func TestWaylandSocketVariable(t *testing.T) {
	d := newDesk(t)
	d.listen("run/wayland-1")
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	d.must(err)
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	fd := strconv.Itoa(pair[0])
	for _, tt := range []struct {
		env             []string
		socket, display string
		notes           int
	}{
		{[]string{"WAYLAND_SOCKET=" + fd}, fd, "-", 0},
		{[]string{"WAYLAND_SOCKET=" + fd, "WAYLAND_DISPLAY=wayland-1"}, fd, "wayland-1", 0},
		{[]string{"WAYLAND_SOCKET=12x"}, "-", "wayland-1", 1},
		{[]string{"WAYLAND_SOCKET=", "WAYLAND_DISPLAY=wayland-1"}, "-", "wayland-1", 1},
		{[]string{"WAYLAND_SOCKET=999999"}, "-", "wayland-1", 1},
	} {
		s := Wayland.Detect(d.facts(tt.env...))
		if value(s, "WAYLAND_SOCKET") != tt.socket || value(s, "WAYLAND_DISPLAY") != tt.display || len(s.Notes) != tt.notes {
			t.Errorf("%q: %+v", tt.env, s)
		}
	}
}

func TestWaylandRefused(t *testing.T) {
	d := newDesk(t)
	p := d.listen("other/wl")
	d.must(os.Chmod(p, 0o500))
	var s session.Share
	f := d.facts("WAYLAND_DISPLAY=" + p)
	asNobody(t, func() { s = Wayland.Detect(f) })
	if len(s.Env) > 0 || len(s.Warn) != 1 || !strings.Contains(s.State, "permission denied") {
		t.Errorf("%+v", s)
	}
}

// asNobody calls f without root's rights, on a thread that then ends.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f()
		return
	}
	done := make(chan syscall.Errno)
	go func() {
		runtime.LockOSThread()
		_, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, 65534, 65534, 65534)
		if errno == 0 {
			f()
		}
		done <- errno
	}()
	if errno := <-done; errno != 0 {
		t.Skip("cannot become nobody:", errno)
	}
}

func TestWaylandHide(t *testing.T) {
	d := newDesk(t)
	d.listen("run/wayland-1")
	d.dead("run/wayland-3")
	d.must(os.WriteFile(d.at("run/wayland-1.lock"), nil, 0o600))
	other := d.listen("other/wl")
	d.must(os.Symlink(other, d.at("run/wayland-5")))
	s := Wayland.Hide(d.facts("WAYLAND_DISPLAY=" + other))
	want := []session.Path{session.Path(d.at("run/wayland-1")), session.Path(d.at("run/wayland-3")), session.Path(other)}
	if !reflect.DeepEqual(s.Cover, want) || s.Env != nil || s.Binds != nil {
		t.Errorf("got %+v, want %q", s, want)
	}
}
