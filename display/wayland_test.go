package display

import (
	"maps"
	"net"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/fakedesk"
	"chrun/session"
)

// desk adds what the tests of this package need to a fakedesk.Desk.
type desk struct {
	*fakedesk.Desk
	abstract map[string]bool // the abstract sockets that the test has made
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{fakedesk.New(t), map[string]bool{}}
	for _, dir := range []string{"host/tmp/.X11-unix", "host/proc", "other"} {
		d.Must(os.MkdirAll(d.Path(dir), 0o755))
	}
	d.Must(os.Chmod(d.Path(""), 0o755)) // for asNobody
	d.Caller.Listeners = func() *session.Listeners {
		all := session.ReadListeners()
		// Abstract sockets of real X servers do not belong to this desk.
		maps.DeleteFunc(all.Names, func(name string, _ bool) bool { return name[0] == '@' && !d.abstract[name] })
		return all
	}
	return d
}

// listen makes a socket with a server. Its name may be an abstract one.
func (d *desk) listen(name string) string {
	d.Helper()
	if !strings.HasPrefix(name, "@") {
		return d.Socket(name, true)
	}
	l, err := net.Listen("unix", name)
	d.Must(err)
	d.Cleanup(func() { l.Close() })
	d.abstract[name] = true
	return name
}

// facts returns the facts of a launch with additional variables.
func (d *desk) facts(env ...string) *session.Facts {
	caller, facts := *d.Caller, *d.Facts
	caller.Env = append(env, "XDG_RUNTIME_DIR="+d.Path("run"), "HOME="+d.Path("home"))
	facts.Caller = &caller
	return &facts
}

func TestWaylandNamed(t *testing.T) {
	d := newDesk(t)
	d.listen("run/wayland-1")
	d.listen("run/sub/wayland-7")
	d.listen("other/wl")
	d.Socket("run/wayland-3", false)
	d.Must(os.WriteFile(d.Path("run/wayland-4"), nil, 0o600))
	d.Must(os.Symlink(d.Path("other/wl"), d.Path("run/wayland-5"))) // WSLg
	d.Must(os.Symlink("wayland-1", d.Path("run/wayland-6")))
	d.Must(os.Symlink("wayland-8", d.Path("run/wayland-8")))
	own := []session.HostPath{session.HostPath(d.Path("other"))}
	single := []session.HostPath{session.HostPath(d.Path("other/wl"))}
	for _, tt := range []struct {
		name  string
		want  string // WAYLAND_DISPLAY inside
		binds []session.HostPath
		state string
	}{
		{"wayland-1", "wayland-1", nil, "wayland-1 (listening)"},
		{"sub/wayland-7", "sub/wayland-7", nil, "sub/wayland-7 (listening)"},
		{d.Path("run/wayland-1"), "wayland-1", nil, "wayland-1 (listening)"},
		{d.Path("other/wl"), "wayland-100", single, "/other/wl, inside wayland-100 (listening)"},
		{"../other/wl", "wayland-100", single, "(listening)"},
		{"wayland-5", "wayland-5", own, "(listening)"},
		{"wayland-6", "wayland-6", nil, "(listening)"},
		{"wayland-3", "", nil, "no server listens on it"},
		{"wayland-4", "", nil, "not a socket"},
		{"wayland-8", "", nil, "none: "},
		{"wayland-9", "", nil, "does not exist"},
		{"", "", nil, "set, but empty"},
		{"/" + strings.Repeat("x", 107), "", nil, "108 bytes"},
	} {
		s := Wayland.Detect(d.facts("WAYLAND_DISPLAY=" + tt.name))
		var binds []session.HostPath
		for _, b := range s.Binds {
			binds = append(binds, b.Source)
		}
		if got := fakedesk.Value(s, "WAYLAND_DISPLAY"); got != tt.want || !reflect.DeepEqual(binds, tt.binds) || !strings.Contains(s.State, tt.state) {
			t.Errorf("%q: WAYLAND_DISPLAY=%s, %+v", tt.name, got, s)
		}
		if notes := strings.Join(s.Notes, " "); tt.want == "" && tt.name != "" && !strings.Contains(notes, "listen: wayland-1, wayland-5") {
			t.Errorf("%q: the notes do not name the live socket: %q", tt.name, notes)
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
		{"dead", nil, []string{"wayland-3"}, "-", "none: no server listens on wayland-3"},
		{"dead default", nil, []string{"wayland-0"}, "", "none: no server listens on wayland-0"},
		{"nothing", []string{"pipewire-0", "wayland-0.lock", "wayland-proxy-42"}, nil, "-", "none: no compositor's socket in "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			for _, n := range tt.live {
				d.listen("run/" + n)
			}
			for _, n := range tt.dead {
				d.Socket("run/"+n, false)
			}
			if strings.HasPrefix(tt.want, "wayland-") {
				d.Must(os.Symlink(tt.live[0], d.Path("run/wayland-again"))) // the same one
			}
			s := Wayland.Detect(d.facts())
			if got := fakedesk.Value(s, "WAYLAND_DISPLAY"); got != tt.want || !strings.HasPrefix(s.State, tt.state) || s.Binds != nil {
				t.Errorf("WAYLAND_DISPLAY=%s, %+v", got, s)
			}
			if several := strings.Contains(tt.state, " of "); several != (len(s.Windows) == 1) {
				t.Errorf("%q", s.Windows)
			}
			f := d.facts()
			f.Caller.UID++ // now all sockets belong to another user
			if s := Wayland.Detect(f); offersWayland(s) {
				t.Errorf("another user's socket was shared: %+v", s)
			}
			f.Caller.RuntimeDir = ""
			if s := Wayland.Detect(f); offersWayland(s) || !strings.HasPrefix(s.State, "none: ") {
				t.Errorf("without a runtime directory: %+v", s)
			}
		})
	}
}

