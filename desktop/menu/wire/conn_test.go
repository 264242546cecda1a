package wire

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startBus starts a message bus and returns its socket.
func startBus(t *testing.T) string {
	socket := filepath.Join(t.TempDir(), "bus")
	c := exec.Command("dbus-daemon", "--session", "--nofork", "--address=unix:path="+socket, "--print-address")
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	out.Read(make([]byte, 100)) // it prints its address when it listens
	return socket
}

const daemon, path = "org.freedesktop.DBus", "/org/freedesktop/DBus"

func TestBus(t *testing.T) {
	c, err := Dial(startBus(t), os.Getuid(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Hello()
	name := Call{Dest: daemon, Path: path, Interface: daemon, Member: "RequestName", Signature: "su"}
	name.Body.String("org.example.Test")
	name.Body.Uint32(0)
	first, _ := c.Send(&name)
	owner := Call{Dest: daemon, Path: path, Interface: daemon, Member: "GetConnectionUnixProcessID", Signature: "s"}
	owner.Body.String("org.example.Test")
	second, _ := c.Send(&owner)
	// Waiting for the second answer keeps the first.
	m, err := c.Reply(second)
	if pid := m.Uint32(); err != nil || int(pid) != os.Getpid() {
		t.Error(pid, err)
	}
	if m, err := c.Reply(first); err != nil || m.Uint32() != 1 {
		t.Error(m, err)
	}
	m, err = c.Wait(func(m *Message) bool { return m.Member == "NameAcquired" && m.Signature == "s" })
	if s := m.String(); err != nil || m.Sender != daemon || !strings.HasPrefix(s, ":1.") {
		t.Error(m, s, err)
	}
	unknown, _ := c.Send(&Call{Dest: daemon, Path: path, Interface: daemon, Member: "Nonsense"})
	var answer *Error
	if _, err := c.Reply(unknown); !errors.As(err, &answer) || answer.Name != "org.freedesktop.DBus.Error.UnknownMethod" || answer.Text == "" {
		t.Error(err)
	}
	c.deadline = time.Now().Add(20 * time.Millisecond)
	if _, err := c.Wait(func(*Message) bool { return false }); err != unix.ETIMEDOUT {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	c, err := Dial(startBus(t), 54321, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Hello()
	if _, err := c.Reply(1); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	if _, err := Dial("/nonexistent", 0, time.Second); err == nil {
		t.Error("connected to a socket that does not exist")
	}
}

// listen returns the path of a listening socket and its descriptor.
func listen(t *testing.T, backlog int) (socket string, fd int) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: socket}), unix.Listen(fd, backlog))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return socket, fd
}

// A server may send anything: nothing waits for it, and nothing large is kept.
func TestHostile(t *testing.T) {
	for _, data := range []string{"", "REJECTED\r\n", strings.Repeat("x", 100000), "OK x\r\n" + strings.Repeat("\xff", 64),
		"OK x\r\nl\x02\x00\x01\xff\xff\xff\xff\x01\x00\x00\x00\xff\xff\xff\xff", "ERROR\r\n"} {
		socket, l := listen(t, 1)
		go func() {
			fd, _, err := unix.Accept(l)
			if err == nil {
				unix.Write(fd, []byte(data))
				unix.Shutdown(fd, unix.SHUT_WR)
			}
		}()
		c, err := Dial(socket, 0, 5*time.Second)
		if err == nil {
			var serial uint32
			if serial, err = c.Send(&Call{Path: path, Interface: daemon, Member: "x"}); err == nil {
				_, err = c.Reply(serial)
			}
			c.Close()
		}
		if err == nil || err == unix.ETIMEDOUT {
			t.Errorf("%.40q: %v", data, err)
		}
	}
}

// A server that accepts nobody, or does not answer, costs no more than the limit.
func TestStalled(t *testing.T) {
	const limit = 50 * time.Millisecond
	socket, _ := listen(t, 0)
	for _, step := range []string{"no answer", "full queue"} {
		begin := time.Now()
		c, err := Dial(socket, 0, limit)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			_, err = c.Reply(1)
		}
		if took := time.Since(begin); err == nil || took < limit || took > limit+5*time.Second {
			t.Errorf("%s: %v after %v", step, err, took)
		}
	}
}

func FuzzMessage(f *testing.F) {
	call := Call{Dest: daemon, Path: path, Interface: daemon, Member: "x", Signature: "su"}
	call.Body.String("a")
	call.Body.Uint32(7)
	f.Add(call.marshal(1))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < headerSize {
			return
		}
		n, err := messageSize(data)
		if err != nil || n > len(data) {
			return
		}
		m, err := parse(data[:n])
		if err != nil {
			return
		}
		_ = m.String()
		m.Uint32()
		m.signature()
	})
}
