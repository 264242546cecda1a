package xhost

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
	"chrun/session"
)

// serveHostile listens as an X server that behaves as serve does.
func serveHostile(t testing.TB, serve func(net.Conn)) x11.Display {
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

// serveAnswers sends setUp and, if that is not all, answer after the next
// request. A "wait" at the end of either keeps the connection open.
func serveAnswers(t testing.TB, setUp, answer string) x11.Display {
	t.Helper()
	return serveHostile(t, func(c net.Conn) {
		for i, text := range []string{setUp, answer} {
			if i > 0 && text == "" {
				return
			}
			c.Read(make([]byte, 200))
			text, wait := strings.CutSuffix(text, "wait")
			io.WriteString(c, text)
			if wait {
				c.Read(make([]byte, 1)) // until the client disconnects
				return
			}
		}
	})
}

// self is the server that serveHostile makes.
func self(t testing.TB) Server {
	t.Helper()
	start, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return Server{os.Getpid(), start}
}

// accepted is the shortest answer to a connection set-up that xgb can read.
const accepted = "\x01\x00\x0b\x00\x00\x00\x03\x00" + "123456789abc"

func TestHostileSetUp(t *testing.T) {
	for name, tt := range map[string]struct{ answer, want string }{
		"failed":              {"\x00\x07\x0b\x00\x00\x00\x02\x00go\x1baway!", "refused the connection: goaway"},
		"failed, too long":    {"\x00\xff\x0b\x00\x00\x00\x02\x00go\x1baway!", "invalid answer"},
		"authenticate":        {"\x02\x00\x0b\x00\x00\x00\x02\x00tickets\x00", "authentication protocol"},
		"authenticate, long":  {"\x02\x00\x0b\x00\x00\x00\x04\x00tickets\x00tickets\x00wait", "authentication protocol"},
		"authenticate, empty": {"\x02\x00\x0b\x00\x00\x00\x00\x00", "authentication protocol"},
		"accepted, empty":     {"\x01\x00\x0b\x00\x00\x00\x00\x00", "invalid answer"},
		"unknown code":        {"\x09\x00\x0b\x00\x00\x00\x04\x00tickets\x00tickets\x00wait", "invalid answer"},
		"HTTP, short":         {"HTTP/1.1\x00\x00", "not an X server"},
		"no X":                {"\x09\x00\x00\x00\x00\x00\x00\x00", "not an X server"},
		"cut":                 {"\x01\x00\x0b\x00\x00\x00\x08\x00abc", "closed the connection"},
		"nothing":             {"", "closed the connection"},
	} {
		c := newClient(serveAnswers(t, tt.answer, ""), "")
		if _, err := c.Connect(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if opens, err := c.Opens(); opens || (err == nil) != (strings.Contains(tt.want, "refused") || strings.Contains(tt.want, "authentication")) {
			t.Errorf("%s opens: %v, %v", name, opens, err)
		}
	}
	if _, err := newClient(serveAnswers(t, accepted+"wait", ""), testCookie).Connect(); err != nil {
		t.Errorf("accepted: %v", err)
	}
}

var (
	event = "\x22" + strings.Repeat("\x00", 31)
	none  = strings.Repeat("\x00", 22) // the unused bytes of a reply to ListHosts
	reply = "\x01\x01\x01\x00\x06\x00\x00\x00\x01\x00" + none + "\x05\x00\x10\x00localuser\x00#12345" + "\x00\x00\x00\x00"
	// These lengths crash xgb in a goroutine of its own.
	overflow = "\x01\x01\x01\x00\xff\xff\xff\xff\x01\x00" + none
	wrapped  = "\x01\x01\x01\x00\xfc\xff\xff\x3f\x01\x00" + none
)

// Whatever the server answers, the caller gets a result or an error in time.
func TestHostileAnswers(t *testing.T) {
	for name, tt := range map[string]struct{ answer, want string }{
		"after events":      {event + event + reply + "wait", ""},
		"overflow":          {overflow, "crashed|invalid answer"},
		"wrapped":           {wrapped, "crashed|invalid answer"},
		"4 GiB":             {"\x01\x01\x01\x00\x00\x00\x00\x3f\x01\x00" + none + strings.Repeat("x", maxBytes) + "wait", "too long"},
		"too few hosts":     {"\x01\x01\x01\x00\x00\x00\x00\x00\x01\x00" + none + "wait", "invalid answer"},
		"too long a host":   {"\x01\x01\x01\x00\x01\x00\x00\x00\x02\x00" + none + "\x05\x00\xff\xff" + "wait", "invalid answer"},
		"denied":            {event + "\x00\x0a\x01\x00" + strings.Repeat("\x00", 28) + "wait", "BadAccess"},
		"unknown error":     {"\x00\xee\x01\x00" + strings.Repeat("\x00", 28) + "wait", "does not answer"},
		"reply to no one":   {"\x01\x01\x09\x00\x00\x00\x00\x00" + strings.Repeat("\x00", 24) + "wait", "does not answer"},
		"many events":       {strings.Repeat(event, 6000) + "wait", "does not answer"},
		"cut":               {reply[:20], "closed the connection"},
		"cut in the list":   {reply[:40], "closed the connection"},
		"silent":            {event + "wait", "does not answer"},
		"nothing":           {"", "closed the connection"},
		"nothing but zeros": {strings.Repeat("\x00", 64) + "wait", "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(serveAnswers(t, accepted, tt.answer), "")
			if strings.Contains(tt.want, "does not answer") {
				c.Limit = time.Second
			}
			begun := time.Now()
			has, err := c.HasUser(self(t), 12345)
			if tt.want == "" {
				if err != nil || !has {
					t.Errorf("%v, %v", has, err)
				}
			} else if matched, _ := regexp.MatchString(tt.want, fmt.Sprint(err)); err == nil || has || !matched {
				t.Errorf("%v, %v", has, err)
			}
			if time.Since(begun) > c.Limit+time.Second {
				t.Errorf("it took %v", time.Since(begun))
			}
		})
	}
}

// A server whose queue is full and never emptied costs no more than the limit.
func TestFullQueue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "X")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		err = errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	d := x11.Display{Path: session.HostPath(path), Screen: -1}
	const limit = 300 * time.Millisecond
	begun := time.Now()
	for err == nil && time.Since(begun) < 10*time.Second {
		var c *connection
		begun = time.Now()
		if c, err = connect(d, begun.Add(limit)); err == nil {
			defer c.file.Close()
			defer c.Close()
		}
	}
	if err != errTimeout || time.Since(begun) < limit/2 || time.Since(begun) > 10*limit {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	c := newClient(d, "")
	c.Limit = limit
	begun = time.Now()
	if _, err := c.Opens(); err == nil || !strings.Contains(err.Error(), "does not answer") || time.Since(begun) > 10*limit {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

// A helper process that does something else is an error, and none is left.
func TestHostileHelper(t *testing.T) {
	run := func(script string) StartFunc {
		return func(_, socket int) (int, error) {
			return syscall.ForkExec("/bin/sh", []string{"sh", "-c", script},
				&syscall.ProcAttr{Files: []uintptr{0, 1, 2, uintptr(socket)}})
		}
	}
	const read = "head -c 9 <&3 >/dev/null; "
	for _, tt := range []struct{ name, script, want string }{
		{"ends", read + "exit 7", "crashed (exit status 7)"},
		{"ends at once", "exit 7", "crashed (exit status 7)"},
		{"killed", read + "kill -SEGV $$", "crashed (signal: segmentation fault)"},
		{"closes its socket", read + "exec sleep 60 3>&-", "crashed (signal: killed)"},
		{"silent", "exec sleep 60", "does not answer"},
		{"no JSON", read + "printf x >&3", "invalid character"},
		{"another type", read + `printf '{"Has": 3}' >&3`, "cannot unmarshal"},
		{"too long", read + `printf %20000s '{}' >&3`, "too long"},
		{"terminal", read + `printf '{"Problem": "failed", "Reason": "a\\u001bb"}' >&3`, "display /nowhere: ab"},
		{"no connection", read + `printf '{}' >&3`, "returned no connection"},
	} {
		c := &Client{Display: x11.Display{Path: "/nowhere", Screen: -1}, Limit: 2 * time.Second, Start: run(tt.script)}
		if _, err := c.Connect(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	c := &Client{Start: func(int, int) (int, error) { return 0, unix.EPERM }}
	if _, err := c.Connect(); !errors.Is(err, unix.EPERM) {
		t.Errorf("not started: %v", err)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
}

// A helper process whose client has ended makes no change.
func TestClientEnded(t *testing.T) {
	changed := make(chan bool, 1)
	client := make(chan int, 1)
	d := serveHostile(t, func(c net.Conn) {
		c.Read(make([]byte, 200))
		unix.Close(<-client)
		io.WriteString(c, accepted)
		n, _ := c.Read(make([]byte, 200))
		changed <- n > 0
	})
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := send(pair[0], request{Operation: opAdd, Display: d, Limit: 20 * time.Second, Server: self(t), UID: 12345}, nil); err != nil {
		t.Fatal(err)
	}
	pid, err := start(os.Getuid(), pair[1])
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(pair[1])
	client <- pair[0]
	unix.Wait4(pid, nil, 0, nil)
	if <-changed {
		t.Error("it sent a request")
	}
}

func FuzzServer(f *testing.F) {
	for _, answer := range []string{reply, overflow, wrapped, event + reply, "\x05\x00\x06\x00a\x00b\x00cd\x00\x00", "\x05\x00\xff\xff"} {
		f.Add([]byte(accepted), []byte(answer))
	}
	f.Add([]byte("\x02\x00\x0b\x00\x00\x00\x00\x00"), []byte(nil))
	f.Add([]byte("\x00\xff\x0b\x00\x00\x00\x02\x00go away!"), []byte(nil))
	f.Fuzz(func(t *testing.T, setUp, answer []byte) {
		c := newClient(serveAnswers(t, string(setUp), string(answer)), "")
		c.Limit = 500 * time.Millisecond // what a silent server costs
		begun := time.Now()
		has, err := c.HasUser(self(t), 12345)
		if has && err != nil || time.Since(begun) > c.Limit+2*time.Second {
			t.Errorf("%v, %v after %v", has, err, time.Since(begun))
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"Has": true}`))
	f.Add([]byte(`{"Problem": "refused", "Reason": "no"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(pair[0])
		unix.Sendmsg(pair[1], data, nil, nil, unix.MSG_DONTWAIT)
		unix.Close(pair[1])
		a, file, err := receiveAnswer(pair[0], time.Now().Add(20*time.Second))
		if err == nil && a.err() != nil && strings.ContainsFunc(a.err().Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q is not printable", a.err())
		}
		if file != nil || err == errTimeout {
			t.Errorf("%v, %v", file, err)
		}
	})
}
