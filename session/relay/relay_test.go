package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long something may take that must happen.
const patience = 20 * time.Second

// until fails the test unless what must happen does.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func listen(t testing.TB, path string) (l *net.UnixListener, fd int) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	raw, _ := l.SyscallConn()
	raw.Control(func(l uintptr) { fd, err = unix.FcntlInt(l, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return l, fd
}

// fixture is a relay in this process, and the listener that it dials.
type fixture struct {
	bus  *net.UnixListener
	path string // where the relay listens
	stop func() // ends Serve, and waits until it has returned
}

func start(t testing.TB, r Relay) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{path: filepath.Join(dir, "relay")}
	name := filepath.Join(dir, "bus")
	if r.Inside != r.Outside { // both kinds of address, in turn
		name = "@" + name
	}
	var fd int
	f.bus, fd = listen(t, name)
	unix.Close(fd)
	_, r.Listener = listen(t, f.path)
	r.Bus = name
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- r.Serve(stop) }()
	stopped := false
	f.stop = func() {
		if stopped {
			return
		}
		stopped = true
		close(stop)
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("Serve does not end")
		}
	}
	t.Cleanup(f.stop)
	return f
}

func (f *fixture) dial(t testing.TB) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: f.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	return closing(t, c)
}

// pair returns both ends of a relayed connection.
func (f *fixture) pair(t testing.TB) (client, bus *net.UnixConn) {
	t.Helper()
	client = f.dial(t)
	f.bus.SetDeadline(time.Now().Add(patience))
	bus, err := f.bus.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	return client, closing(t, bus)
}

func closing(t testing.TB, c *net.UnixConn) *net.UnixConn {
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(2 * patience))
	return c
}

func say(t testing.TB, c io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t testing.TB, c io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); string(got) != want {
		t.Fatalf("%q came, %v; want %q", got[:n], err, want)
	}
}

// ended asserts that the other side has hung up.
func ended(t testing.TB, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || os.IsTimeout(err) {
		t.Fatalf("still connected: %d, %v", n, err)
	}
}

func descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

var (
	plain  = Relay{Peer: os.Getuid()}
	mapped = Relay{Peer: os.Getuid(), Inside: 1000, Outside: 1500}
)

func TestHalfClose(t *testing.T) {
	client, bus := start(t, plain).pair(t)
	say(t, client, "question")
	client.CloseWrite()
	hear(t, bus, "question")
	ended(t, bus)
	go func() {
		io.WriteString(bus, strings.Repeat("answer", 100000))
		bus.CloseWrite()
	}()
	hear(t, client, strings.Repeat("answer", 100000))
	ended(t, client)
}

// Who reads no more does not stop what it still has to say.
func TestHalfCloseRead(t *testing.T) {
	client, bus := start(t, plain).pair(t)
	client.CloseRead()
	until(t, "the bus is told that nobody reads", func() bool {
		_, err := bus.Write(make([]byte, 1000))
		return err != nil
	})
	say(t, client, "still here")
	hear(t, bus, "still here")
	client.Close()
	ended(t, bus)
}

// A client that has gone is gone at once for the bus too, half-closed or not.
func TestHangUp(t *testing.T) {
	f := start(t, mapped)
	for _, half := range []bool{false, true} {
		client, bus := f.pair(t)
		if half {
			client.CloseWrite()
			ended(t, bus)
		}
		client.Close()
		until(t, "EPIPE", func() bool { _, err := bus.Write([]byte("x")); return err != nil })
	}
	client, bus := f.pair(t)
	say(t, bus, "REJECTED")
	bus.Close()
	hear(t, client, "REJECTED")
	ended(t, client)
	until(t, "EPIPE", func() bool { _, err := client.Write([]byte("x")); return err != nil })
}

func TestMidLine(t *testing.T) {
	client, bus := start(t, mapped).pair(t)
	say(t, client, nul+"AUTH EXTERNAL 313")
	client.Close()
	all, err := io.ReadAll(bus)
	if string(all) != nul+"AUTH EXTERNAL 313" || err != nil {
		t.Errorf("the bus got %q, %v", all, err)
	}
}

func TestEndlessLine(t *testing.T) {
	client, bus := start(t, mapped).pair(t)
	client.Write([]byte(nul + strings.Repeat("x", 2*maxLine)))
	hear(t, bus, nul)
	ended(t, bus)
	ended(t, client)
}

func TestByteByByte(t *testing.T) {
	client, bus := start(t, mapped).pair(t)
	for _, b := range []byte(nul + "AUTH EXTERNAL 31303030\r\nBEGIN\r\nAUTH EXTERNAL 31303030\r\n") {
		say(t, client, string(b))
	}
	hear(t, bus, nul+"AUTH EXTERNAL 31353030\r\nBEGIN\r\nAUTH EXTERNAL 31303030\r\n")
}

