package dbus

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// startBuses starts a message bus on a path and one on an abstract name.
func startBuses(t *testing.T) (sockets []string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "a bus")
	for _, kind := range []string{"path", "abstract"} {
		c := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address", "--address=unix:"+kind+"="+dbus.EscapeBusAddressValue(socket))
		out, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Process.Kill(); c.Wait() })
		out.Read(make([]byte, 100)) // it prints its address when it listens
	}
	return []string{socket, "@" + socket}
}

func timeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// connectors are both ways to connect.
var connectors = map[string]func(context.Context, string) (*Conn, error){"Connect": Connect, "ConnectForFiles": ConnectForFiles}

func TestConnect(t *testing.T) {
	sockets := startBuses(t)
	for name, connect := range connectors {
		for _, socket := range sockets {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			c, err := connect(ctx, socket)
			cancel() // which must not end the connection
			if err != nil {
				t.Fatal(name, socket, err)
			}
			defer c.Close()
			var pid uint32
			if err := c.BusObject().Call("org.freedesktop.DBus.GetConnectionUnixProcessID", 0, c.Names()[0]).Store(&pid); err != nil || int(pid) != os.Getpid() {
				t.Error(name, socket, pid, err)
			}
			var answer Error
			if err := c.BusObject().Call("org.freedesktop.DBus.Nonsense", 0).Err; !errors.As(err, &answer) || answer.Name != "org.freedesktop.DBus.Error.UnknownMethod" {
				t.Error(name, socket, err)
			}
		}
	}
	if _, err := Connect(t.Context(), "/nonexistent"); err == nil {
		t.Error("connected to a socket that does not exist")
	}
}

// fakeBus listens and answers each client with serve.
func fakeBus(t *testing.T, serve func(*net.UnixConn)) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "bus")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	}()
	return socket
}

// serveAuth answers the authentication as a bus does.
func serveAuth(c *net.UnixConn) *bufio.Reader {
	in := bufio.NewReader(c)
	in.ReadByte()
	for {
		line, err := in.ReadString('\n')
		switch line = strings.TrimSpace(line); {
		case err != nil || line == "BEGIN":
			return in
		case line == "AUTH":
			io.WriteString(c, "REJECTED EXTERNAL\r\n")
		case line == "AUTH EXTERNAL":
			io.WriteString(c, "DATA\r\n")
		case line == "NEGOTIATE_UNIX_FD":
			io.WriteString(c, "AGREE_UNIX_FD\r\n")
		default:
			io.WriteString(c, "OK 1234\r\n")
		}
	}
}

// send writes a message to a client of a fake bus.
func send(c io.Writer, kind dbus.Type, headers map[dbus.HeaderField]any, body ...any) {
	m := &dbus.Message{Type: kind, Headers: map[dbus.HeaderField]dbus.Variant{}, Body: body}
	for k, v := range headers {
		m.Headers[k] = dbus.MakeVariant(v)
	}
	if len(body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	var b strings.Builder
	if err := m.EncodeTo(&b, binary.LittleEndian); err != nil {
		panic(err)
	}
	io.WriteString(c, b.String())
}

// serveHello answers the authentication and Hello.
func serveHello(c *net.UnixConn) *bufio.Reader {
	in := serveAuth(c)
	if _, err := dbus.DecodeMessage(in); err == nil {
		send(c, dbus.TypeMethodReply, map[dbus.HeaderField]any{dbus.FieldReplySerial: uint32(1)}, ":1.1")
	}
	return in
}

// Whatever a server sends, connecting ends with an error, before the limit.
func TestHostile(t *testing.T) {
	for name, connect := range connectors {
		for _, data := range []string{"", "REJECTED\r\n", "REJECTED EXTERNAL\r\nREJECTED\r\n", "ERROR\r\n", "\r\n\r\n\r\n", strings.Repeat("x", 100000),
			"REJECTED EXTERNAL\r\nOK x\r\n" + strings.Repeat("\xff", 64), "REJECTED EXTERNAL\r\nOK x\r\nAGREE_UNIX_FD\r\n" + strings.Repeat("\xff", 64)} {
			socket := fakeBus(t, func(c *net.UnixConn) {
				io.WriteString(c, data)
				c.CloseWrite()
				io.Copy(io.Discard, c)
			})
			if _, err := connect(timeout(t, 20*time.Second), socket); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %.40q: %v", name, data, err)
			}
		}
	}
}

