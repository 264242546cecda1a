package bridge

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"chrun/internal/headless"
	"chrun/session"
)

// startBus starts a session bus and returns its socket.
func startBus(t *testing.T) (socket string, stop func()) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "bus")
	c := exec.Command("dbus-daemon", "--session", "--nofork", "--address=unix:path="+socket, "--print-address")
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	headless.Must(t, "desktop", err)
	stop = sync.OnceFunc(func() { c.Process.Kill(); c.Wait() })
	t.Cleanup(stop)
	out.Read(make([]byte, 100)) // it prints its address when it listens
	return socket, stop
}

// fakePortal is an OpenURI portal that sends a response after each request.
type fakePortal struct {
	conn *dbus.Conn
	sync.Mutex
	response any         // nil: none
	err      *dbus.Error // of the call
	called   func()      // runs after each call, if it is not nil
	log      []string
}

// expect sets what the next call gets.
func (p *fakePortal) expect(response any, err *dbus.Error, called func()) {
	p.Lock()
	defer p.Unlock()
	p.response, p.err, p.called, p.log = response, err, called, nil
}

func startPortal(t *testing.T, socket string) *fakePortal {
	t.Helper()
	conn, err := dbus.Connect("unix:path=" + socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p := &fakePortal{conn: conn}
	if err := conn.Export(p, portalPath, openURI); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName(portalName, 0); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *fakePortal) OpenURI(window, uri string, options map[string]dbus.Variant) (dbus.ObjectPath, *dbus.Error) {
	return p.respond(window, uri, options)
}

func (p *fakePortal) OpenFile(window string, fd dbus.UnixFD, options map[string]dbus.Variant) (dbus.ObjectPath, *dbus.Error) {
	path, _ := os.Readlink(fmt.Sprint("/proc/self/fd/", fd))
	os.NewFile(uintptr(fd), path).Close()
	return p.respond(window, path, options)
}

func (p *fakePortal) respond(window, what string, options map[string]dbus.Variant) (dbus.ObjectPath, *dbus.Error) {
	p.Lock()
	defer p.Unlock()
	p.log = append(p.log, fmt.Sprintf("%s|%s|%v", window, what, options))
	const request = dbus.ObjectPath("/request/1")
	if p.response != nil {
		p.conn.Emit("/request/other", requestIface+".Response", uint32(9), map[string]dbus.Variant{})
		p.conn.Emit(request, requestIface+".Response", p.response, map[string]dbus.Variant{})
	}
	if p.called != nil {
		time.AfterFunc(50*time.Millisecond, p.called) // the reply goes first
	}
	return request, p.err
}

func TestPortal(t *testing.T) {
	socket, _ := startBus(t)
	portal := startPortal(t, socket)
	file := filepath.Join(filepath.Dir(socket), "a b é")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Client{Bus: socket, Paths: session.PathMap{{"/", "/"}}, Token: "tok"}
	for _, test := range []struct {
		target   Target
		response any
		err      *dbus.Error
		want     string // an error
	}{
		{Target{URI: "http://x/%20"}, uint32(0), nil, ""},
		{Target{Path: file}, uint32(0), nil, ""},
		{Target{URI: "http://x"}, uint32(1), nil, ErrCancelled.Error()},
		{Target{URI: "http://x"}, uint32(2), nil, "could not open it"},
		{Target{URI: "http://x"}, "text", nil, "could not open it"},
		{Target{URI: "http://x"}, nil, dbus.NewError("org.x.Error", []any{"not today"}), "cannot open \"http://x\": the portal refuses it: not today"},
		{Target{URI: "http://x"}, nil, dbus.NewError("org.freedesktop.DBus.Error.UnknownMethod", []any{"no OpenURI"}), ErrNoOpener.Error() + " (no OpenURI)"},
		{Target{Path: "/proc/none"}, nil, nil, "no such file"},
	} {
		portal.expect(test.response, test.err, nil)
		err := c.Open(test.target)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: %v, want %q", test.target, err, test.want)
		}
		want := fmt.Sprintf(`[|%s%s|map[activation_token:"tok"]]`, test.target.URI, test.target.Path)
		portal.Lock()
		if got := fmt.Sprint(portal.log); test.want == "" && got != want {
			t.Errorf("%+v: the portal received %s, want %s", test.target, got, want)
		}
		portal.Unlock()
	}
}

