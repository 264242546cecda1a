package session

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session/account"
)

// testdata/plans shows what a launch does: the plan of each case as chrun -n
// prints it, and of some as chrun -n=shell.
var update = flag.Bool("update", false, "rewrite testdata/plans")

// isolated is set in a process that TestPlans has started in a user namespace.
const isolated = "CHRUN_TEST_ISOLATED"

// newHost makes a world with the paths of a real host, so that the plans read
// like real ones: the tree is /srv/debian and alice's home is /home/alice. It
// gives the thread of the test its own mount namespace for that.
func newHost(t *testing.T, entries ...string) *world {
	t.Helper()
	runtime.LockOSThread() // and the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		skip(t, "root", err)
	}
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	for _, dir := range []string{"/srv", "/run", "/home", "/etc"} {
		err = errors.Join(err, os.NewSyscallError("mount "+dir, unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755")))
	}
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, tree: "/srv/debian", home: "/home/alice", run: "/run/user/1500"}
	w.fill(entries)
	if os.Geteuid() == 0 {
		os.Chown(w.run, 1500, -1) // otherwise the caller has made it
	}
	w.f.Caller.Host, w.f.Caller.Env = "/", Environ{"HOME=/home/alice", "LANG=C.UTF-8", "TERM=xterm", "LD_PRELOAD=/usr/lib/libfoo.so"}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: w.run + "/wayland-1", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	t.Cleanup(func() { l.Close() })
	os.Chmod(w.run+"/wayland-1", 0o777) // the launch checks that the caller can connect
	return w
}

// isolate reports whether this process may mount. If it may not, isolate runs the
// test in a process that may, in a user namespace.
func isolate(t *testing.T) bool {
	if os.Geteuid() == 0 || os.Getenv(isolated) != "" {
		return true
	}
	args := []string{"-test.run=^" + t.Name() + "$", "-test.v"}
	if *update {
		args = append(args, "-update")
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), isolated+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN},
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 1500, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		t.Errorf("in a user namespace: %v\n%s", err, out)
	case err != nil:
		skip(t, "userns", err)
	}
	return false
}

// skip skips the test, unless $CHRUN_TEST_MUST names what the machine lacks.
func skip(t *testing.T, need string, err error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("CHRUN_TEST_MUST"), ","), need) {
		t.Fatalf("%s is needed: %v", need, err)
	}
	t.Skipf("no %s: %v", need, err)
}

// base are the directories that an ordinary tree has besides those of fill.
var base = []string{"tree/proc/", "tree/sys/", "tree/dev/", "tree/run/", "tree/tmp/", "tree/home/alice/", "tree/root/", "tree/etc/passwd"}

// goldenCase is a launch whose plan is in testdata/plans.
type goldenCase struct {
	name    string
	about   string // what differs from the case match
	entries []string
	do      func(*world)
	script  bool // the plan as shell commands is in testdata/plans too
	check   func(*testing.T, *Plan)
}

