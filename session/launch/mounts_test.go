package launch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
	"chrun/session"
)

// mount finds the topmost mount at p in a report.
func (r *report) mount(p string) (fstype, options string) {
	for _, m := range r.Mounts {
		if f := strings.Fields(m); f[0] == p {
			fstype, options = f[1], f[2]
		}
	}
	return fstype, options
}

func (r *report) wantMount(t *testing.T, p, fstype string, options ...string) {
	t.Helper()
	fs, opts := r.mount(p)
	for _, o := range options {
		if !slices.Contains(strings.Split(opts, ","), o) {
			t.Errorf("%s is mounted %q, without %s", p, opts, o)
		}
	}
	if fs == "" || fstype != "" && fs != fstype {
		t.Errorf("on %s is %q, want %s", p, fs, fstype)
	}
}

// What is mounted inside, and that nothing else of the host is.
func TestMounts(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	tree.seal()
	sum := tree.sum()
	got := perform(t, setup{Caller: c, Request: tree.request("probe", "report")}).report(t)
	got.wantMount(t, "/", "")
	got.wantMount(t, "/proc", "proc")
	got.wantMount(t, "/sys", "")
	got.wantMount(t, "/dev", "")
	got.wantMount(t, "/tmp", "")
	got.wantMount(t, "/run", "tmpfs", "rw", "nosuid", "nodev")
	got.wantMount(t, "/etc", "overlay", "ro", "nosuid", "nodev")
	got.wantMount(t, testHome, "tmpfs", "rw", "nosuid", "nodev")
	for _, m := range got.Mounts {
		p, _, _ := strings.Cut(m, " ")
		if !slices.ContainsFunc([]string{"/proc", "/sys", "/dev", "/tmp", "/run", "/etc", testHome}, func(top string) bool {
			return p == "/" || p == top || strings.HasPrefix(p, top+"/")
		}) {
			t.Errorf("mounted too: %s", m)
		}
	}
	if now := tree.sum(); now != sum {
		t.Error("the tree has changed")
	}
	perform(t, setup{Caller: c, Request: tree.request("probe", "read", "/etc/hostname")}).want(t, 0, "tree\n")
	out := perform(t, setup{Caller: c, Request: tree.request("probe", "read", "/etc/passwd")}).out
	if !strings.HasPrefix(out, "tester:x:"+itoa(c.UID)+":") || !strings.Contains(out, "root:x:0") {
		t.Errorf("passwd inside: %q", out)
	}
	if got := perform(t, setup{Caller: c, Request: tree.request("probe", "write", "/etc/new", "x")}); got.status != 98 {
		t.Errorf("/etc can be written: %+v", got)
	}
}

// Root enters with no desktop, and may write the tree as through chroot(1).
func TestMountsAsRoot(t *testing.T) {
	headless.Root(t)
	tree := newTree(t)
	root := &caller{name: "root"}
	got := perform(t, setup{Caller: root, Request: tree.request("probe", "report")}).report(t)
	for _, p := range []string{"/proc", "/sys", "/dev", "/run"} {
		got.wantMount(t, p, "")
	}
	if fs, _ := got.mount("/etc"); fs != "" {
		t.Errorf("/etc is %s: package managers could not write it", fs)
	}
	perform(t, setup{Caller: root, Request: tree.request("probe", "write", "/etc/new", "kept")}).want(t, 0, "")
	if data, err := os.ReadFile(filepath.Join(tree.at, "etc/new")); string(data) != "kept" {
		t.Errorf("%q, %v", data, err)
	}
}

