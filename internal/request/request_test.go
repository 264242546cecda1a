package request

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// world is a tree, a caller and a configuration.
type world struct {
	*testing.T
	dir  string
	env  session.Environ
	role Role
}

const callerUID, callerGID = 1717, 1718

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir(), role: Role{Tree: -1}}
	for _, dir := range []string{"tree/usr", "tree/bin", "tree/etc", "tree/home/bob", "caller", "data", "config/chrun/chroots"} {
		w.check(os.MkdirAll(w.at(dir), 0o755))
	}
	w.file("tree/etc/passwd", "root:x:0:0::/root:/bin/sh\nbob:x:1800:1800::/home/bob:/bin/sh\n")
	w.file("tree/etc/group", "root:x:0:\n")
	w.env = session.Environ{"HOME=" + w.at("caller"), "XDG_CONFIG_HOME=" + w.at("config"), "XDG_DATA_HOME=" + w.at("data"),
		"XDG_STATE_HOME=" + w.at("data"), "PASSED=yes"}
	return w
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}
func (w *world) at(p string) string { return filepath.Join(w.dir, p) }
func (w *world) file(p, text string) {
	w.Helper()
	w.check(os.WriteFile(w.at(p), []byte(text), 0o644))
}

// build builds the launch of a command line; DIR in it is the directory of w.
func (w *world) build(args ...string) (*Launch, error) {
	w.Helper()
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "DIR", w.dir)
	}
	flags, err := cli.ParseFlags(args)
	w.check(err)
	caller := cli.NewCaller(callerUID, callerGID, w.env)
	caller.Account.Home, caller.Account.Name, caller.Cwd = w.at("caller"), "alice", session.HostPath(w.at("caller"))
	conf, err := config.Load(cli.ConfigSource(caller, w.at("system"), nil))
	w.check(err)
	choice, err := Choose(flags, conf, w.env)
	if err != nil {
		return nil, err
	}
	root, err := rootfs.Open(choice.Path)
	w.check(err)
	w.Cleanup(func() { root.Close() })
	return Build(Input{Flags: flags, Caller: caller, Choice: choice, Root: root, Role: w.role})
}

func (w *world) must(args ...string) *Launch {
	w.Helper()
	l, err := w.build(args...)
	if err != nil {
		w.Fatalf("%q: %v", args, err)
	}
	return l
}

// The command line wins over the file, and each value has its origin.
func TestResolve(t *testing.T) {
	w := newWorld(t)
	w.file("config/chrun/chroots/mine.toml", "path = \""+w.at("tree")+"\"\nuser = \"bob\"\nhome = \"temporary\"\n[app.mpv]\nhome = \"host\"\n[app.\"org.x.Y\"]\nidentity = \"remap\"\n")
	file := w.at("config/chrun/chroots/mine.toml")
	for _, x := range []struct {
		args                 string
		user, identity, home string
	}{
		{"-c mine ls", "bob " + file + ":2", " ", "temporary " + file + ":3"},
		{"-c DIR/tree ls", "bob " + file + ":2", " ", "temporary " + file + ":3"},
		{"-c mine /usr/bin/mpv", "bob " + file + ":2", " ", "host " + file + ":5"},
		{"-c mine --app org.x.Y mpv", "bob " + file + ":2", "remap " + file + ":7", "host " + file + ":5"},
		{"-c mine -u 1800 --home private --identity=match ls", "1800 flag", "match flag", "private flag"},
		{"-c mine --home DIR/data ls", "bob " + file + ":2", " ", w.at("data") + " flag"},
	} {
		l := w.must(strings.Fields(x.args)...)
		show := func(s Setting) string {
			if s.FromFlag {
				return s.Value + " flag"
			}
			return s.Value + " " + s.Origin.String()
		}
		if got := []string{show(l.User), show(l.Identity), show(l.Home)}; !slices.Equal(got, []string{x.user, x.identity, x.home}) {
			t.Errorf("%s: %q", x.args, got)
		}
	}
	if l := w.must("-c", "mine", "ls"); l.Choice.HintName("/x") != "/x" {
		t.Error("root cannot know a name of the user's")
	}
}