var goldenCases = []goldenCase{
	{name: "match", about: "An ordinary launch: the program has the caller's uid.", entries: base, script: true, check: checkMatch},
	{name: "remap", about: "The program sees the uid of the account user.", entries: base, script: true,
		do: func(w *world) { w.identity.Requested = Remap; w.be("user", 1000) }},
	{name: "grant", about: "Root starts the program with the uid of the account user.", entries: base, script: true,
		do: func(w *world) { w.identity.Requested, w.identity.Root = Grant, true; w.be("user", 1000) }, check: checkGrant},
	{name: "subid", about: "The tree belongs to the caller's subordinate ids.", entries: base, do: func(w *world) {
		subs := []account.Range{{First: 100000, Count: 65536}}
		w.identity.OwnerUID, w.identity.OwnerGID, w.identity.SubUIDs, w.identity.SubGIDs = 100000, 100000, subs, subs
	}},
	{name: "root", about: "Root runs a login shell, without a desktop.", entries: base, do: func(w *world) { w.req.RootInside, w.req.Argv = true, nil }},
	{name: "writable", about: "The program can write the tree.", entries: append(base, "tree/srv/"), do: func(w *world) {
		w.writable = []string{".", "etc", "home", "run", "tmp", "srv"}
	}},
	{name: "root-bare", about: "Root runs a login shell in a tree without resolv.conf, hosts and localtime.", entries: base, script: true,
		do: func(w *world) { w.req.RootInside, w.req.Argv = true, nil; w.makeBare() }},
	{name: "writable-bare", about: "The program can write the tree, which has no resolv.conf, hosts and localtime.", entries: base,
		do: func(w *world) { w.writable = []string{".", "etc"}; w.makeBare() }},
	{name: "missing", about: "The tree lacks most mount points.", entries: []string{"tree/lib -> usr/lib", "tree/home/bob/", "tree/etc/passwd", "tree/.hidden"}},
	{name: "writable-missing", about: "The tree lacks most mount points, but the program can write it.", entries: []string{"tree/proc/", "tree/etc/passwd"},
		do: func(w *world) { w.writable = []string{".", "etc"} }},
	{name: "links", about: "Symlinks of the tree lead into the host, nowhere, and in circles.",
		entries: []string{"tree/etc/passwd", "tree/home -> /proc/self/root", "tree/tmp -> /", "tree/run -> var/run", "tree/var/run -> ../run",
			"tree/dev -> nowhere", "tree/proc/", "tree/sys/"}},
	{name: "no-overlay", about: "The kernel cannot mount an overlay.", entries: base, do: func(w *world) { w.req.NoOverlay = true }},
	{name: "no-runtime-dir", about: "The caller has no runtime directory.", entries: base, do: func(w *world) { w.f.Caller.RuntimeDir = "" }},
	{name: "denied", about: "Devices, /tmp, the display and the network are denied.", entries: base, do: func(w *world) {
		w.deny = []string{"gpu", "devices", "shm", "tmp", "wayland", "x11", "network"}
	}, check: checkDenied},
	{name: "binds", about: "--bind shares directories and files, in a temporary home too.",
		entries: append(base, "srv/share/sub/", "srv/share/file", "tree/opt/", "tree/opt/link -> /run/x", "tree/opt/file"), do: addBinds},
	{name: "home-auto", about: "The chroot has a home that the caller can write.", entries: base, do: func(w *world) { w.writable = []string{"home/alice"} }},
	{name: "home-private", about: "--home=private, though the chroot has a home.", entries: base, do: func(w *world) { w.req.Home, w.writable = HomePrivate, []string{"home/alice"} }},
	{name: "home-host", about: "--home=host.", entries: base, do: func(w *world) { w.req.Home = HomeHost }},
	{name: "home-temporary", about: "--home=temporary.", entries: base, do: func(w *world) { w.req.Home = HomeTemporary }},
	{name: "home-directory", about: "--home=DIR.", entries: append(base, "home/mine/"), do: func(w *world) {
		w.req.Home, w.req.HomeDirectory = HomeDir, HostPath(w.home+"/mine")
	}},
}

// be makes the program be another account.
func (w *world) be(name string, uid int) {
	w.f.Account = account.Account{Name: name, UID: uid, GID: uid, Home: "/home/" + name, Shell: "/bin/bash"}
	w.f.AccountFiles = nil
}

func addBinds(w *world) {
	for _, b := range []struct {
		source, dest string
		readOnly     bool
	}{
		{"/srv/share", "/mnt/new", false}, {"/srv/share", "/run/mine", true}, {"/srv/share/file", "/run/mine-file", false},
		{"/srv/share", "/home/alice/share", false}, {"/srv/share", "/opt/link/y", false}, {"/srv/share/file", "/opt/file", true},
	} {
		w.req.Binds = append(w.req.Binds, Bind{Source: HostPath(b.source), Dest: Path(b.dest), ReadOnly: b.readOnly, Required: true, Why: "requested"})
	}
	w.req.Home = HomeTemporary
}

