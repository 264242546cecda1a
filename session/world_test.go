package session

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session/account"
	"chrun/session/rootfs"
)

// world is a host with a chroot tree, and a launch in it: alice (1500) runs
// firefox in the tree "debian".
type world struct {
	testing.TB
	dir       string // everything below is in it
	tree      string
	home, run string // alice's home and runtime directory
	f         *Facts
	req       Request
	identity  IdentityCase
	writable  []string // directories of the tree that the program can write
	deny      []string
	more      []Offer // of the test itself
}

// newWorld makes a world in a temporary directory.
func newWorld(t testing.TB, entries ...string) *world {
	t.Helper()
	// Not t.TempDir, which only root can enter.
	dir, err := os.MkdirTemp("/tmp", "chrun-world-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &world{TB: t, dir: dir, tree: dir + "/tree", home: dir + "/home", run: dir + "/run"}
	w.fill(entries)
	return w
}

// fill makes what every world has, and the entries as makeEntry takes them.
func (w *world) fill(entries []string) {
	w.Helper()
	for _, e := range append([]string{"tree/usr/", "tree/bin/", "tree/etc/", "tree/etc/hosts", "tree/etc/resolv.conf",
		"run/", "home/", "etc/", "etc/resolv.conf"}, entries...) {
		w.makeEntry(e)
	}
	w.f = &Facts{
		Caller: &Caller{UID: 1500, GID: 1501, Hostname: "host", Host: HostPath(w.dir), RuntimeDir: HostPath(w.run), Cwd: "/",
			Account: account.Account{Name: "alice", UID: 1500, GID: 1501, Home: w.home},
			Env:     Environ{"HOME=/x", "LANG=C.UTF-8", "TERM=dumb", "LD_PRELOAD=/x.so", "WAYLAND_DISPLAY=wayland-9", "SPACE=a b", "QUOTE='\"$\n", "LANG=second", "broken"}},
		Name: "debian", Home: "/home/alice",
		Account:      account.Account{Name: "alice", UID: 1500, GID: 1501, Home: "/home/alice", Shell: "/bin/bash"},
		AccountFiles: []File{{Path: "/etc/passwd", Data: []byte("alice:x:1500:1501::/home/alice:/bin/bash\n"), Why: "the account alice"}},
		Allowed:      func(name string) bool { return !slices.Contains(w.deny, name) },
	}
	w.identity.Known = true
	w.req = Request{Argv: []string{"firefox", "a b"}, HomeStore: HostPath(w.home + "/.local/share/chrun/homes/debian")}
}

// locate returns the path of an entry on the host.
func (w *world) locate(name string) string {
	for prefix, dir := range map[string]string{"tree/": w.tree, "home/": w.home, "run/": w.run} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return filepath.Join(dir, rest)
		}
	}
	return filepath.Join(w.dir+"/", name)
}

// makeEntry makes a directory ("x/"), a symlink ("x -> y") or a file. In the
// target of a symlink, DIR is the directory of the world.
func (w *world) makeEntry(entry string) {
	w.Helper()
	name, target, isLink := strings.Cut(entry, " -> ")
	at := w.locate(name)
	err := os.MkdirAll(filepath.Dir(at), 0o755)
	switch {
	case isLink:
		err = errors.Join(err, os.Symlink(strings.ReplaceAll(target, "DIR", w.dir), at))
	case strings.HasSuffix(entry, "/"):
		err = errors.Join(err, os.MkdirAll(at, 0o755))
	default:
		err = errors.Join(err, os.WriteFile(at, []byte(filepath.Base(name)+"\n"), 0o644))
	}
	if err != nil {
		w.Fatal(err)
	}
}

// makeBare removes files that a fresh tree may lack, and shares more of them.
func (w *world) makeBare() {
	for _, name := range []string{"hosts", "resolv.conf"} {
		os.Remove(filepath.Join(w.tree, "etc", name))
	}
	w.makeEntry("tree/usr/share/zoneinfo/UTC")
	w.makeEntry("tree/etc/localtime -> ../usr/share/zoneinfo/UTC")
	w.more = append(w.more, Offer{Feature: Feature{Name: "locale-time"}, Allowed: true, Share: Share{State: "Europe/Berlin", Files: []File{
		{Path: "/etc/localtime", Data: []byte("zone"), Instead: Var{"TZ", "CET-1CEST"}, Why: "the host's"}}}},
		Offer{Feature: Feature{Name: "hosts"}, Allowed: true, Share: Share{Files: []File{{Path: "/etc/hosts", Data: []byte("hosts\n"), Why: "the host's"}}}})
}

