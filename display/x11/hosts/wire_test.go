package hosts

import (
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
	"chrun/session"
)

// peer is somebody at the other end of a socket who is no good X server.
func peer(t *testing.T, serve func(net.Conn)) x11.Display {
	t.Helper()
	path := filepath.Join(t.TempDir(), "X")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	}()
	return x11.Display{Path: session.HostPath(path), Screen: -1}
}

const accepted = "\x01\x00\x0b\x00\x00\x00\x00\x00"

func TestSetup(t *testing.T) {
	for name, tt := range map[string]struct{ answer, want string }{
		"failed":       {"\x00\x07\x0b\x00\x00\x00\x02\x00go\x1baway!", "refuses us: goaway"},
		"authenticate": {"\x02\x00\x00\x00\x00\x00\x02\x00tickets\x00", "refuses us: tickets"},
		"another":      {"HTTP/1.1\x00\x00", "hung up"},
		"no X":         {"\x09\x00\x00\x00\x00\x00\x00\x00", "no X server"},
		"cut":          {"\x01\x00\x0b\x00\x00\x00\x08\x00abc", "hung up"},
		"nothing":      {"", "hung up"},
	} {
		d := peer(t, func(c net.Conn) { c.Read(make([]byte, 100)); io.WriteString(c, tt.answer) })
		if _, err := Dial(d, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The set-up and the request, byte for byte.
func TestRequest(t *testing.T) {
	got := make(chan []byte, 2)
	d := peer(t, func(c net.Conn) {
		p := make([]byte, 200)
		n, _ := io.ReadFull(c, p[:12+20+16])
		got <- p[:n]
		io.WriteString(c, accepted)
		p = make([]byte, 200)
		n, _ = c.Read(p)
		got <- p[:n]
	})
	c, err := Dial(d, []byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Add(Host{5, "localuser\x00alice"})
	for _, want := range []string{
		"6c000b00000012001000" + "0000" + hex.EncodeToString([]byte("MIT-MAGIC-COOKIE-1")) + "0000" + hex.EncodeToString([]byte("0123456789abcdef")),
		"6d00060005000f00" + hex.EncodeToString([]byte("localuser\x00alice")) + "00" + "6e000100",
	} {
		if p := hex.EncodeToString(<-got); p != want {
			t.Errorf("sent %s\nwant %s", p, want)
		}
	}
}

// Events in between do not disturb; an answer that is too long, or none, ends.
func TestAnswers(t *testing.T) {
	event := "\x22" + strings.Repeat("\x00", 31)
	generic := "\x23\x00\x01\x00\x01\x00\x00\x00" + strings.Repeat("\x00", 24) + "more"
	reply := "\x01\x01\x01\x00\x03\x00\x00\x00\x01\x00" + strings.Repeat("\x00", 22) + "\x05\x00\x06\x00a\x00b\x00cd\x00\x00"
	huge := "\x01\x01\x01\x00\xff\xff\xff\xff" + strings.Repeat("\x00", 24)
	few := "\x01\x01\x01\x00\x00\x00\x00\x00\x01\x00" + strings.Repeat("\x00", 22)
	fail := "\x00\x0a\x01\x00" + strings.Repeat("\x00", 28)
	for name, tt := range map[string]struct{ answer, want string }{
		"events": {event + generic + reply, ""}, "huge": {huge, "too large"}, "few": {few, "truncated"},
		"denied": {event + fail, "BadAccess"}, "cut": {reply[:20], "hung up"}, "silent": {event + "wait", "does not answer"},
	} {
		answer, wait := strings.CutSuffix(tt.answer, "wait")
		d := peer(t, func(c net.Conn) {
			c.Read(make([]byte, 100))
			io.WriteString(c, accepted)
			c.Read(make([]byte, 100))
			io.WriteString(c, answer)
			if wait {
				c.Read(make([]byte, 1)) // until the client hangs up
			}
		})
		c, err := Dial(d, nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		hosts, enabled, err := c.List()
		c.Close()
		if tt.want == "" {
			if err != nil || !enabled || !reflect.DeepEqual(hosts, []Host{{5, "a\x00b\x00cd"}}) {
				t.Errorf("%s: %q, %v, %v", name, hosts, enabled, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if time.Since(start) > 5*timeout {
			t.Errorf("%s took %v", name, time.Since(start))
		}
	}
}

// Nobody waits for a server that accepts no connection.
func TestBacklog(t *testing.T) {
	l, d := full(t)
	defer l.Close()
	start := time.Now()
	var err error
	for err == nil && time.Since(start) < 5*timeout {
		var c *Conn
		if c, err = dial(d); err == nil {
			defer c.Close()
		}
	}
	if plain(err) == nil || !strings.Contains(plain(err).Error(), "does not answer") || time.Since(start) > 3*timeout {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func FuzzHosts(f *testing.F) {
	f.Add([]byte("\x05\x00\x06\x00a\x00b\x00cd\x00\x00"), 1)
	f.Add([]byte("\x05\x00\xff\xff"), 2)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		hosts, err := parseHosts(data, n)
		size := 0
		for _, h := range hosts {
			size += 4 + len(h.Address)
		}
		if err == nil && (len(hosts) != max(n, 0) || size > len(data)) || err != nil && !errors.Is(err, errTruncated) {
			t.Errorf("%d hosts of %d, %v", len(hosts), n, err)
		}
	})
}

// full is a server whose queue is short, and never emptied.
func full(t *testing.T) (io.Closer, x11.Display) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "X")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), path), x11.Display{Path: session.HostPath(path), Screen: -1}
}
