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

// testTime is how long a test waits for what must happen.
const testTime = 20 * time.Second

// waitFor fails the test unless f becomes true.
func waitFor(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(testTime); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out: %s", what)
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

// fixture is a relay in this process, and its server.
type fixture struct {
	bus  *net.UnixListener
	path string // where the relay listens
	stop func() // makes Serve return
}

func start(t testing.TB, r Relay) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{path: filepath.Join(dir, "relay")}
	name := filepath.Join(dir, "bus")
	if r.Inside != r.Outside { // test both kinds of address
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
		case <-time.After(testTime):
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
	return closeAtEnd(t, c)
}

// pair returns both ends of a relayed connection.
func (f *fixture) pair(t testing.TB) (client, bus *net.UnixConn) {
	t.Helper()
	client = f.dial(t)
	f.bus.SetDeadline(time.Now().Add(testTime))
	bus, err := f.bus.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	return client, closeAtEnd(t, bus)
}

// closeAtEnd closes c when the test ends, and limits its use.
func closeAtEnd(t testing.TB, c *net.UnixConn) *net.UnixConn {
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(2 * testTime))
	return c
}

func send(t testing.TB, c io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func receive(t testing.TB, c io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); string(got) != want {
		t.Fatalf("received %q, %v; want %q", got[:n], err, want)
	}
}

// checkClosed checks that the other side has disconnected.
func checkClosed(t testing.TB, c net.Conn) {
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
	send(t, client, "question")
	client.CloseWrite()
	receive(t, bus, "question")
	checkClosed(t, bus)
	go func() {
		io.WriteString(bus, strings.Repeat("answer", 100000))
		bus.CloseWrite()
	}()
	receive(t, client, strings.Repeat("answer", 100000))
	checkClosed(t, client)
}

// A client that has stopped reading can still write.
func TestHalfCloseRead(t *testing.T) {
	client, bus := start(t, plain).pair(t)
	client.CloseRead()
	waitFor(t, "the bus gets an error", func() bool {
		_, err := bus.Write(make([]byte, 1000))
		return err != nil
	})
	send(t, client, "still here")
	receive(t, bus, "still here")
	client.Close()
	checkClosed(t, bus)
}

// When one side disconnects, half-closed or not, the other is disconnected at once.
func TestDisconnect(t *testing.T) {
	f := start(t, mapped)
	for _, half := range []bool{false, true} {
		client, bus := f.pair(t)
		if half {
			client.CloseWrite()
			checkClosed(t, bus)
		}
		client.Close()
		waitFor(t, "EPIPE", func() bool { _, err := bus.Write([]byte("x")); return err != nil })
	}
	client, bus := f.pair(t)
	send(t, bus, "REJECTED")
	bus.Close()
	receive(t, client, "REJECTED")
	checkClosed(t, client)
	waitFor(t, "EPIPE", func() bool { _, err := client.Write([]byte("x")); return err != nil })
}

func TestMidLine(t *testing.T) {
	client, bus := start(t, mapped).pair(t)
	send(t, client, nul+"AUTH EXTERNAL 313")
	client.Close()
	all, err := io.ReadAll(bus)
	if string(all) != nul+"AUTH EXTERNAL 313" || err != nil {
		t.Errorf("the bus got %q, %v", all, err)
	}
}

func TestEndlessLine(t *testing.T) {
	client, bus := start(t, mapped).pair(t)
	client.Write([]byte(nul + strings.Repeat("x", 2*maxLine)))
	receive(t, bus, nul)
	checkClosed(t, bus)
	checkClosed(t, client)
}

func TestByteByByte(t *testing.T) {
	client, bus := start(t, mapped).pair(t)
	for _, b := range []byte(nul + "AUTH EXTERNAL 31303030\r\nBEGIN\r\nAUTH EXTERNAL 31303030\r\n") {
		send(t, client, string(b))
	}
	receive(t, bus, nul+"AUTH EXTERNAL 31353030\r\nBEGIN\r\nAUTH EXTERNAL 31303030\r\n")
}