func TestAccount(t *testing.T) {
	w := newWorld(t)
	l := w.must("-c", "DIR/tree", "ls")
	if a := l.Facts.Account; a.Name != "alice" || a.UID != callerUID || a.Home != "" {
		t.Errorf("an unknown caller: %+v", a)
	}
	if len(l.Facts.AccountFiles) != 2 || !strings.Contains(string(l.Facts.AccountFiles[0].Data), "alice:x:1717:1718:") {
		t.Errorf("the account is not added: %+v", l.Facts.AccountFiles)
	}
	l = w.must("-c", "DIR/tree", "-u", "bob", "ls")
	if a := l.Facts.Account; a.Name != "bob" || a.UID != callerUID || l.foreignUID != 1800 || len(l.notes) != 1 {
		t.Errorf("another number: %+v %d %q", a, l.foreignUID, l.notes)
	}
	if l.Facts.Home != session.Path(w.at("caller")) {
		t.Errorf("HOME is %s", l.Facts.Home)
	}
	// A passwd that cannot be read is left out, one that is too large is an error.
	w.check(os.Remove(w.at("tree/etc/group")))
	w.check(os.Mkdir(w.at("tree/etc/group"), 0o755))
	if l = w.must("-c", "DIR/tree", "ls"); len(l.notes) != 1 || !strings.HasPrefix(l.notes[0], "/etc/group of the chroot is ignored") {
		t.Errorf("%q", l.notes)
	}
	w.check(os.Truncate(w.at("tree/etc/passwd"), account.MaxSize+1))
	if _, err := w.build("-c", "DIR/tree", "ls"); err == nil || !strings.HasPrefix(err.Error(), "cannot read /etc/passwd of the chroot: larger than") {
		t.Error(err)
	}
}

func TestRequest(t *testing.T) {
	w := newWorld(t)
	w.check(os.Mkdir(w.at("caller/own"), 0o755))
	l := w.must("-c", "DIR/tree", "--home=~/own", "-C", "~/x", "--bind", "DIR/data:/mnt:ro", "--bind", ".", "--env", "A=b=c", "--env", "PASSED", "--env", "MISSING",
		"--unset-env", "B", "ls", "-l")
	r := l.Request
	if l := w.must("-c", "DIR/tree", "--home=~/../caller", "ls"); l.Request.Home != session.HomeHost { // it would otherwise fill with mount points
		t.Errorf("the caller's own home: %+v", l.Request)
	}
	if r.Home != session.HomeDir || r.HomeDirectory != session.HostPath(w.at("caller/own")) || r.Cwd != session.Path(w.at("caller/x")) {
		t.Errorf("%+v", r)
	}
	if len(r.Binds) != 2 || r.Binds[0].Dest != "/mnt" || !r.Binds[0].ReadOnly || r.Binds[1].Source != session.HostPath(w.at("caller")) || string(r.Binds[1].Dest) != w.at("caller") {
		t.Errorf("%+v", r.Binds)
	}
	if want := []session.Var{{Name: "A", Value: "b=c"}, {Name: "PASSED", Value: "yes"}}; !slices.Equal(r.Env, want) || !slices.Equal(r.UnsetEnv, []string{"B"}) {
		t.Errorf("%+v %q", r.Env, r.UnsetEnv)
	}
	if l.Facts.Base != "" {
		t.Error("with -C relative words mean something inside")
	}
	for args, want := range map[string]session.Path{"-C /a/../b": "/b", "-C sub": session.Path(w.at("caller/sub")), "": ""} {
		if l := w.must(append(append([]string{"-c", "DIR/tree"}, strings.Fields(args)...), "ls")...); l.Request.Cwd != want {
			t.Errorf("%s: %s, want %s", args, l.Request.Cwd, want)
		}
	}
}