func TestWaylandSocketVariable(t *testing.T) {
	d := newDesk(t)
	d.listen("run/wayland-1")
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	d.Must(err)
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
		{[]string{"WAYLAND_SOCKET=12x"}, "-", "-", 1},
		{[]string{"WAYLAND_SOCKET=", "WAYLAND_DISPLAY=wayland-1"}, "-", "wayland-1", 1},
		{[]string{"WAYLAND_SOCKET=999999"}, "-", "-", 1},
	} {
		s := Wayland.Detect(d.facts(tt.env...))
		if fakedesk.Value(s, "WAYLAND_SOCKET") != tt.socket || fakedesk.Value(s, "WAYLAND_DISPLAY") != tt.display || len(s.Notes) != tt.notes {
			t.Errorf("%q: %+v", tt.env, s)
		}
	}
}

func TestWaylandRefused(t *testing.T) {
	d := newDesk(t)
	p := d.listen("other/wl")
	d.Must(os.Chmod(p, 0o500))
	var s session.Share
	f := d.facts("WAYLAND_DISPLAY=" + p)
	asNobody(t, func() { s = Wayland.Detect(f) })
	if offersWayland(s) || len(s.Warnings) != 1 || !strings.Contains(s.State, "permission denied") {
		t.Errorf("%+v", s)
	}
}

// asNobody calls f without root's rights on a thread of its own.
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
	d.Socket("run/wayland-3", false)
	d.Must(os.WriteFile(d.Path("run/wayland-1.lock"), nil, 0o600))
	other := d.listen("other/wl")
	d.Must(os.Symlink(other, d.Path("run/wayland-5")))
	s := Wayland.Hide(d.facts("WAYLAND_DISPLAY=" + other))
	want := []session.Path{session.Path(d.Path("run/wayland-1")), session.Path(d.Path("run/wayland-3")), session.Path(other)}
	if !reflect.DeepEqual(s.Cover, want) || fakedesk.Value(s, "WAYLAND_DISPLAY") != "" || s.Binds != nil {
		t.Errorf("got %+v, want %q", s, want)
	}
}