// A client with another uid is disconnected before the bus is dialled.
func TestPeer(t *testing.T) {
	f := start(t, Relay{Peer: os.Getuid() + 1})
	checkClosed(t, f.dial(t))
	f.bus.SetDeadline(time.Now()) // a connection in its queue would still be accepted
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
		t.Errorf("a socket that is not listening: %v", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("the socket is still open: %v", err)
	}
}

func TestNoBus(t *testing.T) {
	f := start(t, plain)
	f.bus.Close()
	checkClosed(t, f.dial(t))
}

// A reader that does not read blocks only its own writer.
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
		t.Errorf("%d bytes were written to a bus that reads nothing", sent)
	}
	client, bus := f.pair(t)
	send(t, client, "hello")
	receive(t, bus, "hello")
}

// Clients wait while the server does not accept, and Serve can still return.
func TestQueueFull(t *testing.T) {
	f := start(t, plain)
	raw, _ := f.bus.SyscallConn()
	raw.Control(func(fd uintptr) { unix.Listen(int(fd), 0) })
	var clients []*net.UnixConn
	for range 5 {
		c := f.dial(t)
		send(t, c, "hello")
		clients = append(clients, c)
	}
	for range clients[1:] {
		bus, err := f.bus.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		receive(t, closeAtEnd(t, bus), "hello")
	}
	f.dial(t)
	f.stop()
	for _, c := range clients {
		checkClosed(t, c)
	}
}

func TestCleanup(t *testing.T) {
	files, routines := descriptors(t), runtime.NumGoroutine()
	f := start(t, mapped)
	before := descriptors(t)
	for i := range 1000 {
		client, bus := f.pair(t)
		send(t, client, nul+"BEGIN\r\n")
		receive(t, bus, nul+"BEGIN\r\n")
		if i%2 == 0 {
			client.Close()
			checkClosed(t, bus)
			bus.Close()
		} else {
			bus.Close()
			checkClosed(t, client)
			client.Close()
		}
	}
	waitFor(t, "no more descriptors than before", func() bool { return descriptors(t) <= before })
	client, bus := f.pair(t)
	rights := unix.UnixRights(1, 2)
	if _, _, err := client.WriteMsgUnix([]byte(nul+"AUTH"), rights, nil); err != nil { // the relay keeps this
		t.Fatal(err)
	}
	f.stop()
	checkClosed(t, client)
	waitFor(t, "the bus is disconnected", func() bool { _, err := bus.Write([]byte("x")); return err != nil })
	client.Close()
	bus.Close()
	f.bus.Close()
	if n := descriptors(t); n > files+1 { // the test has the relay's listener
		t.Errorf("%d descriptors, %d before", n, files)
	}
	waitFor(t, "no more goroutines than before", func() bool { return runtime.NumGoroutine() <= routines })
}

// When no descriptors are left, clients wait and the relay uses no processor time.
func TestNoDescriptors(t *testing.T) {
	f := start(t, plain)
	waiting, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	client := closeAtEnd(t, newConn(t, waiting))
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
	time.Sleep(300 * time.Millisecond) // it should be idle
	if used = cpu() - used; used > 100*time.Millisecond {
		t.Errorf("it used %v of processor time", used)
	}
	restore()
	f.bus.SetDeadline(time.Now().Add(testTime))
	bus, err := f.bus.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	send(t, client, "hello")
	receive(t, closeAtEnd(t, bus), "hello")

	// A descriptor that cannot be received ends its connection.
	unix.Setrlimit(unix.RLIMIT_NOFILE, &none)
	if _, _, err := client.WriteMsgUnix([]byte("lost"), unix.UnixRights(1), nil); err != nil {
		t.Fatal(err)
	}
	checkClosed(t, bus)
}

func cpu() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(unix.TimevalToNsec(u.Utime) + unix.TimevalToNsec(u.Stime))
}

// newConn makes a connection from a socket.
func newConn(t testing.TB, fd int) *net.UnixConn {
	t.Helper()
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.UnixConn)
}