// Another uid is hung up on before the bus hears of it.
func TestPeer(t *testing.T) {
	f := start(t, Relay{Peer: os.Getuid() + 1})
	ended(t, f.dial(t))
	f.bus.SetDeadline(time.Now()) // what is in its queue would still be had
	if _, err := f.bus.Accept(); !os.IsTimeout(err) {
		t.Errorf("the bus was dialled: %v", err)
	}
}

func TestNoListener(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := Relay{Listener: fd, Bus: "@nobody"}
	if err := r.Serve(nil); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a socket that does not listen: %v", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("it is still open: %v", err)
	}
}

func TestNoBus(t *testing.T) {
	f := start(t, plain)
	f.bus.Close()
	ended(t, f.dial(t))
}

// A reader that is stuck stops its writer, and nobody else.
func TestStuck(t *testing.T) {
	f := start(t, plain)
	client, _ := f.pair(t)
	sent := 0
	client.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	for {
		n, err := client.Write(make([]byte, 1<<16))
		sent += n
		if err != nil {
			break
		}
	}
	if sent < 1<<16 || sent > 2<<20 {
		t.Errorf("%d bytes went to a bus that reads none", sent)
	}
	client, bus := f.pair(t)
	say(t, client, "hello")
	hear(t, bus, "hello")
}

// A server that does not accept makes its clients wait, and Serve can end.
func TestQueueFull(t *testing.T) {
	f := start(t, plain)
	raw, _ := f.bus.SyscallConn()
	raw.Control(func(fd uintptr) { unix.Listen(int(fd), 0) })
	var clients []*net.UnixConn
	for range 5 {
		c := f.dial(t)
		say(t, c, "hello")
		clients = append(clients, c)
	}
	for range clients[1:] {
		bus, err := f.bus.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		hear(t, closing(t, bus), "hello")
	}
	f.dial(t)
	f.stop()
	for _, c := range clients {
		ended(t, c)
	}
}

func TestNothingIsLeft(t *testing.T) {
	files, routines := descriptors(t), runtime.NumGoroutine()
	f := start(t, mapped)
	before := descriptors(t)
	for i := range 1000 {
		client, bus := f.pair(t)
		say(t, client, nul+"BEGIN\r\n")
		hear(t, bus, nul+"BEGIN\r\n")
		if i%2 == 0 {
			client.Close()
			ended(t, bus)
			bus.Close()
		} else {
			bus.Close()
			ended(t, client)
			client.Close()
		}
	}
	until(t, "as many descriptors as before", func() bool { return descriptors(t) <= before })
	client, bus := f.pair(t)
	rights := unix.UnixRights(1, 2)
	if _, _, err := client.WriteMsgUnix([]byte(nul+"AUTH"), rights, nil); err != nil { // held back
		t.Fatal(err)
	}
	f.stop()
	ended(t, client)
	until(t, "the bus is hung up on", func() bool { _, err := bus.Write([]byte("x")); return err != nil })
	client.Close()
	bus.Close()
	f.bus.Close()
	if n := descriptors(t); n > files+1 { // the listener's own
		t.Errorf("%d descriptors, and there were %d", n, files)
	}
	until(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= routines })
}

// Without descriptors to be had, clients wait, and the processor rests.
func TestNoDescriptors(t *testing.T) {
	f := start(t, plain)
	waiting, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	client := closing(t, adopt(t, waiting))
	var limit unix.Rlimit
	unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	none := limit
	none.Cur = 3
	unix.Setrlimit(unix.RLIMIT_NOFILE, &none)
	restore := func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) }
	defer restore()
	raw, _ := client.SyscallConn()
	raw.Control(func(fd uintptr) { err = unix.Connect(int(fd), &unix.SockaddrUnix{Name: f.path}) })
	if err != nil {
		t.Fatal(err)
	}
	used := cpu()
	time.Sleep(300 * time.Millisecond) // a time to be idle in
	if used = cpu() - used; used > 100*time.Millisecond {
		t.Errorf("it was busy for %v", used)
	}
	restore()
	f.bus.SetDeadline(time.Now().Add(patience))
	bus, err := f.bus.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	say(t, client, "hello")
	hear(t, closing(t, bus), "hello")

	// One descriptor that cannot be received ends its connection.
	unix.Setrlimit(unix.RLIMIT_NOFILE, &none)
	if _, _, err := client.WriteMsgUnix([]byte("lost"), unix.UnixRights(1), nil); err != nil {
		t.Fatal(err)
	}
	ended(t, bus)
}

func cpu() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(unix.TimevalToNsec(u.Utime) + unix.TimevalToNsec(u.Stime))
}

// adopt makes a connection of a socket.
func adopt(t testing.TB, fd int) *net.UnixConn {
	t.Helper()
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.UnixConn)
}
