package hosts

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
	"chrun/internal/headless"
	"chrun/session"
)

// xvfb starts an X server and returns its display and process.
func xvfb(t *testing.T, args ...string) (x11.Display, *os.Process) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("Xvfb", append(args, "-displayfd", "3", "-nolisten", "tcp", "-screen", "0", "64x64x24")...)
	cmd.ExtraFiles = []*os.File{w}
	err = cmd.Start()
	headless.Must(t, "desktop", err)
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
	w.Close()
	r.SetReadDeadline(time.Now().Add(20 * time.Second))
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal("Xvfb did not start:", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return x11.Display{Number: n, Screen: -1}, cmd.Process
}

// authority makes an Xauthority file with one cookie.
func authority(t *testing.T, cookie string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "auth")
	data := x11.FormatAuthority([]x11.Entry{{Family: x11.FamilyWild, Name: x11.CookieName, Data: cookie}})
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// xhost runs xhost(1) and returns its output.
func xhost(t *testing.T, d x11.Display, auth string, args ...string) string {
	t.Helper()
	cmd := exec.Command("xhost", args...)
	cmd.Env = []string{"DISPLAY=" + d.String(), "XAUTHORITY=" + auth}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		headless.Must(t, "desktop", err)
	}
	if err != nil {
		t.Fatalf("xhost %q: %v: %s", args, err, out)
	}
	return string(out)
}

func open(t *testing.T, d x11.Display, cookie []byte) *Conn {
	t.Helper()
	c, err := Dial(d, cookie)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func list(t *testing.T, c *Conn) []Host {
	t.Helper()
	hosts, _, err := c.List()
	if err != nil {
		t.Fatal(err)
	}
	return hosts
}

const cookie = "sixteen bytes ok"

func TestList(t *testing.T) {
	auth := authority(t, cookie)
	// A server that looks for a free number takes one of which a socket is
	// free: what has one alone gets a number where nobody looks.
	number := func() string { return fmt.Sprintf(":%d", 10000+rand.IntN(40000)) }
	for name, args := range map[string][]string{
		"both": {}, "path alone": {number(), "-nolisten", "local"}, "abstract alone": {number(), "-nolisten", "unix"},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := xvfb(t, append(args, "-noreset", "-auth", auth)...)
			c := open(t, d, []byte(cookie))
			hosts, enabled, err := c.List()
			if err != nil || !enabled || len(hosts) > 0 {
				t.Fatalf("%q, %v, %v", hosts, enabled, err)
			}
			// Twice is once, and xhost sees it.
			for range 2 {
				if err := c.Add(LocalUser(12345)); err != nil {
					t.Fatal(err)
				}
			}
			if got := xhost(t, d, auth); !strings.Contains(got, "SI:localuser:#12345") || strings.Count(got, "localuser") != 1 {
				t.Errorf("xhost: %s", got)
			}
			// What the person added is listed, and is another.
			xhost(t, d, auth, "+si:localuser:root", "+local:")
			got := list(t, c)
			if len(got) != 3 || !slices.Contains(got, LocalUser(12345)) || !slices.Contains(got, Host{5, "localuser\x00root"}) {
				t.Errorf("%q", got)
			}
			if err := c.Remove(LocalUser(12345)); err != nil {
				t.Fatal(err)
			}
			if got := list(t, c); len(got) != 2 || slices.Contains(got, LocalUser(12345)) {
				t.Errorf("afterwards %q", got)
			}
			if err := c.Remove(LocalUser(12345)); err != nil {
				t.Errorf("removed twice: %v", err)
			}
			xhost(t, d, auth, "+")
			if _, enabled, _ := c.List(); enabled {
				t.Error("xhost + is not seen")
			}
		})
	}
}

// The entry is what lets another uid in, as the kernel knows it.
func TestEnter(t *testing.T) {
	headless.Root(t)
	d, _ := xvfb(t, "-noreset", "-auth", authority(t, cookie))
	c := open(t, d, []byte(cookie))
	enters := func(uid int) bool {
		cmd := exec.Command("setpriv", "--reuid", strconv.Itoa(uid), "--clear-groups", "xdpyinfo")
		cmd.Env = []string{"DISPLAY=" + d.String(), "PATH=" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
			headless.Must(t, "desktop", err)
		}
		return strings.Contains(string(out), "dimensions")
	}
	if enters(12345) {
		t.Fatal("the server lets everybody in")
	}
	if err := c.Add(LocalUser(12345)); err != nil || !enters(12345) || enters(12346) {
		t.Errorf("%v, it %v, another %v", err, enters(12345), enters(12346))
	}
	if err := c.Remove(LocalUser(12345)); err != nil || enters(12345) {
		t.Errorf("removed: %v, %v", err, enters(12345))
	}
}

