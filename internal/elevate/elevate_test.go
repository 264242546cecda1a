package elevate

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/cli"
	"chrun/internal/headless"
	"chrun/internal/helper"
	"chrun/internal/request"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
)

func TestMain(m *testing.M) {
	if os.Args[0] == helper.Name {
		os.Exit(helper.Main(os.Args[1:], os.Environ()))
	}
	os.Exit(m.Run())
}

// someone is an account of the host that is not root's.
func someone(t *testing.T) account.Account {
	t.Helper()
	for _, name := range []string{"nobody", "daemon"} {
		if u, ok := account.LookUpHostUser(name, "/"); ok && u.UID != 0 {
			return u
		}
	}
	t.Fatal("the host has no account besides root")
	return account.Account{}
}

func call(t *testing.T, env session.Environ, args ...string) Call {
	t.Helper()
	flags, err := cli.ParseFlags(args)
	if err != nil {
		t.Fatal(err)
	}
	return Call{Flags: flags, Args: append([]string{"chrun"}, args...), Env: env, System: filepath.Join(t.TempDir(), "system"), Warn: func(text string) { t.Log(text) }}
}

func TestDesktopUser(t *testing.T) {
	u := someone(t)
	uid := strconv.Itoa(u.UID)
	for _, env := range []session.Environ{{"SUDO_UID=" + uid}, {"SUDO_UID=0", "DOAS_USER=" + u.Name}, {"DOAS_USER=root", "PKEXEC_UID=" + uid}} {
		if got, ok, err := desktopUser(env, []string{"chrun"}); err != nil || !ok || got.UID != u.UID {
			t.Errorf("%q: %+v %v %v", env, got, ok, err)
		}
	}
	// A variable that names no account stops everything.
	_, ok, err := desktopUser(session.Environ{"SUDO_UID=nosuch", "DOAS_USER=" + u.Name}, []string{"chrun", "-v", "a b"})
	if ok || err == nil || err.Error() != "cannot find the user who called root: SUDO_UID=\"nosuch\" names no account" ||
		strings.Join(cli.Hints(err), "") != "as root without a desktop: env -u SUDO_UID chrun -v 'a b'" {
		t.Errorf("%v %v %q", ok, err, cli.Hints(err))
	}
}

// Without a variable the login and the terminal decide, and root is never the
// desktop user.
func TestDesktopUserWithoutVariable(t *testing.T) {
	for _, env := range []session.Environ{{}, {"SUDO_UID=0", "DOAS_USER=root"}} {
		u, ok, err := desktopUser(env, []string{"chrun"})
		if err != nil || ok == (u.UID == 0) {
			t.Errorf("%q: %+v %v %v", env, u, ok, err)
		}
		login, _ := os.ReadFile("/proc/self/loginuid")
		if uid := strings.TrimSpace(string(login)); ok && uid != noLogin && uid != "0" && uid != strconv.Itoa(u.UID) {
			t.Errorf("%q: %+v, but uid %s logged in", env, u, uid)
		}
	}
}

// A tree that cannot be handed over stops the launch before it becomes the user's.
func TestBecomeWithoutTree(t *testing.T) {
	uid := os.Getuid()
	err := (&Decision{user: someone(t), tree: 9999}).Become([]string{"chrun"})
	if err == nil || !strings.HasPrefix(err.Error(), "cannot hand over the idmapped tree: ") || os.Getuid() != uid {
		t.Errorf("%v, uid %d", err, os.Getuid())
	}
}