// Mount points that the tree lacks are there inside, and not in the tree.
func TestLacks(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		for _, lacks := range [][]string{{"run"}, {"home"}, {"home/tester"}, {"proc"}, {"sys"}, {"dev"}, {"tmp"}, {"etc/ssl", "etc"},
			{"run", "home", "proc", "sys", "dev", "tmp", "etc", "root"}} {
			t.Run(strings.ReplaceAll(strings.Join(lacks, ","), "/", "_"), func(t *testing.T) {
				tree := newTree(t, lacks...)
				tree.check(os.Symlink("usr/lib", filepath.Join(tree.at, "lib")))
				tree.file("usr/lib/x", "through a link\n", 0o644)
				tree.seal()
				sum := tree.sum()
				got := perform(t, setup{Caller: c, Request: tree.request("probe", "report")}).report(t)
				for _, p := range []string{"/proc", "/sys", "/dev", "/run"} {
					got.wantMount(t, p, "")
				}
				perform(t, setup{Caller: c, Request: tree.request("probe", "read", "/lib/x")}).want(t, 0, "through a link\n")
				if c.UID == 0 {
					return // root may write it: an empty mount point is made
				}
				got.wantMount(t, "/tmp", "")
				got.wantMount(t, testHome, "tmpfs")
				if now := tree.sum(); now != sum {
					t.Error("the tree has changed")
				}
			})
		}
	})
}

// A tree that its caller may write keeps its own /etc, and gets an empty
// directory for each mount point it lacks.
func TestWritableTree(t *testing.T) {
	c := plain(t)
	tree := newTree(t, "home", "run")
	for _, d := range []string{"", "etc", "etc/passwd", "tmp", "usr"} {
		tree.own(c, filepath.Join(tree.at, d))
	}
	perform(t, setup{Caller: c, Request: tree.request("probe", "write", "/etc/new", "kept")}).want(t, 0, "")
	data, err := os.ReadFile(filepath.Join(tree.at, "etc/new"))
	if string(data) != "kept" {
		t.Errorf("%q, %v", data, err)
	}
	out := perform(t, setup{Caller: c, Request: tree.request("probe", "read", "/etc/passwd")}).out
	if !strings.HasPrefix(out, "tester:x:") {
		t.Errorf("passwd inside: %q", out)
	}
	for _, d := range []string{"run", "home/tester"} {
		list, err := os.ReadDir(filepath.Join(tree.at, d))
		if err != nil || len(list) != 0 {
			t.Errorf("%s: %v, %v", d, list, err)
		}
	}
	if data, _ := os.ReadFile(filepath.Join(tree.at, "etc/passwd")); strings.Contains(string(data), "tester") {
		t.Error("passwd of the tree was changed")
	}
}

// The kernel refuses an overlay over a directory with a mount below it to a
// user: the launch is made again with single files bound, and works.
func TestOverlayRefused(t *testing.T) {
	headless.Root(t)
	c := plain(t)
	tree := newTree(t)
	below := tree.mkdir("etc/ssl")
	s := setup{Caller: c, Mounts: [][]string{{"tmpfs", "tmpfs", below, ""}}, Umask: 0o027}
	s.Request = tree.request("probe", "report")
	s.Request.Verbose = true
	got := perform(t, s)
	if got.err != "no overlay\n" {
		t.Errorf("%q", got.err)
	}
	rep := got.report(t)
	rep.wantMount(t, "/etc/passwd", "tmpfs", "ro")
	rep.wantMount(t, "/etc/ssl", "tmpfs")
	if rep.Umask != "0027" || len(rep.Files) > 3+len(leaked(t)) {
		t.Errorf("the first attempt has left umask %s, descriptors %v", rep.Umask, rep.Files)
	}
	s.Request = tree.request("probe", "read", "/etc/passwd")
	if out := perform(t, s).out; !strings.HasPrefix(out, "tester:x:") {
		t.Errorf("passwd inside: %q", out)
	}
}

// leaked are descriptors that whoever runs the tests hands to everybody.
func leaked(t *testing.T) (fds []int) {
	for fd := 3; fd < 64; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, fd)
		}
	}
	return fds
}

