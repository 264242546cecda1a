package main

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"chrun/internal/headless"
	"chrun/session"
)

// A caller without an account, a home or an environment is made known inside,
// and the launch works.
func TestUnknownCaller(t *testing.T) {
	b := newBox(t)
	b.userns()
	b.env = nil
	b.seal()
	if got := b.chrun("-c", b.at("tree"), "--home=temporary", "/bin/ok"); got.status != 42 || got.out+got.err != "" {
		t.Errorf("%+v", got)
	}
	plan := b.plan("--home=temporary", "/bin/ok")
	if plan.User == "" || plan.Identity.UID != b.uid || plan.Identity.GID != b.gid {
		t.Errorf("%q, %+v", plan.User, plan.Identity)
	}
	for _, name := range []string{"HOME", "USER", "LOGNAME", "SHELL", "PATH", "XDG_RUNTIME_DIR"} {
		if plan.Env.Get(name) == "" {
			t.Errorf("%s is not set", name)
		}
	}
	passwd := slices.IndexFunc(plan.Tmpfs, func(n session.Node) bool { return n.Path == "etc/passwd" })
	if passwd < 0 || !strings.HasPrefix(string(plan.Tmpfs[passwd].Data), plan.User+":x:") {
		t.Errorf("passwd inside: %v", plan.Tmpfs)
	}
}

// Nothing is printed without -v; with it a line a feature, and last what runs.
func TestVerbose(t *testing.T) {
	b := newBox(t)
	b.userns()
	b.seal()
	if got := b.chrun("-c", b.at("tree"), "ok"); got.status != 42 || got.out+got.err != "" {
		t.Errorf("%+v", got)
	}
	got := b.chrun("-v", "-c", b.at("tree"), "ok", "-v")
	lines := strings.Split(strings.TrimSpace(got.err), "\n")
	for _, feature := range []string{"wayland", "x11", "pipewire", "session-bus", "gpu", "network-files", "home"} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "chrun: "+feature+": ") }) {
			t.Errorf("nothing of %s in %s", feature, got.err)
		}
	}
	user := b.plan("ok").User
	if last := lines[len(lines)-1]; last != "chrun: running ok as "+user+" in tree" || got.out != "" {
		t.Errorf("the last line is %q", last)
	}
}

// --dry-run runs and makes nothing.
func TestDryRun(t *testing.T) {
	b := newBox(t)
	b.seal()
	all := b.sight("caller") + b.sight("tree") + b.sight("host")
	for _, form := range []string{"--dry-run", "-n", "--dry-run=text", "--dry-run=shell", "-n=json"} {
		if got := b.chrun("-c", b.at("tree"), form, "/bin/ok"); got.status != 0 || got.out == "" || got.err != "" {
			t.Errorf("%s: %+v", form, got)
		}
	}
	if now := b.sight("caller") + b.sight("tree") + b.sight("host"); now != all {
		t.Errorf("was\n%s\nis\n%s", all, now)
	}
	words := []string{"/bin/ok", "", " ", "a b", "-n", "--", "$x'\""}
	if plan := b.plan(words...); !reflect.DeepEqual(plan.Argv, words) {
		t.Errorf("%q", plan.Argv)
	}
	// Flags end at COMMAND: "shell" is a program.
	if got := b.chrun("-c", b.at("tree"), "-n", "shell", "firefox"); !strings.Contains(got.out, "run       shell firefox\n") {
		t.Errorf("%+v", got)
	}
	if plan := b.plan("--deny=all", "--allow=alsa", "/bin/ok"); !plan.Network {
		t.Error("the network is denied, and shared")
	}
}

// What is wrong in a file is found with its line.
func TestLocated(t *testing.T) {
	b := newBox(t)
	b.env = append(b.env, "XDG_CONFIG_HOME="+b.at("config"))
	b.mkdir("config/chrun/chroots")
	for text, want := range map[string]string{
		"user = \"nosuch\"":       "cannot find the account \"nosuch\" in the chroot (FILE:2)",
		"home = \"/no/home\"":     "cannot use \"/no/home\" as home: no such directory (FILE:2)",
		"bind = [\"/no/dir:ro\"]": "cannot share /no/dir: no such file or directory (FILE:2)",
	} {
		b.file("config/chrun/chroots/mine.toml", "path = \""+b.at("tree")+"\"\n"+text+"\n", 0o644)
		got := b.chrun("-c", "mine", "ok")
		if want = "chrun: " + strings.ReplaceAll(want, "FILE", b.at("config/chrun/chroots/mine.toml")); got.status != 125 || !strings.HasPrefix(got.err, want) {
			t.Errorf("%s: %+v, want %s", text, got, want)
		}
	}
	b.file("config/chrun/chroots/mine.toml", "# a tree that has gone\npath = \"/no/tree\"\n", 0o644)
	if got := b.chrun("-c", "mine", "ok"); !strings.Contains(got.err, "mine.toml:2)") {
		t.Errorf("%+v", got)
	}
}

// Root enters as root, and says so.
func TestRoot(t *testing.T) {
	headless.Root(t)
	b := newBox(t)
	for _, args := range [][]string{{}, {"-u", "root"}, {"-u", "0"}} {
		got := b.as(0, 0, append(append([]string{"-c", b.at("tree")}, args...), "ok")...)
		if got.status != 42 || got.err != "chrun: entering as root, without a desktop\n" {
			t.Errorf("%v: %+v", args, got)
		}
	}
	if got := b.as(0, 0, "-c", b.at("tree"), "-u", "somebody", "ok"); got.status != 125 || !strings.HasPrefix(got.err, `chrun: cannot find the account "somebody"`) {
		t.Errorf("%+v", got)
	}
}

// The chroot's name: the flag, $CHRUN_CHROOT, the configuration.
func TestChoice(t *testing.T) {
	b := newBox(t)
	b.seal()
	name := func(args ...string) string {
		t.Helper()
		got := b.chrun(append(args, "-n", "ok")...)
		first, _, _ := strings.Cut(got.out+got.err, "\n")
		return strings.Join(strings.Fields(first), " ")
	}
	if got := name(); os.Getuid() == 0 && !strings.HasPrefix(got, "chrun: cannot choose a chroot:") {
		t.Skip("this host has chroots:", got)
	}
	b.env = append(b.env, "XDG_CONFIG_HOME="+b.at("config"))
	b.mkdir("config/chrun/chroots")
	tree := "(" + b.at("tree") + ")"
	b.file("config/chrun/chroots/mine.toml", "path = \""+b.at("tree")+"\"\n", 0o644)
	for _, x := range []struct{ env, args, want string }{
		{"", "-c " + b.at("tree"), "chroot mine " + tree},
		{"", "-c mine", "chroot mine " + tree},
		{"CHRUN_CHROOT=mine", "", "chroot mine " + tree},
		{"CHRUN_CHROOT=other", "", "chrun: cannot find the chroot \"other\" from $CHRUN_CHROOT: the only configured chroot is mine"},
		{"CHRUN_CHROOT=other", "-c mine", "chroot mine " + tree},
	} {
		old := b.env
		b.env = append(slices.Clone(b.env), x.env)
		if got := name(strings.Fields(x.args)...); got != x.want {
			t.Errorf("%s %s: %s, want %s", x.env, x.args, got, x.want)
		}
		b.env = old
	}
}