func TestPlans(t *testing.T) {
	if !isolate(t) {
		return
	}
	for _, c := range goldenCases {
		t.Run(c.name, func(t *testing.T) {
			w := newHost(t, c.entries...)
			if c.do != nil {
				c.do(w)
			}
			plan, err := w.decide()
			if err != nil {
				t.Fatal(err)
			}
			plan.Network = !w.f.Allowed("network")
			compareGolden(t, c.name+".txt", c.about+"\n\n"+plan.Text())
			if c.script {
				compareGolden(t, c.name+".sh", "# "+c.about+"\n\n"+plan.Shell()+"\n")
			}
			checkPlan(t, plan)
			if c.check != nil {
				c.check(t, plan)
			}
		})
	}
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	got = regexp.MustCompile(`(\nnote: )?[^\n]*/dev/mqueue[^\n]*\n`).ReplaceAllString(got, "") // not every kernel has it
	file := filepath.Join("testdata", "plans", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test ./session -update creates it)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run go test ./session -update, then read git diff):\n%s", file, diffLines(string(want), got))
	}
}

// diffLines lists the lines that only one side has.
func diffLines(want, got string) string {
	var b strings.Builder
	for _, side := range []struct{ mark, lines, other string }{{"-", want, got}, {"+", got, want}} {
		count := map[string]int{}
		for _, l := range strings.Split(side.other, "\n") {
			count[l]++
		}
		for _, l := range strings.Split(side.lines, "\n") {
			if count[l]--; count[l] < 0 {
				b.WriteString(side.mark + l + "\n")
			}
		}
	}
	if b.Len() == 0 {
		return "(only the order differs)"
	}
	return b.String()
}

