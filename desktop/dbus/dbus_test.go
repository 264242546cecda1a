package dbus

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

// bus starts a real bus and says where.
func bus(t *testing.T) unix.Sockaddr {
	at := filepath.Join(t.TempDir(), "bus")
	c := exec.Command("dbus-daemon", "--session", "--nofork", "--address=unix:path="+at, "--print-address")
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	out.Read(make([]byte, 100)) // it listens
	return &unix.SockaddrUnix{Name: at}
}

const daemon, path = "org.freedesktop.DBus", "/org/freedesktop/DBus"

func TestBus(t *testing.T) {
	c, err := Dial(bus(t), os.Getuid(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Bus()
	name := Call{Dest: daemon, Path: path, Iface: daemon, Member: "RequestName", Sig: "su"}
	name.Body.String("org.example.Test")
	name.Body.Uint32(0)
	first, _ := c.Send(&name)
	owner := Call{Dest: daemon, Path: path, Iface: daemon, Member: "GetConnectionUnixProcessID", Sig: "s"}
	owner.Body.String("org.example.Test")
	second, _ := c.Send(&owner)
	// In any order: the other is kept.
	m, err := c.Reply(second)
	if pid := m.Uint32(); err != nil || int(pid) != os.Getpid() {
		t.Error(pid, err)
	}
	if m, err := c.Reply(first); err != nil || m.Uint32() != 1 {
		t.Error(m, err)
	}
	m, err = c.Wait(func(m *Message) bool { return m.Member == "NameAcquired" && m.Sig == "s" })
	if s := m.String(); err != nil || m.Sender != daemon || !strings.HasPrefix(s, ":1.") {
		t.Error(m, s, err)
	}
	var refused *Error
	if _, err := c.Call(&Call{Dest: daemon, Path: path, Iface: daemon, Member: "Nonsense"}); !errors.As(err, &refused) || refused.Name != "org.freedesktop.DBus.Error.UnknownMethod" || refused.Text == "" {
		t.Error(err)
	}
	c.end = time.Now().Add(20 * time.Millisecond)
	if _, err := c.Wait(func(*Message) bool { return false }); err != unix.ETIMEDOUT {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	c, err := Dial(bus(t), 54321, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	hello := c.Bus()
	if _, err := c.Reply(hello); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	if _, err := Dial(&unix.SockaddrUnix{Name: "/nonexistent"}, 0, time.Second); err == nil {
		t.Error("connected to nothing")
	}
}

// A server may say anything: nothing hangs, and nothing large is kept.
func TestHostile(t *testing.T) {
	for _, says := range []string{"", "REJECTED\r\n", strings.Repeat("x", 100000), "OK x\r\nAGREE_UNIX_FD\r\n" + strings.Repeat("\xff", 64),
		"OK x\r\nAGREE_UNIX_FD\r\nl\x02\x00\x01\xff\xff\xff\xff\x01\x00\x00\x00\xff\xff\xff\xff", "OK x\r\nERROR\r\n"} {
		at := filepath.Join(t.TempDir(), "s")
		l, _ := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		defer unix.Close(l)
		if err := errors.Join(unix.Bind(l, &unix.SockaddrUnix{Name: at}), unix.Listen(l, 1)); err != nil {
			t.Fatal(err)
		}
		go func() {
			fd, _, err := unix.Accept(l)
			if err == nil {
				unix.Write(fd, []byte(says))
				unix.Shutdown(fd, unix.SHUT_WR)
			}
		}()
		c, err := Dial(&unix.SockaddrUnix{Name: at}, 0, 5*time.Second)
		if err == nil {
			_, err = c.Call(&Call{Path: path, Iface: daemon, Member: "x"})
			c.Close()
		}
		if err == nil || err == unix.ETIMEDOUT {
			t.Errorf("%.40q: %v", says, err)
		}
	}
}

func FuzzMessage(f *testing.F) {
	call := Call{Dest: daemon, Path: path, Iface: daemon, Member: "x", Sig: "su"}
	call.Body.String("a")
	call.Body.Uint32(7)
	f.Add(call.marshal(1))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 16 {
			return
		}
		n, err := size(data)
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
