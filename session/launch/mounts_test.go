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

// mountAt returns the topmost mount on p.
func (r *report) mountAt(p string) (fstype, options string) {
	for _, m := range r.Mounts {
		if f := strings.Fields(m); f[0] == p {
			fstype, options = f[1], f[2]
		}
	}
	return fstype, options
}

// expectMount checks the mount on p.
func (r *report) expectMount(t *testing.T, p, fstype string, options ...string) {
	t.Helper()
	fs, opts := r.mountAt(p)
	for _, o := range options {
		if !slices.Contains(strings.Split(opts, ","), o) {
			t.Errorf("%s is mounted %q, without %s", p, opts, o)
		}
	}
	if fs == "" || fstype != "" && fs != fstype {
		t.Errorf("on %s is %q, want %s", p, fs, fstype)
	}
}

// The program sees the planned mounts and nothing else of the host.
func TestMounts(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	tree.seal()
	sum := tree.sum()
	got := perform(t, setup{Caller: c, Request: tree.request("probe", "report")}).report(t)
	got.expectMount(t, "/", "")
	got.expectMount(t, "/proc", "proc")
	got.expectMount(t, "/sys", "")
	got.expectMount(t, "/dev", "")
	got.expectMount(t, "/tmp", "")
	got.expectMount(t, "/run", "tmpfs", "rw", "nosuid", "nodev")
	got.expectMount(t, "/etc", "overlay", "ro", "nosuid", "nodev")
	got.expectMount(t, testHome, "tmpfs", "rw", "nosuid", "nodev")
	for _, m := range got.Mounts {
		p, _, _ := strings.Cut(m, " ")
		if !slices.ContainsFunc([]string{"/proc", "/sys", "/dev", "/tmp", "/run", "/etc", testHome}, func(top string) bool {
			return p == "/" || p == top || strings.HasPrefix(p, top+"/")
		}) {
			t.Errorf("also mounted: %s", m)
		}
	}
	if now := tree.sum(); now != sum {
		t.Error("the tree has changed")
	}
	perform(t, setup{Caller: c, Request: tree.request("probe", "read", "/etc/hostname")}).expect(t, 0, "tree\n")
	out := perform(t, setup{Caller: c, Request: tree.request("probe", "read", "/etc/passwd")}).out
	if !strings.HasPrefix(out, "tester:x:"+itoa(c.UID)+":") || !strings.Contains(out, "root:x:0") {
		t.Errorf("passwd inside: %q", out)
	}
	if got := perform(t, setup{Caller: c, Request: tree.request("probe", "write", "/etc/new", "x")}); got.status != 98 {
		t.Errorf("/etc can be written: %+v", got)
	}
}

// Root without a desktop can write the tree, as with chroot(1).
func TestMountsAsRoot(t *testing.T) {
	headless.Root(t)
	tree := newTree(t)
	root := &caller{name: "root"}
	got := perform(t, setup{Caller: root, Request: tree.request("probe", "report")}).report(t)
	for _, p := range []string{"/proc", "/sys", "/dev", "/run"} {
		got.expectMount(t, p, "")
	}
	if fs, _ := got.mountAt("/etc"); fs != "" {
		t.Errorf("/etc is %s: package managers could not write it", fs)
	}
	perform(t, setup{Caller: root, Request: tree.request("probe", "write", "/etc/new", "kept")}).expect(t, 0, "")
	if data, err := os.ReadFile(filepath.Join(tree.at, "etc/new")); string(data) != "kept" {
		t.Errorf("%q, %v", data, err)
	}
}

// Mount points that are missing in the tree exist inside, and are not made in the
// tree.
func TestMissingMountPoints(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		for _, missing := range [][]string{{"run"}, {"home"}, {"home/tester"}, {"proc"}, {"sys"}, {"dev"}, {"tmp"}, {"etc/ssl", "etc"},
			{"run", "home", "proc", "sys", "dev", "tmp", "etc", "root"}} {
			t.Run(strings.ReplaceAll(strings.Join(missing, ","), "/", "_"), func(t *testing.T) {
				tree := newTree(t, missing...)
				tree.check(os.Symlink("usr/lib", filepath.Join(tree.at, "lib")))
				tree.file("usr/lib/x", "through a symlink\n", 0o644)
				tree.seal()
				sum := tree.sum()
				got := perform(t, setup{Caller: c, Request: tree.request("probe", "report")}).report(t)
				for _, p := range []string{"/proc", "/sys", "/dev", "/run"} {
					got.expectMount(t, p, "")
				}
				perform(t, setup{Caller: c, Request: tree.request("probe", "read", "/lib/x")}).expect(t, 0, "through a symlink\n")
				if c.UID == 0 {
					return // root can write the tree, so the mount points are made there
				}
				got.expectMount(t, "/tmp", "")
				got.expectMount(t, testHome, "tmpfs")
				if now := tree.sum(); now != sum {
					t.Error("the tree has changed")
				}
			})
		}
	})
}

