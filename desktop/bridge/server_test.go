package bridge

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
	"chrun/session"
)

// serve starts a server on a host with these scripts as its programs. It returns
// the socket and the file that the scripts may write to.
func serve(t *testing.T, peer int, programs map[string]string) (socket, log string) {
	t.Helper()
	dir := t.TempDir()
	socket, log = filepath.Join(dir, "socket"), filepath.Join(dir, "log")
	for name, script := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nPATH=/usr/bin:/bin\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: socket}), unix.Listen(fd, 128))
	}
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan error)
	s := &Server{Listener: fd, Peer: peer, Env: session.Environ{"PATH=relative:" + dir, "LOG=" + log, "XDG_ACTIVATION_TOKEN=stale", "DESKTOP_STARTUP_ID=stale"}}
	go func() { done <- s.Serve(stop) }()
	t.Cleanup(func() {
		close(stop)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return socket, log
}

// newTestClient returns a client of a launch whose paths are those of the host.
func newTestClient(socket string) *Client {
	return &Client{Socket: socket, Paths: session.PathMap{{"/", "/"}}, Token: "tok"}
}

const record = `echo "$XDG_ACTIVATION_TOKEN|$DESKTOP_STARTUP_ID|$*" >>"$LOG"
`

func checkLog(t *testing.T, log, want string) {
	t.Helper()
	if got, _ := os.ReadFile(log); strings.TrimSpace(string(got)) != want {
		t.Errorf("opened %q, want %q", got, want)
	}
}

func TestServer(t *testing.T) {
	socket, log := serve(t, os.Getuid(), map[string]string{"xdg-open": record})
	file := filepath.Join(filepath.Dir(socket), "a b\n%é")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := newTestClient(socket)
	if err := c.Open(Target{URI: "http://x/%20"}); err != nil {
		t.Error(err)
	}
	c.Token = ""
	if err := c.Open(Target{Path: file}); err != nil {
		t.Error(err)
	}
	checkLog(t, log, "tok|tok|http://x/%20\n||"+file)
}

// The opener's failure is returned with its output, whose size is limited. Nobody
// waits for the programs that it leaves behind.
func TestServerOpener(t *testing.T) {
	for _, c := range []struct{ program, script, want string }{
		{"xdg-open", "echo no such program >&2; exit 3", "the host's xdg-open: exit status 3: no such program"},
		{"gio", `[ "$1" = open ] || exit 9; echo mine; exit 2`, "the host's gio: exit status 2: mine"},
		{"other", "", "neither a portal nor xdg-open"},
		{"xdg-open", "head -c 1000000 /dev/zero | tr '\\0' x >&2 2>/dev/null; exit 1", "exit status 1: xxx"},
		{"xdg-open", "kill -9 $$", "killed"},
		{"xdg-open", "sleep 60 & echo $! >>\"$LOG\"", ""},
	} {
		socket, log := serve(t, os.Getuid(), map[string]string{c.program: c.script})
		begin := time.Now()
		err := newTestClient(socket).Open(Target{URI: "http://x"})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %.200v, want %q", c.script, err, c.want)
		}
		if err != nil && len(err.Error()) > maxOutput+500 || time.Since(begin) > 30*time.Second {
			t.Errorf("%s: %d bytes after %v", c.script, len(err.Error()), time.Since(begin))
		}
		if pid := 0; c.want == "" {
			data, _ := os.ReadFile(log)
			if fmt.Sscan(string(data), &pid); pid > 1 {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// sendRaw sends bytes and descriptors as they are and returns the answer.
func sendRaw(t *testing.T, socket, data string, fds ...int) string {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	first := data[:min(len(data), 1000)]
	if _, _, err := conn.WriteMsgUnix([]byte(first), rights, nil); err == nil {
		conn.Write([]byte(data[len(first):])) // the server may refuse to read it
	}
	conn.CloseWrite()
	answer := make([]byte, 4096)
	n, _ := conn.Read(answer)
	return string(answer[:n])
}

// Requests that our client would never send open nothing.
func TestServerHostile(t *testing.T) {
	socket, log := serve(t, os.Getuid(), map[string]string{"xdg-open": record})
	dir := filepath.Dir(socket)
	file, other, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "other"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.WriteFile(other, nil, 0o600), unix.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	open := func(p string) int {
		fd, err := unix.Open(p, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	before := descriptors(t)
	for _, c := range []struct {
		what, data string
		fds        []int
	}{
		{"a path to another file than the descriptor", "file\x00" + other + "\x00\x00\x00", []int{open(file)}},
		{"a file without a descriptor", "file\x00" + file + "\x00\x00\x00", nil},
		{"a relative path", "file\x00file\x00\x00\x00", []int{open(file)}},
		{"a FIFO", "file\x00" + fifo + "\x00\x00\x00", []int{open(fifo)}},
		{"a file as a link", "uri\x00file://" + file + "\x00\x00\x00", []int{open(file)}},
		{"a file as a link, in capitals", "uri\x00FILE:" + file + "\x00\x00\x00", nil},
		{"a script", "uri\x00javascript:x\x00\x00\x00", nil},
		{"an option", "uri\x00--help\x00\x00\x00", nil},
		{"a path as a link", "uri\x00" + file + "\x00\x00\x00", nil},
		{"nothing", "", nil},
		{"half a request", "uri\x00http://x", nil},
		{"an unknown kind", "run\x00http://x\x00\x00\x00", nil},
		{"a megabyte", "uri\x00http://" + strings.Repeat("x", 1<<20) + "\x00\x00\x00", nil},
		{"a megabyte without an end", strings.Repeat("x", 1<<20), nil},
		{"many descriptors", "file\x00" + other + "\x00\x00\x00", []int{open(file), open(file), open(file), open(file)}},
	} {
		if answer := sendRaw(t, socket, c.data, c.fds...); answer != "" && answer[0] == 0 {
			t.Errorf("%s was opened", c.what)
		}
	}
	checkLog(t, log, "")
	// A symlink that was replaced after the client opened it.
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	fd := open(link)
	if err := errors.Join(os.Remove(link), os.Symlink(other, link)); err != nil {
		t.Fatal(err)
	}
	if answer := sendRaw(t, socket, "file\x00"+link+"\x00\x00\x00", fd); answer == "" || answer[0] != 1 {
		t.Errorf("a replaced symlink: %q", answer)
	}
	checkLog(t, log, "")
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if now := descriptors(t); now <= before+9 { // 9 are from open
			break
		} else if time.Now().After(end) {
			t.Fatalf("%d descriptors, before %d", now, before)
		}
	}
}

func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Clients that send nothing, and an opener that does not end, delay nobody.
func TestServerHanging(t *testing.T) {
	socket, log := serve(t, os.Getuid(), map[string]string{"xdg-open": record + `case $1 in *slow) exec sleep 60 >&- 2>&-;; esac`})
	for range maxReading - 1 {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	go newTestClient(socket).Open(Target{URI: "http://x/slow"})
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if data, _ := os.ReadFile(log); len(data) > 0 {
			break
		} else if time.Now().After(end) {
			t.Fatal("the slow opener does not start")
		}
	}
	begin := time.Now()
	if err := newTestClient(socket).Open(Target{URI: "http://x/quick"}); err != nil || time.Since(begin) > ioTime/2 {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

// Other users are not served.
func TestServerPeer(t *testing.T) {
	headless.Root(t)
	socket, log := serve(t, 4242, map[string]string{"xdg-open": record})
	if err := errors.Join(os.Chmod(filepath.Dir(socket), 0o755), os.Chmod(filepath.Dir(filepath.Dir(socket)), 0o755), os.Chmod(socket, 0o666)); err != nil {
		t.Fatal(err)
	}
	if answer := sendRaw(t, socket, "uri\x00http://x\x00\x00\x00"); answer != "" { // as root
		t.Errorf("root is served: %q", answer)
	}
	checkLog(t, log, "")
}