// The same after the authentication.
func TestHostileMessages(t *testing.T) {
	garbage := "l\x02\x00\x01\xff\xff\xff\xff\x01\x00\x00\x00\xff\xff\xff\xff"
	path := map[dbus.HeaderField]any{dbus.FieldPath: ObjectPath("/"), dbus.FieldInterface: "org.freedesktop.DBus", dbus.FieldMember: "NameAcquired", dbus.FieldSender: "org.freedesktop.DBus"}
	for name, connect := range connectors {
		for what, serve := range map[string]func(*net.UnixConn){
			"garbage":                func(c *net.UnixConn) { serveAuth(c); io.WriteString(c, garbage) },
			"garbage after Hello":    func(c *net.UnixConn) { serveHello(c); io.WriteString(c, garbage) },
			"names without a name":   func(c *net.UnixConn) { serveHello(c); send(c, dbus.TypeSignal, path) },
			"names that are numbers": func(c *net.UnixConn) { serveHello(c); send(c, dbus.TypeSignal, path, uint32(1)) },
			"a call":                 func(c *net.UnixConn) { serveHello(c); send(c, dbus.TypeMethodCall, path) },
		} {
			socket := fakeBus(t, serve)
			c, err := connect(timeout(t, 20*time.Second), socket)
			if err == nil {
				err = c.BusObject().CallWithContext(timeout(t, 20*time.Second), "org.freedesktop.DBus.GetId", 0).Err
				c.Close()
			}
			if err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
}

// A server that sends without end is not read without end.
func TestEndless(t *testing.T) {
	for what, begin := range map[string]string{
		"a line":    "",
		"a message": "REJECTED EXTERNAL\r\nOK x\r\nl\x02\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\xf0\xff\xff\xff",
	} {
		sent := make(chan int64, 1)
		socket := fakeBus(t, func(c *net.UnixConn) {
			io.WriteString(c, begin)
			n, _ := io.Copy(c, zeroes{})
			sent <- n
		})
		if _, err := Connect(timeout(t, 20*time.Second), socket); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
		if n := <-sent; n > 2*maxReceived {
			t.Errorf("%s: the server could send %d bytes", what, n)
		}
	}
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A server that does not answer costs no more than the limit.
func TestStalled(t *testing.T) {
	const limit = 50 * time.Millisecond
	for name, connect := range connectors {
		for what, serve := range map[string]func(*net.UnixConn){
			"authentication": func(c *net.UnixConn) { io.Copy(io.Discard, c) },
			"Hello":          func(c *net.UnixConn) { io.Copy(io.Discard, serveAuth(c)) },
		} {
			begin := time.Now()
			_, err := connect(timeout(t, limit), fakeBus(t, serve))
			if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > limit+5*time.Second {
				t.Errorf("%s: %s: %v after %v", name, what, err, took)
			}
		}
	}
}

// A full queue is waited for.
func TestFullQueue(t *testing.T) {
	for name, connect := range connectors {
		socket := filepath.Join(t.TempDir(), "bus")
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		raw, _ := l.SyscallConn()
		raw.Control(func(fd uintptr) { unix.Listen(int(fd), 0) })
		first, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := connect(timeout(t, 30*time.Millisecond), socket); !errors.Is(err, unix.EAGAIN) {
			t.Errorf("%s: %v", name, err)
		}
		go func() {
			time.Sleep(50 * time.Millisecond)
			for range 2 {
				if c, err := l.AcceptUnix(); err == nil {
					go func() { io.Copy(io.Discard, serveHello(c)) }()
				}
			}
		}()
		if c, err := connect(timeout(t, 20*time.Second), socket); err != nil {
			t.Errorf("%s: %v", name, err)
		} else {
			c.Close()
		}
		first.Close()
	}
}

// A program whose user namespace shows another uid is accepted.
func TestOtherUID(t *testing.T) {
	for _, socket := range startBuses(t) {
		for name := range connectors {
			c := exec.Command("/proc/self/exe")
			c.Env = append(headless.CoverEnv(t), connectVariable+"="+name+" "+socket)
			c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: 4242, HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: 4242, HostID: os.Getgid(), Size: 1}}}
			if out, err := c.CombinedOutput(); errors.Is(err, unix.EPERM) {
				headless.Must(t, "userns", err)
			} else if err != nil || string(out) != "uid 4242" {
				t.Errorf("%s %s: %v: %s", name, socket, err, out)
			}
		}
	}
}

// connectVariable makes the test binary connect to a bus and print its uid: the
// name of a connector and the socket.
const connectVariable = "CHRUN_TEST_CONNECT"

func TestMain(m *testing.M) {
	name, socket, ok := strings.Cut(os.Getenv(connectVariable), " ")
	if !ok {
		os.Exit(m.Run())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := connectors[name](ctx, socket); err != nil {
		fmt.Print(err)
		os.Exit(1)
	}
	fmt.Print("uid ", os.Getuid())
}