// Each refusal with what to type instead. DIR is the directory of the test.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	w.check(os.MkdirAll(w.at("other/usr"), 0o755))
	w.file("config/chrun/chroots/mine.toml", "path = \""+w.at("other")+"\"\nbind = [\"/no/such\"]\n")
	w.file("config/chrun/chroots/home.toml", "path = \""+w.at("other")+"/.\"\nhome = \"/no/such\"\n")
	owner := "root"
	if uid := os.Getuid(); uid != 0 {
		owner, _ = HostAccountName(uid)
	}
	for _, x := range []struct{ args, want, hint string }{
		{"-c mine ls", "cannot share /no/such: no such file or directory (DIR/config/chrun/chroots/mine.toml:2)", ""},
		{"-c home ls", "cannot use \"/no/such\" as home: no such directory (DIR/config/chrun/chroots/home.toml:2)", ""},
		{"-c DIR/tree --home=nosuch ls", "cannot read the command line: --home does not accept \"nosuch\": it is auto, private, host, temporary or a directory (./nosuch)", "chrun --help"},
		{"-c DIR/tree --home=DIR/new ls", "cannot use \"DIR/new\" as home: no such directory", "mkdir DIR/new, or --home=private"},
		{"-c DIR/tree --home=/dev/null ls", "cannot use \"/dev/null\" as home: not a directory", "name a directory that you can write to, or --home=private"},
		{"-c DIR/tree --bind / ls", "cannot read the command line: --bind \"/\": it would cover the whole chroot", "chrun --help"},
		{"-c DIR/tree --bind : ls", "cannot read the command line: --bind ", "chrun --help"},
		{"-c DIR/tree --env =x ls", "cannot read the command line: --env \"=x\": the form is NAME or NAME=VALUE", "chrun --help"},
		{"-c DIR/tree --unset-env A=x ls", "cannot read the command line: --unset-env \"A=x\": the form is NAME", "chrun --help"},
		{"-c DIR/tree -v -u root ls", "cannot be root in \"tree\": DIR/tree belongs to " + owner, "sudo chrun -c DIR/tree -u root --verbose ls"},
		{"-c DIR/tree --identity=grant -u bob ls", "cannot use --identity=grant: ", "sudo chrun -c DIR/tree --identity=grant --user=bob ls"},
		{"-c DIR/tree -q --identity=subid ls", "cannot use --identity=subid: ", "chrun --chroot=DIR/tree --quiet --identity=match ls"},
		{"-c DIR/tree sudo apt-get update", "cannot run \"sudo\": no program can become root in this launch", "sudo chrun -c DIR/tree -u root apt-get update"},
		{"-c DIR/tree su -", "cannot run \"su\": no program can become root in this launch", "sudo chrun -c DIR/tree -u root"},
		{"-c DIR/tree -u nobody-here ls", "cannot find the account \"nobody-here\" in the chroot", "accounts"},
	} {
		_, err := w.build(strings.Fields(x.args)...)
		want, hint := strings.ReplaceAll(x.want, "DIR", w.dir), strings.ReplaceAll(x.hint, "DIR", w.dir)
		if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.HasPrefix(strings.Join(cli.Hints(err), "; "), hint) {
			t.Errorf("%s: %v (hints %q)\nwant %s (%s)", x.args, err, cli.Hints(err), want, hint)
		}
	}
}

// The home that is configured is that of the caller's programs: root has its own, unless
// the command line says otherwise.
func TestHomeOfRoot(t *testing.T) {
	w := newWorld(t)
	w.file("config/chrun/chroots/mine.toml", "path = \""+w.at("tree")+"\"\nhome = \"private\"\n")
	for args, want := range map[string]session.HomeMode{"": session.HomePrivate, "-u root": "", "-u root --home=private": session.HomePrivate} {
		w.role = Role{Tree: -1, Bare: args != ""}
		if l := w.must(strings.Fields("-c mine " + args + " ls")...); l.Request.Home != want && (want != "" || l.Request.Home != session.HomeAuto) {
			t.Errorf("%q: %s", args, l.Request.Home)
		}
	}
}

