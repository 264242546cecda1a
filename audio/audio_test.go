package audio

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"chrun/session"
	"chrun/session/account"
	"chrun/session/rootfs"
)

// desk is a caller with everything below a temporary directory: a runtime
// directory, a home, a host's "/" and a chroot.
type desk struct {
	*testing.T
	*session.Facts
	dir session.HostPath
}

func newDesk(t *testing.T, env ...string) *desk {
	t.Helper()
	dir, err := os.MkdirTemp("", "chrun") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &desk{T: t, dir: session.HostPath(dir)}
	for _, sub := range []string{"run", "home", "host/etc", "tree/usr"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root, err := rootfs.Open(d.dir.Join("tree"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	for i := range env {
		env[i] = strings.ReplaceAll(env[i], "DIR/", dir+"/")
	}
	d.Facts = &session.Facts{
		Caller: &session.Caller{
			UID: os.Getuid(), GID: os.Getgid(), Env: env, Hostname: "myhost",
			Account:    account.Account{Home: dir + "/home"},
			RuntimeDir: d.dir.Join("run"), Host: d.dir.Join("host"),
			Listeners: func() session.Listeners { return session.ReadListeners("/proc/net/unix") },
		},
		Root: root, Name: "test", Allowed: func(string) bool { return true },
	}
	return d
}

func (d *desk) deny(names ...string) *desk {
	d.Allowed = func(f string) bool {
		for _, n := range names {
			if n == f {
				return false
			}
		}
		return true
	}
	return d
}

// socket makes a socket at a path below the desk; a dead one has no listener.
func (d *desk) socket(p string, live bool) string {
	d.Helper()
	p = string(d.dir.Join(p))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		d.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p, Net: "unix"})
	if err != nil {
		d.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if !live {
		l.Close()
	} else {
		d.Cleanup(func() { l.Close() })
	}
	return p
}

func (d *desk) write(p, content string) string {
	d.Helper()
	p = string(d.dir.Join(p))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		d.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		d.Fatal(err)
	}
	return p
}

func env(s session.Share) map[string]string {
	m := map[string]string{}
	for _, v := range s.Env {
		m[v.Name] = v.Value
	}
	return m
}

func wantEnv(t *testing.T, s session.Share, want map[string]string) {
	t.Helper()
	if got := env(s); !reflect.DeepEqual(got, want) {
		t.Errorf("variables = %v, want %v (%s)", got, want, s.State)
	}
}

func wantBinds(t *testing.T, s session.Share, want ...string) {
	t.Helper()
	var got []string
	for _, b := range s.Binds {
		got = append(got, string(b.Source)+" on "+string(b.Dest))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("binds = %q, want %q", got, want)
	}
}