// A file is released only after the response: until then the portal may ask the
// kernel for its path.
func TestRelease(t *testing.T) {
	socket, _ := startBus(t)
	var responded atomic.Bool
	portal := startPortal(t, socket)
	portal.expect(nil, nil, func() {
		responded.Store(true)
		portal.conn.Emit("/request/1", requestIface+".Response", uint32(0), map[string]dbus.Variant{})
	})
	released := false
	c := &Client{Bus: socket, Paths: session.PathMap{{"/", "/host"}}, OpenAt: func(inside, host string) (int, func(), error) {
		if inside != "/x" || host != "/host/x" {
			t.Errorf("opened %q at %q", inside, host)
		}
		f, err := os.Open("/dev/null")
		return int(f.Fd()), func() {
			if released = true; !responded.Load() {
				t.Error("released before the response")
			}
			f.Close()
		}, err
	}}
	if err := c.Open(Target{Path: "/x"}); err != nil || !released {
		t.Errorf("%v, released: %v", err, released)
	}
}

// Where there is no portal, chrun's server is asked, if there is one.
func TestNoPortal(t *testing.T) {
	bus, _ := startBus(t)
	for _, socket := range []string{"", "/nonexistent", bus} {
		begin := time.Now()
		c := &Client{Bus: socket, Paths: session.PathMap{{"/", "/"}}}
		if err := c.Open(Target{URI: "http://x"}); !errors.Is(err, ErrNoOpener) || time.Since(begin) > 10*time.Second {
			t.Errorf("bus %q: %v", socket, err)
		}
		c.Socket = "/nonexistent"
		if err := c.Open(Target{URI: "http://x"}); !errors.Is(err, ErrNoOpener) {
			t.Errorf("bus %q without a server: %v", socket, err)
		}
		var log string
		c.Socket, log = serve(t, os.Getuid(), map[string]string{"xdg-open": record})
		if err := c.Open(Target{URI: "http://x"}); err != nil {
			t.Errorf("bus %q: %v", socket, err)
		}
		checkLog(t, log, "||http://x")
	}
	c := &Client{Bus: bus, Paths: session.PathMap{{"/", ""}}}
	var refused *RefusedError
	if err := c.Open(Target{Path: "/x"}); !errors.As(err, &refused) {
		t.Errorf("a file that the host does not have: %v", err)
	}
}

// Nobody answers the portal's dialog.
func TestNoAnswer(t *testing.T) {
	socket, _ := startBus(t)
	startPortal(t, socket).expect(nil, nil, nil)
	c := &Client{Bus: socket, Paths: session.PathMap{{"/", "/"}}, Patience: time.Second}
	const want = `cannot open "http://x": nobody has answered the question on the desktop for 0 minutes`
	if err := c.Open(Target{URI: "http://x"}); err == nil || err.Error() != want {
		t.Error(err)
	}
}

