package xhost

import (
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

// runXhost runs xhost(1) and returns its output.
func runXhost(t *testing.T, d x11.Display, auth string, args ...string) string {
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

func TestHostList(t *testing.T) {
	auth := writeAuthority(t)
	// Xvfb takes a free number if one of its two sockets is free. A server that
	// listens only on one gets a number that no other server uses.
	number := func() string { return fmt.Sprintf(":%d", 10000+rand.IntN(40000)) }
	for name, args := range map[string][]string{
		"both sockets": {}, "only the path": {number(), "-nolisten", "local"}, "only the abstract socket": {number(), "-nolisten", "unix"},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := startXvfb(t, append(args, "-noreset", "-auth", auth)...)
			c := newClient(d, testCookie)
			s := connectTo(t, c).Server
			wantUser(t, c, s, 12345, false)
			for range 2 {
				if err := c.AddUser(s, 12345); err != nil {
					t.Fatal(err)
				}
			}
			if got := runXhost(t, d, auth); !strings.Contains(got, "SI:localuser:#12345") || strings.Count(got, "localuser") != 1 {
				t.Errorf("xhost: %s", got)
			}
			// Other entries are neither mistaken for this one nor removed.
			runXhost(t, d, auth, "+si:localuser:root", "+local:", "+si:localuser:#123456")
			wantUser(t, c, s, 12345, true)
			wantUser(t, c, s, 1234, false)
			for range 2 {
				if err := c.RemoveUser(s, 12345); err != nil {
					t.Fatal(err)
				}
			}
			wantUser(t, c, s, 12345, false)
			if got := runXhost(t, d, auth); strings.Contains(got, "#12345\n") || strings.Count(got, "localuser") != 2 || !strings.Contains(got, "LOCAL:") {
				t.Errorf("after the removal: %s", got)
			}
			runXhost(t, d, auth, "+")
			wantUser(t, c, s, 12345, true)
		})
	}
}

// The entry admits the uid that the kernel reports, and only that one.
func TestAddUserAdmits(t *testing.T) {
	headless.Root(t)
	d, _ := startXvfb(t, "-noreset", "-auth", writeAuthority(t))
	c := newClient(d, testCookie)
	s := connectTo(t, c).Server
	wantOpens := func(uid int, want bool) {
		t.Helper()
		other := newClient(d, "")
		other.UID = uid
		if opens, err := other.Opens(); err != nil || opens != want {
			t.Errorf("uid %d is admitted: %v, %v; want %v", uid, opens, err, want)
		}
	}
	wantOpens(12345, false)
	if err := c.AddUser(s, 12345); err != nil {
		t.Fatal(err)
	}
	wantOpens(12345, true)
	wantOpens(12346, false)
	if err := c.RemoveUser(s, 12345); err != nil {
		t.Fatal(err)
	}
	wantOpens(12345, false)
}

// Without -noreset the list lasts as long as one client is connected. The
// connection of a helper process that has ended counts as one.
func TestConnectKeepsList(t *testing.T) {
	d, _ := startXvfb(t)
	c := newClient(d, "")
	first := connectTo(t, c)
	if err := c.AddUser(first.Server, 12345); err != nil {
		t.Fatal(err)
	}
	second := connectTo(t, c)
	first.Close()
	wantUser(t, c, second.Server, 12345, true)
	// A duplicate of the descriptor is enough.
	fd, err := unix.FcntlInt(second.File.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	wantUser(t, c, second.Server, 12345, true)
	unix.Close(fd)
	// The server notices that some time later.
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if has, err := c.HasUser(second.Server, 12345); err == nil && !has {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the server kept its host list")
		}
	}
}

