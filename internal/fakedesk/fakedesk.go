// Package fakedesk makes the facts of a launch for the tests of features, with
// files and sockets in a temporary directory instead of the real desktop's.
package fakedesk

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"chrun/session"
	"chrun/session/account"
	"chrun/session/rootfs"
)

// Desk is a caller and a chroot. Dir has the subdirectories run (the caller's
// runtime directory), home, host (which features take for the host's "/") and tree
// (the chroot).
type Desk struct {
	*testing.T
	*session.Facts
	Dir session.HostPath
}

// New makes a Desk whose caller has the environment env, as SetEnv does.
func New(t *testing.T, env ...string) *Desk {
	t.Helper()
	dir, err := os.MkdirTemp("", "desk") // t.TempDir is too long for the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &Desk{T: t, Dir: session.HostPath(dir)}
	for _, sub := range []string{"run", "home", "host/etc", "tree/usr"} {
		d.Must(os.MkdirAll(filepath.Join(dir, sub), 0o755))
	}
	root, err := rootfs.Open(d.Dir.Join("tree"))
	d.Must(err)
	t.Cleanup(func() { root.Close() })
	d.Facts = &session.Facts{
		Caller: &session.Caller{
			UID: os.Getuid(), GID: os.Getgid(), Hostname: "myhost",
			Account:    account.Account{Home: dir + "/home"},
			RuntimeDir: d.Dir.Join("run"), Host: d.Dir.Join("host"),
			Listeners: session.ReadListeners,
		},
		Root: root, Name: "test", Allowed: func(string) bool { return true },
	}
	d.SetEnv(env...)
	return d
}

// SetEnv replaces the caller's environment. "DIR/" in it stands for Dir.
func (d *Desk) SetEnv(env ...string) {
	d.Caller.Env = nil
	for _, kv := range env {
		d.Caller.Env = append(d.Caller.Env, strings.ReplaceAll(kv, "DIR/", string(d.Dir)+"/"))
	}
}

// Deny denies exactly the features with these names.
func (d *Desk) Deny(names ...string) *Desk {
	d.Allowed = func(feature string) bool { return !slices.Contains(names, feature) }
	return d
}

// Must ends the test if err is not nil.
func (d *Desk) Must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// Path returns the path of p, which is relative to Dir.
func (d *Desk) Path(p string) string { return string(d.Dir.Join(p)) }

// parent returns the path of p and makes its directory.
func (d *Desk) parent(p string) string {
	d.Helper()
	p = d.Path(p)
	d.Must(os.MkdirAll(filepath.Dir(p), 0o755))
	return p
}

// Socket makes a socket, on which a server listens if live is true.
func (d *Desk) Socket(p string, live bool) string {
	d.Helper()
	p = d.parent(p)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p, Net: "unix"})
	d.Must(err)
	l.SetUnlinkOnClose(false)
	if live {
		d.Cleanup(func() { l.Close() })
	} else {
		l.Close()
	}
	return p
}

// Write writes a file.
func (d *Desk) Write(p, content string) string {
	d.Helper()
	p = d.parent(p)
	d.Must(os.WriteFile(p, []byte(content), 0o600))
	return p
}

// Link makes a symlink and replaces an existing one.
func (d *Desk) Link(target, p string) {
	d.Helper()
	p = d.parent(p)
	os.Remove(p)
	d.Must(os.Symlink(target, p))
}

// WantEnv checks which variables s sets.
func WantEnv(t *testing.T, s session.Share, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for _, v := range s.Env {
		got[v.Name] = v.Value
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("variables = %v, want %v (%s)", got, want, s.State)
	}
}

// WantBinds checks what s binds: "SOURCE on DESTINATION".
func WantBinds(t *testing.T, s session.Share, want ...string) {
	t.Helper()
	var got []string
	for _, b := range s.Binds {
		got = append(got, string(b.Source)+" on "+string(b.Dest))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("binds = %q, want %q", got, want)
	}
}

// WantFiles checks the contents of the files that s makes.
func WantFiles(t *testing.T, s session.Share, want map[session.Path]string) {
	t.Helper()
	got := map[session.Path]string{}
	for _, f := range s.Files {
		got[f.Path] = string(f.Data)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("files = %q, want %q", got, want)
	}
}

// Value returns the value of a variable that s sets, or "-".
func Value(s session.Share, name string) string {
	for _, v := range s.Env {
		if v.Name == name {
			return v.Value
		}
	}
	return "-"
}