// Network denied: loopback alone, and it works.
func TestNetworkDenied(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	r := tree.request("probe", "net")
	r.Network = true
	got := perform(t, setup{Caller: c, Request: r})
	for _, line := range strings.Split(strings.TrimSpace(got.out), "\n") {
		// Kernels with tunnel modules add dead devices to every namespace.
		if name, up, _ := strings.Cut(line, " "); (name == "lo") != (up == "true") {
			t.Errorf("interface %s", line)
		}
	}
	if got.status != 0 || !strings.Contains(got.out, "lo true") {
		t.Errorf("%+v", got)
	}
}

// Devices denied: a /dev with the base alone, in which programs can live.
func TestOwnDev(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	r := tree.request("probe", "list", "/dev")
	r.Deny = []string{"devices", "shm", "gpu", "tmp"}
	got := perform(t, setup{Caller: c, Request: r})
	for _, want := range []string{"/dev/null Dc", "/dev/urandom Dc", "/dev/pts d", "/dev/shm d", "/dev/fd L"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %s in %+v", want, got)
		}
	}
	r = tree.request("probe", "write", "/dev/null", "x")
	r.Deny = []string{"devices", "shm", "tmp"}
	perform(t, setup{Caller: c, Request: r}).want(t, 0, "")
	r = tree.request("probe", "list", "/tmp", "/dev/shm")
	r.Deny = []string{"devices", "shm", "tmp"}
	perform(t, setup{Caller: c, Request: r}).want(t, 0, "")
}

// Homes: each kind can be written, and the private one lasts and has the
// tree's skel.
func TestHomes(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	tree.file("etc/skel/.profile", "skel\n", 0o644)
	tree.check(os.Symlink("/etc/hostname", filepath.Join(tree.at, "etc/skel/link")))
	store := tree.other("data")
	tree.own(c, store)
	private := func(argv ...string) *request {
		r := tree.request(argv...)
		r.Home, r.HomeStore = session.HomePrivate, filepath.Join(store, "homes/test")
		return r
	}
	perform(t, setup{Caller: c, Request: private("probe", "read", testHome+"/.profile")}).want(t, 0, "skel\n")
	perform(t, setup{Caller: c, Request: private("probe", "read", testHome+"/link")}).want(t, 0, "tree\n")
	perform(t, setup{Caller: c, Request: private("probe", "write", testHome+"/kept", "x")}).want(t, 0, "")
	perform(t, setup{Caller: c, Request: private("probe", "read", testHome+"/kept")}).want(t, 0, "x")
	st, err := os.Stat(filepath.Join(store, "homes/test"))
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st, err)
	}
	if list, _ := filepath.Glob(filepath.Join(store, "homes/.new-*")); len(list) != 0 {
		t.Errorf("left behind: %v", list)
	}
	perform(t, setup{Caller: c, Request: tree.request("probe", "write", testHome+"/x", "x")}).want(t, 0, "")
	perform(t, setup{Caller: c, Request: tree.request("probe", "list", testHome)}).want(t, 0, "")
	own := filepath.Join(tree.at, "home/tester")
	tree.own(c, own)
	r := tree.request("probe", "write", testHome+"/own", "x")
	r.Home = session.HomeAuto
	perform(t, setup{Caller: c, Request: r}).want(t, 0, "")
	if _, err := os.Stat(filepath.Join(own, "own")); err != nil {
		t.Error(err)
	}
}

// A directory of many entries that lacks a mount point: no limit of the
// caller's stands in the way. 4096 is the kernel's own hard limit of open files.
func TestManyEntries(t *testing.T) {
	c := plain(t)
	tree := newTree(t, "home/tester")
	for i := range 1200 {
		tree.file("home/file"+itoa(i), "", 0o644)
	}
	s := setup{Caller: c, Request: tree.request("probe", "exit", "0"),
		Limits: map[int]unix.Rlimit{unix.RLIMIT_NOFILE: {Cur: 1024, Max: 4096}}}
	tree.seal()
	perform(t, s).want(t, 0, "")
}