// What root decides is not decided again, and root without a user is only root.
func TestRoles(t *testing.T) {
	w := newWorld(t)
	w.role = Role{Bare: true, Tree: -1}
	l := w.must("-c", "DIR/tree", "-u", "root", "ls")
	if l.Facts.Identity.Kind != session.AsRoot || !l.Request.RootInside || l.Facts.Home != "/root" || len(l.warnings) != 1 {
		t.Errorf("%+v %q", l.Facts.Identity, l.warnings)
	}
	for args, want := range map[string]string{
		"-u bob ls":                "cannot become \"bob\" from root: run chrun as the user whose desktop it is",
		"-u root --identity=grant": "cannot use --identity=grant: no user has called root",
	} {
		if _, err := w.build(append([]string{"-c", "DIR/tree"}, strings.Fields(args)...)...); err == nil || err.Error() != want {
			t.Errorf("%s: %v", args, err)
		}
	}
	w.role = Role{Root: true, Kind: session.Grant, Tree: -1}
	l = w.must("-c", "DIR/tree", "-u", "bob", "ls")
	if id := l.Facts.Identity; id.Kind != session.Grant || id.UID != 1800 {
		t.Errorf("%+v", id)
	}
	if got := strings.Join(w.role.Program(), " "); got != "sudo chrun" {
		t.Error(got)
	}
	w.role = Role{Tree: 3}
	if id := w.must("-c", "DIR/tree", "-u", "bob", "ls").Facts.Identity; id.Kind != session.Idmap {
		t.Errorf("%+v", id)
	}
}

func TestPlan(t *testing.T) {
	w := newWorld(t)
	l := w.must("-c", "DIR/tree", "--deny=all", "--home=private", "-u", "bob", "ls")
	plan, err := l.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Network || plan.User != "bob" || plan.Home.Mode != session.HomePrivate || !slices.Contains(plan.Notes, l.notes[0]) {
		t.Errorf("%+v", plan)
	}
	var texts []string
	for _, g := range l.Greetings(plan) {
		texts = append(texts, g.Text+"\n"+g.Hint)
	}
	if len(texts) != 2 || !strings.Contains(texts[0], "in \"tree\" the account bob has the uid 1800, but the program runs with yours, 1717") ||
		!strings.Contains(texts[1], "the first launch in \"tree\"") || !strings.Contains(texts[1], "chrunctl add NAME "+w.at("tree")) {
		t.Errorf("%q", texts)
	}
	if err := l.RecordHome(plan); err != nil {
		t.Error(err)
	}
	if again := w.must("-c", "DIR/tree", "ls"); again.Request.HomeStore != l.Request.HomeStore {
		t.Errorf("%s, then %s", l.Request.HomeStore, again.Request.HomeStore)
	}
	// A working directory that is not inside: the hint names one that is.
	l = w.must("-c", "DIR/tree", "--home=temporary", "--deny=all", "ls")
	l.Caller.Cwd, l.Facts.Caller.Cwd = "/no/such/directory", "/no/such/directory"
	var cwd *session.CwdError
	if _, err := l.Plan(); !errors.As(err, &cwd) || !strings.HasPrefix(strings.Join(cli.Hints(err), ""), "name a directory inside: chrun -C / --chroot=") {
		t.Errorf("%v, %q", err, cli.Hints(err))
	}
}

// In a file the narrower name wins; for the same name deny does.
func TestConfiguredSwitches(t *testing.T) {
	ch := &config.Chroot{Settings: config.Settings{Allow: []string{"x11", "all", "gpu"}, Deny: []string{"display", "gpu"}}}
	allowed := allowedFeatures(configuredSwitches(ch), false, false)
	for name, want := range map[string]bool{"x11": true, "wayland": false, "gpu": false, "alsa": true} {
		if allowed(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