// Without -noreset the list lasts as long as a connection does.
func TestReset(t *testing.T) {
	d, _ := xvfb(t)
	first := open(t, d, nil)
	if err := first.Add(LocalUser(12345)); err != nil {
		t.Fatal(err)
	}
	second := open(t, d, nil)
	first.Close()
	if got := list(t, second); !slices.Contains(got, LocalUser(12345)) {
		t.Errorf("it is forgotten with a connection open: %q", got)
	}
	// A duplicate of the descriptor, as a keeper has it, is enough.
	fd, err := unix.FcntlInt(uintptr(second.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	if got := list(t, open(t, d, nil)); !slices.Contains(got, LocalUser(12345)) {
		t.Errorf("it is forgotten with a duplicate open: %q", got)
	}
	unix.Close(fd)
}

func TestForgotten(t *testing.T) {
	d, _ := xvfb(t)
	c := open(t, d, nil)
	if err := c.Add(LocalUser(12345)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	// The server notices in its own time.
	for end := time.Now().Add(20 * time.Second); ; {
		c, err := Dial(d, nil)
		if err == nil {
			hosts, _, err := c.List()
			c.Close()
			if err == nil && !slices.Contains(hosts, LocalUser(12345)) {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatal("the server has not forgotten it")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// An untrusted client may look, and not change.
func TestUntrusted(t *testing.T) {
	auth := authority(t, cookie)
	d, _ := xvfb(t, "-noreset", "-auth", auth)
	file := filepath.Join(t.TempDir(), "untrusted")
	if err := os.WriteFile(file, x11.FormatAuthority([]x11.Entry{{Family: x11.FamilyWild, Name: x11.CookieName, Data: cookie}}), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("xauth", "-f", file, "generate", d.String(), ".", "untrusted", "timeout", "0")
	cmd.Env = []string{"XAUTHORITY=" + auth}
	if out, err := cmd.CombinedOutput(); err != nil {
		headless.Must(t, "desktop", errors.New(string(out)))
	}
	entries, err := x11.ReadAuthority(session.HostPath(file), x11.AnyOwner, 0)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(entries, func(e x11.Entry) bool { return e.Data != cookie })
	if i < 0 {
		t.Fatalf("no new cookie in %+v", entries)
	}
	c := open(t, d, []byte(entries[i].Data))
	err = c.Add(LocalUser(12345))
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != BadAccess {
		t.Errorf("%v", err)
	}
	if !strings.HasSuffix(err.Error(), "BadAccess: only a local, trusted client may") {
		t.Error(err)
	}
	if got := list(t, open(t, d, []byte(cookie))); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestErrors(t *testing.T) {
	d, _ := xvfb(t, "-noreset", "-auth", authority(t, cookie))
	c := open(t, d, []byte(cookie))
	err := c.Add(Host{5, "localuser\x00no such account"})
	if e, ok := errors.AsType[*Error](err); !ok || e.Error() != "BadValue" || e.Request != changeHosts {
		t.Errorf("%#v", err)
	}
	// The connection goes on.
	if err := c.Add(LocalUser(5)); err != nil || !slices.Equal(list(t, c), []Host{LocalUser(5)}) {
		t.Error(err)
	}
	for _, bad := range [][]byte{nil, []byte("another cookie.."), []byte("short")} {
		_, err := Dial(d, bad)
		if e, ok := errors.AsType[*RefusedError](err); !ok || e.Reason == "" {
			t.Errorf("with the cookie %q: %v", bad, err)
		} else {
			t.Log(err)
		}
	}
	for _, none := range []x11.Display{{Number: 59000, Screen: -1}, {Host: "localhost", Screen: -1}, {Path: "/nowhere", Screen: -1},
		{Path: session.HostPath("/" + strings.Repeat("x", 200)), Screen: -1}} {
		if c, err := Dial(none, nil); err == nil {
			t.Errorf("%s: %v", none, c)
		}
	}
}

// A server is known again by its process.
func TestServer(t *testing.T) {
	auth := authority(t, cookie)
	d, process := xvfb(t, "-noreset", "-auth", auth)
	s, err := ServerOf(d, []byte(cookie))
	if err != nil || s.PID != process.Pid || s.Start == "" {
		t.Fatalf("%+v, %v, want pid %d", s, err, process.Pid)
	}
	c, err := s.Dial(d, []byte(cookie))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := (Server{s.PID, s.Start + "0"}).Dial(d, []byte(cookie)); err != ErrGone {
		t.Errorf("with another start: %v", err)
	}
	if _, err := (Server{1, "0"}).Dial(d, []byte(cookie)); err != ErrGone {
		t.Errorf("with another pid: %v", err)
	}
	// Another display's server is not it, though both live.
	other, _ := xvfb(t, "-noreset", "-auth", auth)
	if _, err := s.Dial(other, []byte(cookie)); err != ErrGone {
		t.Errorf("at another display: %v", err)
	}
	process.Kill()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, err := s.Dial(d, []byte(cookie))
		if err == ErrGone {
			break // a zombie is gone
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