// Every golden file belongs to a case.
func TestNoStaleGoldenFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/plans/*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		name, ext, _ := strings.Cut(filepath.Base(f), ".")
		i := slices.IndexFunc(goldenCases, func(c goldenCase) bool { return c.name == name })
		if i < 0 || ext != "txt" && !(ext == "sh" && goldenCases[i].script) {
			t.Errorf("%s belongs to no case", f)
		}
	}
}

// checkPlan checks what every plan must fulfil.
func checkPlan(t *testing.T, p *Plan) {
	t.Helper()
	checkNodes(t, p)
	checkMounts(t, p)
	text, script := p.Text(), p.Shell()
	for _, m := range p.Mounts {
		if !strings.Contains(text, fmt.Sprintf("\n  %-28s <- ", m.Dest)) || !strings.Contains(script, filepath.Join("/mnt/.root", string(m.Dest))) {
			t.Errorf("the mount on %s is missing from the text or the script", m.Dest)
		}
	}
	if strings.Contains(text+script, secret) {
		t.Error("the text or the script contains the cookie")
	}
	sh := exec.Command("sh", "-n")
	sh.Stdin = strings.NewReader(script)
	if out, err := sh.CombinedOutput(); err != nil {
		t.Errorf("the script is not valid: %v: %s", err, out)
	}
	data, err := json.Marshal(p)
	copied := &Plan{}
	shown := *p // without secrets
	shown.Tmpfs = slices.Clone(p.Tmpfs)
	for i, n := range shown.Tmpfs {
		if n.isSecret() {
			shown.Tmpfs[i].Data = nil
		}
	}
	if err = errors.Join(err, json.Unmarshal(data, copied)); err != nil || !reflect.DeepEqual(&shown, copied) || strings.Contains(string(data), base64.StdEncoding.EncodeToString([]byte(secret))) {
		t.Errorf("the plan changes as JSON: %v\n%+v\n%+v", err, p, copied)
	}
}

func checkNodes(t *testing.T, p *Plan) {
	t.Helper()
	kinds := map[string]NodeKind{}
	for _, n := range p.Tmpfs {
		if dir := filepath.Dir(n.Path); dir != "." && kinds[dir] != Dir {
			t.Errorf("%s comes before its directory", n.Path)
		}
		if kinds[n.Path] != "" || !filepath.IsLocal(n.Path) || filepath.Clean(n.Path) != n.Path {
			t.Errorf("node %q", n.Path)
		}
		kinds[n.Path] = n.Kind
	}
	for _, m := range p.Mounts {
		if kind := kinds[m.Source]; m.Kind == FromTmpfs && kind != Dir && kind != Regular {
			t.Errorf("%s is mounted from %q, which is %q", m.Dest, m.Source, kind)
		}
	}
}

func checkMounts(t *testing.T, p *Plan) {
	t.Helper()
	for i, m := range p.Mounts {
		switch {
		case i == 0 && (m.Dest != "/" || m.Into != -1), i > 0 && (m.Into < 0 || m.Into >= i || m.Rel == ""):
			t.Errorf("mount %d: %+v", i, m)
		case i > 0 && p.Mounts[m.Into].Dest.Join(m.Rel) != m.Dest:
			t.Errorf("%s is not %s in %s", m.Dest, m.Rel, p.Mounts[m.Into].Dest)
		case i > 0 && p.Mounts[m.Into].Kind == FromHost && !p.Mounts[m.Into].AllowMountPoints && !exists(p.Mounts[m.Into].Source, m.Rel):
			t.Errorf("%s would have to be created on the host", m.Dest)
		}
		if m.Why == "" || m.Feature == "" {
			t.Errorf("%s has no reason", m.Dest)
		}
	}
}

func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}

// findMount returns the mount on dest.
func findMount(t *testing.T, p *Plan, dest Path) Mount {
	t.Helper()
	i := slices.IndexFunc(p.Mounts, func(m Mount) bool { return m.Dest == dest })
	if i < 0 {
		t.Fatalf("nothing is mounted on %s", dest)
	}
	return p.Mounts[i]
}

// An ordinary launch changes nothing on the host outside the private home, and
// shows nothing of the caller's home.
func checkMatch(t *testing.T, p *Plan) {
	if len(p.Admissions)+len(p.Relays) > 0 || len(p.Preparations) != 1 || p.Preparations[0].Home != "/home/alice/.local/share/chrun/homes/debian" {
		t.Errorf("changes: %v, %v, %v", p.Admissions, p.Relays, p.Preparations)
	}
	if m := findMount(t, p, "/run/user/1500"); m.Source != "/run/user/1500" {
		t.Errorf("the runtime directory is %+v", m)
	}
}

// The program with another uid gets access to single sockets, and to nothing else
// that is the caller's.
func checkGrant(t *testing.T, p *Plan) {
	if len(p.Relays) != 1 || len(p.Admissions) != 2 || p.Admissions[0].Display != ":0" || p.Admissions[1].Socket != "/run/user/1500/wayland-1" {
		t.Errorf("relays %v, admissions %+v", p.Relays, p.Admissions)
	}
	if m := findMount(t, p, "/run/user/1500"); m.Kind != FromTmpfs {
		t.Errorf("the runtime directory is %+v", m)
	}
	for _, m := range p.Mounts {
		if m.Kind == FromHost && m.Feature != "base" && !m.NoSuidNoDev {
			t.Errorf("%s may have setuid programs and devices", m.Dest)
		}
		if m.Kind == FromHost && HostPath(m.Source).IsBelow("/home/alice") {
			t.Errorf("%s is in the caller's home", m.Source)
		}
	}
	for _, n := range p.Tmpfs {
		if own := n.Path == "run/chrun/Xauthority" || n.Path == "runtime" || n.Path == "home"; own && !n.OwnedByProgram {
			t.Errorf("%s does not belong to the program", n.Path)
		}
	}
}

// Denied features set no variable, and their sockets are covered.
func checkDenied(t *testing.T, p *Plan) {
	for _, name := range []string{"WAYLAND_DISPLAY", "DISPLAY", "XAUTHORITY"} {
		if v, ok := p.Env.Lookup(name); ok {
			t.Errorf("%s=%s", name, v)
		}
	}
	if m := findMount(t, p, "/run/user/1500/wayland-1"); m.Source != "/dev/null" {
		t.Errorf("the socket is covered by %+v", m)
	}
	for _, dest := range []Path{"/dev", "/tmp"} {
		if m := findMount(t, p, dest); m.Kind != FromTmpfs {
			t.Errorf("%s is %+v", dest, m)
		}
	}
}