// su(1) leaves the terminal with the user who has called it.
func TestTerminalOwner(t *testing.T) {
	headless.Root(t)
	u := someone(t)
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ptmx.Close()
	number, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err := errors.Join(err, unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	name := "/dev/pts/" + strconv.Itoa(number)
	pts, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err := errors.Join(err, os.Chown(name, u.UID, -1)); err != nil {
		t.Fatal(err)
	}
	defer pts.Close()
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if got := terminalOwner(int(null.Fd()), int(pts.Fd())); got != strconv.Itoa(u.UID) {
		t.Errorf("%q, want %d", got, u.UID)
	}
	if got, want := terminalOwner(int(null.Fd())), controllingOwner(); got != want {
		t.Errorf("/dev/null: %q, want %q", got, want)
	}
}

// The user's launch gets a login's environment, and of root's only what names
// the desktop and the language.
func TestUserEnviron(t *testing.T) {
	u := account.Account{Name: "al", UID: 1717, Home: "/home/al"}
	got := userEnviron(u, session.Environ{"PATH=/root/bin", "HOME=/root", "DISPLAY=:1", "WAYLAND_DISPLAY=", "PULSE_SERVER=", "LC_TIME=C", "LD_PRELOAD=/x", "SECRET=1", "DBUS_SESSION_BUS_ADDRESS=unix:path=/b"})
	want := session.Environ{"HOME=/home/al", "USER=al", "LOGNAME=al", "SHELL=/bin/sh", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games",
		"DISPLAY=:1", "WAYLAND_DISPLAY=", "LC_TIME=C", "DBUS_SESSION_BUS_ADDRESS=unix:path=/b"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestTakeTree(t *testing.T) {
	f, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	env, fd, throughRoot := TakeTree(session.Environ{"A=b", treeVariable + "=" + strconv.Itoa(int(f.Fd())), "C=d"})
	flags, _ := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
	if fd != int(f.Fd()) || !throughRoot || flags&unix.FD_CLOEXEC == 0 || !slices.Equal(env, []string{"A=b", "C=d"}) {
		t.Errorf("%d %x %q", fd, flags, env)
	}
	for _, value := range []string{"", "2", "-1", "x"} {
		if env, fd, throughRoot := TakeTree(session.Environ{treeVariable + "=" + value}); fd != -1 || len(env) != 0 || !throughRoot {
			t.Errorf("%q: %d %q %v", value, fd, env, throughRoot)
		}
	}
	if env, fd, throughRoot := TakeTree(session.Environ{"A=b"}); fd != -1 || len(env) != 1 || throughRoot {
		t.Errorf("%d %q %v", fd, env, throughRoot)
	}
}

// Groups come from the host's record.
func TestHostGroups(t *testing.T) {
	u := someone(t)
	if got := hostGroups(u); !slices.Contains(got, u.GID) {
		t.Errorf("%v lacks %d", got, u.GID)
	}
	if got := hostGroups(account.Account{Name: "no-such-account", GID: 7}); !slices.Equal(got, []int{7}) {
		t.Error(got)
	}
}

// Which launches root has to mount for.
func TestRequested(t *testing.T) {
	u := account.Account{UID: 1717, Name: "al"}
	tree := t.TempDir()
	named := func(s config.Settings) *request.Choice {
		return &request.Choice{Chroot: &config.Chroot{Path: session.HostPath(tree), Settings: s}}
	}
	for _, x := range []struct {
		args   string
		choice *request.Choice
		kind   session.Kind
		mounts bool
	}{
		{"ls", nil, "", false},
		{"-u root ls", nil, "", true},
		{"-u 0 ls", nil, "", true},
		{"--identity=grant -u x ls", nil, session.Grant, true},
		{"ls", named(config.Settings{User: "root"}), "", true},
		{"ls", named(config.Settings{Identity: "idmap"}), session.Idmap, true},
		{"--identity=match ls", named(config.Settings{Identity: "idmap"}), session.Match, false},
		{"-u x ls", named(config.Settings{User: "root"}), "", false},
	} {
		kind, mounts := requested(call(t, nil, strings.Fields(x.args)...).Flags, x.choice, u)
		if kind != x.kind || mounts != x.mounts {
			t.Errorf("%s: %q %v", x.args, kind, mounts)
		}
	}
	if isSubordinate(session.HostPath(tree), u) {
		t.Error("a tree of root's is subordinate")
	}
}

func TestRefuseIdmap(t *testing.T) {
	al, taken := account.Account{UID: 1717}, someone(t)
	for _, x := range []struct {
		a     account.Account
		known bool
		user  string
		want  string
	}{
		{account.Account{UID: 0}, true, "root", "root's files stay root's"},
		{al, true, "al", "the account has your uid already"},
		{account.Account{UID: 1800}, false, "", "the account has your uid already"},
		{taken, true, taken.Name, "uid " + strconv.Itoa(taken.UID) + " belongs to " + taken.Name + " on the host"},
		{taken, true, strconv.Itoa(taken.UID), ""},
		{account.Account{UID: 54321}, true, "bob", ""},
	} {
		if got := refuseIdmap(x.a, x.known, al, x.user); !strings.HasPrefix(got, x.want) || x.want == "" && got != "" {
			t.Errorf("%+v: %q, want %q", x, got, x.want)
		}
	}
}

func TestIsReachable(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if isReachable(dir) || !isReachable("/usr") {
		t.Error("a closed directory is reachable, or /usr is not")
	}
}

// decideWorld is a tree and a system configuration that names it.
func decideWorld(t *testing.T) (c func(args ...string) Call, u account.Account, tree string) {
	headless.Root(t)
	u, tree = someone(t), t.TempDir()
	for _, dir := range []string{"usr", "etc"} {
		if err := os.Mkdir(filepath.Join(tree, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(tree, "etc/passwd"), []byte("root:x:0:0::/root:/bin/sh\nbob:x:54321:54321::/home/bob:/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return func(args ...string) Call {
		return call(t, session.Environ{"SUDO_UID=" + strconv.Itoa(u.UID), "DISPLAY=:1"}, args...)
	}, u, tree
}

func TestDecide(t *testing.T) {
	c, u, tree := decideWorld(t)
	namespaces := canMakeNamespaces(u, hostGroups(u))
	d, err := Decide(c("-c", tree, "ls"))
	switch {
	case err != nil:
		t.Fatal(err)
	case namespaces && d.Choice != nil, !namespaces && d.Kind != session.Direct:
		t.Errorf("%+v", d)
	case d.user.UID != u.UID || d.env.Get("DISPLAY") != ":1" || d.tree != -1:
		t.Errorf("%+v", d)
	}
	if d, err := Decide(c("--list")); err != nil || d.Choice != nil {
		t.Errorf("%+v %v", d, err)
	}
	d, err = Decide(c("-c", tree, "-u", "root", "ls"))
	if err != nil || d.Choice == nil || d.Kind != "" {
		t.Fatalf("%+v %v", d, err)
	}
	// The process has the user's rights until it regains root's.
	caller, err := d.TakeRights()
	uid, euid := os.Getuid(), os.Geteuid()
	if err := errors.Join(err, d.Regain()); err != nil {
		t.Fatal(err)
	}
	if uid != u.UID || euid != u.UID || caller.UID != u.UID || os.Getuid() != 0 || os.Geteuid() != 0 {
		t.Errorf("%d %d, then %d %d", uid, euid, os.Getuid(), os.Geteuid())
	}
	if _, err := Decide(c("-c", "no-such-chroot", "-u", "root", "ls")); err == nil || !strings.HasPrefix(err.Error(), "cannot find the chroot \"no-such-chroot\"") {
		t.Error(err)
	}
	f, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd := int(f.Fd())
	unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
	if hidden, err := HideDescriptors(); err != nil || !slices.Contains(hidden, fd) {
		t.Errorf("%v %v", hidden, err)
	}
	if hidden, err := HideDescriptors(); err != nil || len(hidden) > 0 {
		t.Errorf("hidden again: %v %v", hidden, err)
	}
	if env, err := d.handOver(); err != nil || !slices.Equal(env, append(slices.Clone(d.env), treeVariable+"=-1")) {
		t.Errorf("%q %v", env, err)
	}
	if flags, _ := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("a descriptor of root's passes to the user's launch")
	}
}

// An idmapped tree is handed over as a descriptor, or refused with another way.
func TestDecideIdmap(t *testing.T) {
	c, _, tree := decideWorld(t)
	if err := errors.Join(os.Chmod(tree, 0o755), os.Chmod(filepath.Dir(tree), 0o755)); err != nil {
		t.Fatal(err)
	}
	idmap, warnings := c("-c", tree, "--identity=idmap", "-u", "bob", "ls"), ""
	idmap.Warn = func(text string) { warnings += text + "\n" }
	d, err := Decide(idmap)
	if err != nil {
		t.Fatal(err)
	}
	if want := "others can reach " + tree + ": setuid files that a program makes there run as uid 54321 for them\n"; !strings.HasPrefix(warnings, want) {
		t.Errorf("%q", warnings)
	}
	defer unix.Close(d.tree)
	if d.Choice != nil || d.tree < 3 {
		t.Errorf("%+v", d)
	}
	env, err := d.handOver()
	if err != nil {
		t.Fatal(err)
	}
	if flags, _ := unix.FcntlInt(uintptr(d.tree), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC != 0 {
		t.Error("the tree does not pass to the user's launch")
	}
	if _, fd, _ := TakeTree(env); fd != d.tree {
		t.Errorf("%d is handed over, %d arrives", d.tree, fd)
	}
	if _, err := (&Decision{tree: 9999}).handOver(); err == nil {
		t.Error("a closed descriptor is handed over")
	}
	_, err = Decide(c("-c", tree, "-v", "--identity=idmap", "-u", "root", "ls"))
	if err == nil || err.Error() != "cannot use --identity=idmap: root's files stay root's" ||
		strings.Join(cli.Hints(err), "") != "to keep your uid, which the program sees as the account's: chrun -c "+tree+" --identity=remap -u root --verbose ls" {
		t.Errorf("%v %q", err, cli.Hints(err))
	}
	for _, args := range [][]string{{"-c", tree, "--identity=idmap", "-u", "nosuch"}, {"-c", "/no/such", "--identity=idmap"}} {
		if _, err := Decide(c(args...)); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

// A name that only a file of the user's knows is not one for root to mount.
func TestExplainChoice(t *testing.T) {
	c, u, tree := decideWorld(t)
	home := t.TempDir()
	file := filepath.Join(home, ".config/chrun/chroots/mine.toml")
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("path = \""+tree+"\"\n"), 0o644), os.Chmod(home, 0o755), os.Chmod(filepath.Dir(home), 0o755)); err != nil {
		t.Fatal(err)
	}
	u.Home = home
	err := as(u).explainChoice(c("-c", "mine"), errors.New("unknown"))
	if err == nil || err.Error() != "cannot mount \"mine\" as root: only a file of "+u.Name+"'s names it" ||
		strings.Join(cli.Hints(err), "") != "sudo chrunctl add mine "+tree+", or name the directory: -c "+tree {
		t.Errorf("%v %q", err, cli.Hints(err))
	}
	if err := as(u).explainChoice(c("-c", "other"), errors.New("unknown")); err.Error() != "unknown" {
		t.Error(err)
	}
}
