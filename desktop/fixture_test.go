package desktop

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

// fixture is a caller whose runtime directory, home, host's "/" and chroot are in
// a temporary directory.
type fixture struct {
	*testing.T
	*session.Facts
	dir session.HostPath
}

// newFixture makes a fixture. "DIR/" in env stands for the temporary directory.
func newFixture(t *testing.T, env ...string) *fixture {
	t.Helper()
	dir, err := os.MkdirTemp("", "chrun") // shorter than t.TempDir: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &fixture{T: t, dir: session.HostPath(dir)}
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
	d.Facts = &session.Facts{
		Caller: &session.Caller{
			UID: os.Getuid(), GID: os.Getgid(), Hostname: "myhost",
			Account:    account.Account{Home: dir + "/home"},
			RuntimeDir: d.dir.Join("run"), Host: d.dir.Join("host"),
			Listeners: func() session.Listeners { return session.ReadListeners("/proc/net/unix") },
		},
		Root: root, Name: "test", Allowed: func(string) bool { return true },
	}
	d.setEnv(env...)
	return d
}

func (d *fixture) setEnv(env ...string) {
	d.Caller.Env = nil
	for _, kv := range env {
		d.Caller.Env = append(d.Caller.Env, strings.ReplaceAll(kv, "DIR/", string(d.dir)+"/"))
	}
}

func (d *fixture) deny(names ...string) *fixture {
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

// socket makes a socket in the temporary directory. Without live it has no
// listener.
func (d *fixture) socket(p string, live bool) string {
	d.Helper()
	p = d.makeParent(p)
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

func (d *fixture) write(p, content string) string {
	d.Helper()
	p = d.makeParent(p)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		d.Fatal(err)
	}
	return p
}

func (d *fixture) link(target, p string) {
	d.Helper()
	p = d.makeParent(p)
	os.Remove(p)
	if err := os.Symlink(target, p); err != nil {
		d.Fatal(err)
	}
}

func (d *fixture) makeParent(p string) string {
	d.Helper()
	p = string(d.dir.Join(p))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		d.Fatal(err)
	}
	return p
}

func wantEnv(t *testing.T, s session.Share, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for _, v := range s.Env {
		got[v.Name] = v.Value
	}
	if !reflect.DeepEqual(got, want) {
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

func wantFiles(t *testing.T, s session.Share, want map[session.Path]string) {
	t.Helper()
	got := map[session.Path]string{}
	for _, f := range s.Files {
		got[f.Path] = string(f.Data)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("files = %q, want %q", got, want)
	}
}