// An untrusted client can connect, but neither read nor change the list.
func TestUntrusted(t *testing.T) {
	auth := writeAuthority(t)
	d, _ := startXvfb(t, "-noreset", "-auth", auth)
	file := filepath.Join(t.TempDir(), "untrusted")
	if err := os.WriteFile(file, x11.FormatAuthority([]x11.Entry{{Family: x11.FamilyWild, Name: x11.CookieName, Data: testCookie}}), 0o600); err != nil {
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
	i := slices.IndexFunc(entries, func(e x11.Entry) bool { return e.Data != testCookie })
	if i < 0 {
		t.Fatalf("no new cookie in %+v", entries)
	}
	c := newClient(d, entries[i].Data)
	s := connectTo(t, c).Server
	_, readErr := c.HasUser(s, 12345)
	for _, err := range []error{readErr, c.AddUser(s, 12345)} {
		if err == nil || !strings.HasSuffix(err.Error(), "BadAccess: it requires a local, trusted client") {
			t.Error(err)
		}
	}
	wantUser(t, newClient(d, testCookie), s, 12345, false)
}

func TestOpens(t *testing.T) {
	auth := writeAuthority(t)
	d, process := startXvfb(t, "-noreset", "-auth", auth)
	open, _ := startXvfb(t, "-noreset")
	for _, tt := range []struct {
		display x11.Display
		cookie  string
		want    bool
	}{
		{d, testCookie, true}, {d, "another cookie..", false}, {d, "", false},
		{open, testCookie, true}, {open, "", true},
	} {
		if got, err := newClient(tt.display, tt.cookie).Opens(); err != nil || got != tt.want {
			t.Errorf("the cookie %q opens %s: %v, %v; want %v", tt.cookie, tt.display, got, err, tt.want)
		}
	}
	if _, err := newClient(d, "").Connect(); err == nil {
		t.Error("connected without a cookie")
	} else if e, ok := errors.AsType[*RefusedError](err); !ok || e.Reason == "" {
		t.Errorf("%#v", err)
	}
	// With a host list that admits this user, the cookie does not matter.
	runXhost(t, d, auth, "+si:localuser:#"+strconv.Itoa(os.Getuid()))
	if got, err := newClient(d, "another cookie..").Opens(); err != nil || !got {
		t.Errorf("with an entry in the host list: %v, %v", got, err)
	}
	for _, bad := range []*Client{
		newClient(d, "short"),
		newClient(x11.Display{Number: 59000, Screen: -1}, testCookie),
		newClient(x11.Display{Host: "localhost", Screen: -1}, testCookie),
		newClient(x11.Display{Path: "/nowhere", Screen: -1}, testCookie),
		newClient(x11.Display{Path: session.HostPath("/" + strings.Repeat("x", 200)), Screen: -1}, testCookie),
	} {
		if got, err := bad.Opens(); err == nil || got {
			t.Errorf("%s with %q: %v, %v", bad.Display, bad.Cookie, got, err)
		}
	}
	// A stopped server costs no more than the limit.
	process.Signal(unix.SIGSTOP)
	defer process.Signal(unix.SIGCONT)
	c := newClient(d, testCookie)
	c.Limit = 200 * time.Millisecond
	begun := time.Now()
	got, err := c.Opens()
	if err == nil || got || !strings.Contains(err.Error(), "does not answer") || time.Since(begun) > 2*time.Second {
		t.Errorf("a stopped server: %v, %v after %v", got, err, time.Since(begun))
	}
}

// A server is recognized by its process.
func TestServer(t *testing.T) {
	auth := writeAuthority(t)
	d, process := startXvfb(t, "-noreset", "-auth", auth)
	c := newClient(d, testCookie)
	s := connectTo(t, c).Server
	if s.PID != process.Pid || s.Start == "" {
		t.Fatalf("%+v, want pid %d", s, process.Pid)
	}
	wantUser(t, c, s, 12345, false)
	for _, other := range []Server{{s.PID, s.Start + "0"}, {1, "0"}, {}} {
		if err := c.AddUser(other, 12345); !errors.Is(err, ErrEnded) {
			t.Errorf("with the server %+v: %v", other, err)
		}
	}
	wantUser(t, c, s, 12345, false)
	// The server of another display is not the intended one, though both run.
	other, _ := startXvfb(t, "-noreset", "-auth", auth)
	if err := newClient(other, testCookie).AddUser(s, 12345); !errors.Is(err, ErrEnded) {
		t.Errorf("at another display: %v", err)
	}
	process.Kill() // and not waited for: a zombie has ended, too
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := c.RemoveUser(s, 12345)
		if errors.Is(err, ErrEnded) {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