// The bus ends while the portal waits for the user.
func TestBusEnds(t *testing.T) {
	socket, stop := startBus(t)
	startPortal(t, socket).expect(nil, nil, stop)
	c := &Client{Bus: socket, Paths: session.PathMap{{"/", "/"}}}
	if err := c.Open(Target{URI: "http://x"}); err == nil || errors.Is(err, ErrNoOpener) {
		t.Error(err)
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	socket, log := serve(t, os.Getuid(), map[string]string{"xdg-open": record})
	paths := filepath.Join(dir, "paths")
	if err := os.WriteFile(paths, []byte("/\n/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name           string
		args           string
		paths, socket  string
		status         int
		stdout, stderr string
	}{
		{"xdg-open", "", paths, socket, 1, "", "xdg-open FILE|URL: opens it with the host's desktop"},
		{"xdg-open", "http://x http://y", paths, socket, 1, "", "xdg-open FILE|URL"},
		{"xdg-open", "--help", paths, socket, 0, "xdg-open FILE|URL", ""},
		{"xdg-open", "--manual", paths, socket, 0, "xdg-open FILE|URL", ""},
		{"xdg-open", "--version", paths, socket, 0, "xdg-open of chrun 1.2\n", ""},
		{"xdg-open", "--frobnicate", paths, socket, 1, "", `xdg-open: unexpected option "--frobnicate"`},
		{"xdg-open", "-- -x", paths, socket, 1, "", `unexpected option "-x"`},
		{"xdg-open", "-- http://x/1", paths, socket, 0, "", ""},
		{"sensible-browser", "http://x/2 http://x/3", paths, socket, 0, "", ""},
		{"xdg-open", "http://x", dir + "/none", socket, 4, "", "not started by chrun, or without the feature host-open"},
		{"xdg-open", "/none", paths, socket, 2, "", `xdg-open: cannot open "/none": no such file or directory`},
		{"xdg-open", "javascript:x", paths, socket, 4, "", `cannot open "javascript:x": javascript links make another program run`},
		{"xdg-open", "http://x", paths, dir + "/none", 3, "", "xdg-open: hint: on the host, install xdg-desktop-portal"},
	} {
		var stdout, stderr strings.Builder
		c := &Command{Name: test.name, Args: strings.Fields(test.args), Version: "1.2", Stdout: &stdout, Stderr: &stderr,
			Caller: &session.Caller{UID: os.Getuid(), Hostname: "host", Host: "/", Listeners: session.LazyListeners(), Env: session.Environ{"DESKTOP_STARTUP_ID=tok"}}}
		status := c.run(test.paths, test.socket)
		if status != test.status || !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.stderr) ||
			(test.stdout == "") != (stdout.Len() == 0) || (test.stderr == "") != (stderr.Len() == 0) {
			t.Errorf("%s %s: status %d, %q, %q\nwant %d, %q, %q", test.name, test.args, status, stdout.String(), stderr.String(), test.status, test.stdout, test.stderr)
		}
	}
	checkLog(t, log, "tok|tok|http://x/1\ntok|tok|http://x/2\ntok|tok|http://x/3")
}

// The part of a file URI after the path reaches the host's opener, and is reported
// as lost where the portal accepts only files.
func TestPart(t *testing.T) {
	socket, log := serve(t, os.Getuid(), map[string]string{"xdg-open": record})
	file := filepath.Join(filepath.Dir(socket), "a b%é.html")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := Parse("file://"+strings.ReplaceAll(strings.ReplaceAll(file, "%", "%25"), " ", "%20")+"?q=1 2#part é", "host")
	if err != nil || target.Part != "?q=1%202#part%20%C3%A9" {
		t.Fatalf("%+v, %v", target, err)
	}
	if err := newTestClient(socket).Open(target); err != nil {
		t.Error(err)
	}
	checkLog(t, log, "tok|tok|file://"+filepath.Dir(file)+"/a%20b%25%C3%A9.html?q=1%202#part%20%C3%A9")
	for _, part := range []string{"x", "#a\nb", "#a b", "#\x1b", "/../x"} {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		if answer := sendRaw(t, socket, "file\x00"+file+"\x00\x00"+part+"\x00", int(f.Fd())); answer == "" || answer[0] != 1 {
			t.Errorf("%q: %q", part, answer)
		}
		f.Close()
	}

	bus, _ := startBus(t)
	startPortal(t, bus).expect(uint32(0), nil, nil)
	var note string
	c := &Client{Bus: bus, Paths: session.PathMap{{"/", "/"}}, Note: func(text string) { note = text }}
	if err := c.Open(target); err != nil || !strings.Contains(note, `without "?q=1%202#part`) {
		t.Errorf("%v, %q", err, note)
	}
}

// No request makes the server panic, keep a descriptor, or give the opener anything
// but one word that it does not take for an option.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{"uri\x00http://x\x00tok\x00\x00", "file\x00/etc/passwd\x00\x00#x\x00", "uri\x00ssh://-o\x00a\nb\x00\x00", "\x00\x00\x00\x00", "uri"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Skip(err)
		}
		if len(data) > 64<<10 {
			data = data[:64<<10] // fits into the socket
		}
		unix.Write(pair[0], data)
		unix.Close(pair[0])
		server := os.NewFile(uintptr(pair[1]), "server")
		defer server.Close()
		conn, err := server.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		r, err := receiveRequest(conn)
		if err != nil {
			return
		}
		what, err := r.check()
		if err == nil && (what == "" || what[0] == '-' || strings.Contains(what, "\x00") || checkToken(r.token) != r.token) {
			t.Errorf("%q becomes %q", data, what)
		}
	})
}
