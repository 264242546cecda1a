package xhost

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"chrun/display/x11"
	"chrun/internal/headless"
)

// The test binary is also the helper process.
const helperName = "xhost-helper"

func TestMain(m *testing.M) {
	if os.Args[0] == helperName {
		os.Exit(Serve(HelperFD))
	}
	os.Exit(m.Run())
}

// start is a StartFunc.
func start(uid, socket int) (int, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	attr := &syscall.ProcAttr{Env: Env, Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), uintptr(socket)},
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}}
	if uid != os.Getuid() {
		attr.Sys.Credential = &syscall.Credential{Uid: uint32(uid), Gid: 65534}
	}
	return syscall.ForkExec("/proc/self/exe", []string{helperName}, attr)
}

const testCookie = "sixteen bytes ok"

// newClient returns a client of d for the user who runs the test. It waits long
// enough for a busy machine.
func newClient(d x11.Display, cookie string) *Client {
	c := &Client{Display: d, UID: os.Getuid(), Limit: 20 * time.Second, Start: start}
	if cookie != "" {
		c.Cookie = []byte(cookie)
	}
	return c
}

// startXvfb starts an X server with args.
func startXvfb(t *testing.T, args ...string) (x11.Display, *os.Process) {
	t.Helper()
	number, process := headless.Xvfb(t, args...)
	return x11.Display{Number: number, Screen: -1}, process
}

// writeAuthority writes an Xauthority file with testCookie.
func writeAuthority(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "auth")
	data := x11.FormatAuthority([]x11.Entry{{Family: x11.FamilyWild, Name: x11.CookieName, Data: testCookie}})
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// connectTo opens a connection that is closed when the test ends.
func connectTo(t *testing.T, c *Client) *Conn {
	t.Helper()
	conn, err := c.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// wantUser checks whether the server's host list has uid.
func wantUser(t *testing.T, c *Client, s Server, uid int, want bool) {
	t.Helper()
	if has, err := c.HasUser(s, uid); err != nil || has != want {
		t.Errorf("the host list has uid %d: %v, %v; want %v", uid, has, err, want)
	}
}
