package grants_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
	"chrun/display/x11/xhost"
	"chrun/internal/grants"
	"chrun/internal/headless"
	"chrun/internal/helper"
	"chrun/session"
	"chrun/session/acl"
	"chrun/session/grant"
)

// The test binary is also the helper process.
func TestMain(m *testing.M) {
	if os.Args[0] == helper.Name {
		os.Exit(helper.Main(os.Args[1:], os.Environ()))
	}
	os.Exit(m.Run())
}

const grantee = 12345

// wantApplied checks whether a grant is applied.
func wantApplied(t *testing.T, k grant.Kind, g grant.Grant, want bool) {
	t.Helper()
	if got, err := k.IsApplied(g); err != nil || got != want {
		t.Errorf("%s is applied: %v, %v; want %v", g, got, err, want)
	}
}

func TestDisplay(t *testing.T) {
	number, process := headless.Xvfb(t, "-noreset")
	display := x11.Display{Number: number, Screen: -1}.String()
	conn, err := grants.Connect(display, os.Getuid(), helper.StartXhost)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	g := grants.ForDisplay(display, conn.Server, grantee)
	kind := grants.Table(helper.StartXhost)[g.Kind]
	wantApplied(t, kind, g, false)
	if err := kind.Apply(g); err != nil {
		t.Fatal(err)
	}
	wantApplied(t, kind, g, true)
	if err := kind.Revoke(g); err != nil {
		t.Fatal(err)
	}
	wantApplied(t, kind, g, false)

	// A display that now has another server is not changed.
	other := grants.ForDisplay(display, xhost.Server{PID: os.Getpid(), Start: conn.Server.Start}, grantee)
	if err := kind.Apply(other); !errors.Is(err, xhost.ErrEnded) {
		t.Errorf("applied to another server: %v", err)
	}
	process.Kill()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := kind.Apply(g)
		if errors.Is(err, xhost.ErrEnded) {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if err := kind.Revoke(g); err != nil {
		t.Errorf("a server that has ended: %v", err)
	}
}

// A helper process has the uid of the server's owner, but no group of that user,
// so that the user cannot trace it.
func TestHelperCredentials(t *testing.T) {
	headless.Root(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	// It stays a zombie, whose credentials can still be read.
	pid, err := helper.StartXhost(grantee, pair[1])
	unix.Close(pair[1])
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Wait4(pid, nil, 0, nil)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t12345\t12345\t12345\t12345\n", "Gid:\t65534\t65534\t65534\t65534\n", "Groups:\t \n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("its status has no %q:\n%s", want, status)
		}
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	admission := session.Admission{Socket: session.HostPath(path), Device: st.Dev, Inode: st.Ino}
	if _, err := grants.ForAdmission(admission, os.Getuid()+1, grantee); os.Getuid() != 0 && err == nil {
		t.Error("a grant for another user's socket")
	}
	replaced := admission
	replaced.Inode++
	if _, err := grants.ForAdmission(replaced, os.Getuid(), grantee); !errors.Is(err, acl.ErrReplaced) {
		t.Errorf("a replaced socket: %v", err)
	}
	g, err := grants.ForAdmission(admission, os.Getuid(), grantee)
	if err != nil {
		t.Fatal(err)
	}
	kind := grants.Table(nil)[g.Kind]
	wantApplied(t, kind, g, false)
	if err := kind.Apply(g); err != nil {
		t.Fatal(err)
	}
	wantApplied(t, kind, g, true)
	if err := kind.Revoke(g); err != nil {
		t.Fatal(err)
	}
	wantApplied(t, kind, g, false)
}