// offers returns what features of each kind offer.
func (w *world) offers() []Offer {
	wayland, bus := HostPath(w.run+"/wayland-1"), HostPath(w.run+"/bus")
	list := []Offer{
		{Feature: Feature{Name: "wayland", Variables: []string{"WAYLAND_DISPLAY", "WAYLAND_SOCKET"}},
			Share: Share{State: "wayland-1 (listening)", Env: []Var{{"WAYLAND_DISPLAY", "wayland-1"}},
				Binds: Socket{Real: wayland, Path: wayland}.Binds(w.f, "the Wayland compositor's socket")}},
		{Feature: Feature{Name: "x11", Variables: []string{"DISPLAY", "XAUTHORITY"}},
			Share: Share{State: ":0", Env: []Var{{"DISPLAY", ":0"}, {"XAUTHORITY", "/run/chrun/Xauthority"}},
				Files: []File{{Path: "/run/chrun/Xauthority", Data: []byte(secret), Mode: 0o600}}, Notes: []string{"the cookie is from /home/alice/.Xauthority"}}},
		{Feature: Feature{Name: "session-bus"}, Share: Share{State: "unix:path=" + string(bus)}},
		{Feature: Feature{Name: "network-files"},
			Share: Share{State: "/etc/resolv.conf", Warnings: []string{"/etc/hosts cannot be read"},
				Files: []File{{Path: "/etc/resolv.conf", Data: []byte("resolv.conf\n"), HostFile: HostPath(w.dir + "/etc/resolv.conf"), ForRoot: true, Why: "the host's"}}}},
	}
	if w.f.PrivateRuntimeDir() {
		list[1].Share.Admissions = []Admission{{Display: ":0", Why: "x11: the server has no cookie"}}
	}
	if w.f.NeedsBusRelay() {
		list[2].Share.Relay = &Relay{Bus: string(bus), Path: Path(bus)}
	}
	for i, o := range list {
		list[i].Allowed = w.f.Allowed(o.Feature.Name)
		if !list[i].Allowed {
			list[i].Share = Share{}
			if o.Feature.Name == "wayland" {
				list[i].Share.Cover = []Path{Path(wayland), Path(w.run + "/none")}
			}
		}
	}
	return append(list, w.more...)
}

// secret is the content of the X11 cookie.
const secret = "a secret cookie"

// decide makes the plan. If the test runs as root, it gives the thread of the test
// another real uid, for which access(2) checks permissions.
func (w *world) decide() (*Plan, error) {
	w.Helper()
	w.decideIdentity()
	defer w.setPermissions()()
	if os.Geteuid() == 0 {
		runtime.LockOSThread() // and the thread ends with the test
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 61234, ^uintptr(0), ^uintptr(0)); e != 0 {
			w.Fatal(e)
		}
	}
	root, err := rootfs.Open(HostPath(w.tree))
	if err != nil {
		w.Fatal(err)
	}
	defer root.Close()
	w.f.Root = root
	env := Environment{Login: []Var{{"PATH", "/usr/local/bin:/usr/bin"}}, Keep: func(name, value string) (bool, string) {
		return name != "LD_PRELOAD", "it names a file of the host"
	}}
	return Decide(w.f, w.req, w.offers(), env)
}

func (w *world) decideIdentity() {
	w.Helper()
	if w.req.RootInside {
		w.req.NoDesktop, w.f.Identity = true, Identity{Kind: AsRoot, Why: "root enters without a user namespace"}
		w.f.Caller.UID, w.f.Caller.GID, w.f.Home = 0, 0, "/root"
		w.f.Account = account.Account{Name: "root", Home: "/root", Shell: "/bin/bash"}
		return
	}
	c := w.identity
	c.Caller, c.Account, c.MappedNumber = w.f.Caller, w.f.Account, w.f.Caller.UID
	c.HostUserName = func(int) (string, bool) { return "", false }
	c.IsHostGroup = func(int) bool { return false }
	id, err := c.Decide()
	if err != nil {
		w.Fatal(err)
	}
	w.f.Identity, w.f.Account.UID, w.f.Account.GID = id, id.InsideUID, id.InsideGID
}

// setPermissions takes away the permission to write the directories of the tree
// that are not writable: the tests may run as their owner. The returned function
// restores it.
func (w *world) setPermissions() (restore func()) {
	var dirs []string
	filepath.WalkDir(w.tree, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			dirs = append(dirs, p)
		}
		return nil
	})
	for _, d := range dirs {
		mode := os.FileMode(0o555)
		if rel, _ := filepath.Rel(w.tree, d); w.req.RootInside || slices.Contains(w.writable, rel) {
			mode = 0o777
		}
		os.Chmod(d, mode)
	}
	return func() {
		for _, d := range dirs {
			os.Chmod(d, 0o755)
		}
	}
}