// A tree that the caller can write keeps its own /etc. Missing mount points are
// made in it as empty directories.
func TestWritableTree(t *testing.T) {
	c := plain(t)
	tree := newTree(t, "home", "run")
	for _, d := range []string{"", "etc", "etc/passwd", "tmp", "usr"} {
		tree.chown(c, filepath.Join(tree.at, d))
	}
	perform(t, setup{Caller: c, Request: tree.request("probe", "write", "/etc/new", "kept")}).expect(t, 0, "")
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

// For users the kernel refuses an overlay over a directory with a mount below it.
// The launch then binds single files instead.
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
	rep.expectMount(t, "/etc/passwd", "tmpfs", "ro")
	rep.expectMount(t, "/etc/ssl", "tmpfs")
	if rep.Umask != "0027" || len(rep.Files) > 3+len(leaked(t)) {
		t.Errorf("after the first attempt the umask is %s, the descriptors are %v", rep.Umask, rep.Files)
	}
	s.Request = tree.request("probe", "read", "/etc/passwd")
	if out := perform(t, s).out; !strings.HasPrefix(out, "tester:x:") {
		t.Errorf("passwd inside: %q", out)
	}
}

// leaked returns descriptors that the tests have inherited without close-on-exec.
func leaked(t *testing.T) (fds []int) {
	for fd := 3; fd < 64; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, fd)
		}
	}
	return fds
}

// Without the network there is only loopback, and it works.
func TestNetworkDenied(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	r := tree.request("probe", "net")
	r.Network = true
	got := perform(t, setup{Caller: c, Request: r})
	for _, line := range strings.Split(strings.TrimSpace(got.out), "\n") {
		// Kernels with tunnel modules add devices, which are down.
		if name, up, _ := strings.Cut(line, " "); (name == "lo") != (up == "true") {
			t.Errorf("interface %s", line)
		}
	}
	if got.status != 0 || !strings.Contains(got.out, "lo true") {
		t.Errorf("%+v", got)
	}
}

// Without devices, /dev has only the basic devices that programs need.
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
	perform(t, setup{Caller: c, Request: r}).expect(t, 0, "")
	r = tree.request("probe", "list", "/tmp", "/dev/shm")
	r.Deny = []string{"devices", "shm", "tmp"}
	perform(t, setup{Caller: c, Request: r}).expect(t, 0, "")
}

// Homes of each kind can be written. The private one persists and is filled from
// the tree's skeleton.
func TestHomes(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	tree.file("etc/skel/.profile", "skel\n", 0o644)
	tree.check(os.Symlink("/etc/hostname", filepath.Join(tree.at, "etc/skel/link")))
	store := tree.outside("data")
	tree.chown(c, store)
	private := func(argv ...string) *request {
		r := tree.request(argv...)
		r.Home, r.HomeStore = session.HomePrivate, filepath.Join(store, "homes/test")
		return r
	}
	perform(t, setup{Caller: c, Request: private("probe", "read", testHome+"/.profile")}).expect(t, 0, "skel\n")
	perform(t, setup{Caller: c, Request: private("probe", "read", testHome+"/link")}).expect(t, 0, "tree\n")
	perform(t, setup{Caller: c, Request: private("probe", "write", testHome+"/kept", "x")}).expect(t, 0, "")
	perform(t, setup{Caller: c, Request: private("probe", "read", testHome+"/kept")}).expect(t, 0, "x")
	st, err := os.Stat(filepath.Join(store, "homes/test"))
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st, err)
	}
	if list, _ := filepath.Glob(filepath.Join(store, "homes/.new-*")); len(list) != 0 {
		t.Errorf("left over: %v", list)
	}
	perform(t, setup{Caller: c, Request: tree.request("probe", "write", testHome+"/x", "x")}).expect(t, 0, "")
	perform(t, setup{Caller: c, Request: tree.request("probe", "list", testHome)}).expect(t, 0, "")
	own := filepath.Join(tree.at, "home/tester")
	tree.chown(c, own)
	r := tree.request("probe", "write", testHome+"/own", "x")
	r.Home = session.HomeAuto
	perform(t, setup{Caller: c, Request: r}).expect(t, 0, "")
	if _, err := os.Stat(filepath.Join(own, "own")); err != nil {
		t.Error(err)
	}
}

// A mount point can be missing in a directory with many entries, whatever the
// caller's limits are. 4096 is the kernel's default hard limit of open files.
func TestManyEntries(t *testing.T) {
	c := plain(t)
	tree := newTree(t, "home/tester")
	for i := range 1200 {
		tree.file("home/file"+itoa(i), "", 0o644)
	}
	s := setup{Caller: c, Request: tree.request("probe", "exit", "0"),
		Limits: map[int]unix.Rlimit{unix.RLIMIT_NOFILE: {Cur: 1024, Max: 4096}}}
	tree.seal()
	perform(t, s).expect(t, 0, "")
}
