package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A variable that is not set does not mean the default chroot.
func TestEmptyArgument(t *testing.T) {
	b := newBox(t)
	b.script(b.uid, "> add a a\na is @/mnt/a: chrun -c a")
	for _, args := range [][]string{{"show", ""}, {"kill", ""}, {"ps", ""}, {"create", "b", "", "--from", "x"}, {"set", "", "home=private"}, {"remove", ""}} {
		if got := b.run(b.uid, args...); !strings.Contains(got, "an argument is empty; the form is chrunctl "+args[0]) || !strings.HasSuffix(got, "[2]\n") {
			t.Errorf("%q: %s", args, got)
		}
	}
}

// The commands print what is expected, in order.
func TestCommands(t *testing.T) {
	b := newBox(t)
	b.check(errors.Join(os.Symlink("a", b.at("mnt/link")), os.Mkdir(b.at("mnt/shut"), 0o700)))
	b.script(b.uid, `
> list
chrunctl: no chroot is configured: chrunctl add NAME DIR
> default
chrunctl: no default is set: chrunctl default NAME
> show a
chrunctl: cannot find the chroot "a": no chroot is configured
chrunctl: hint: chrunctl add NAME DIR
[1]
> add a link
a is @/mnt/a: chrun -c a
> add a b
chrunctl: cannot add "a": the name is used by @/mnt/a in @/home/.config/chrun/chroots/a.toml
chrunctl: hint: choose another name, or first: chrunctl forget a
[1]
> add b a/
chrunctl: cannot add @/mnt/a: it is already configured as "a" in @/home/.config/chrun/chroots/a.toml
chrunctl: hint: chrun -c a
[1]
> add b none
chrunctl: cannot use "none": it has neither /usr nor /bin
chrunctl: hint: name the directory that holds usr, etc and bin of the other system
[1]
> add b gone
chrunctl: cannot use "gone": no such file or directory
chrunctl: hint: is it mounted? ls gone
[1]
> add b /
chrunctl: cannot use "/": it is the running system itself
chrunctl: hint: name the directory that holds usr, etc and bin of the other system
[1]
> add b/c b
chrunctl: cannot add a chroot: "b/c" is not a valid name for a chroot (letters, digits and . _ + -, at most 64)
[1]
> add b ../mnt/b
b is @/mnt/b: chrun -c b
> list
a  @/mnt/a
b  @/mnt/b
> default c
chrunctl: cannot find the chroot "c": configured chroots are a, b
chrunctl: hint: chrunctl list
[1]
> default b
> default
b
> list
a  @/mnt/a
b  @/mnt/b  default
> set a home=private bind+=/usr deny=gpu,sound env.A=1 app.mpv.user=bob
> show a
path=@/mnt/a  @/home/.config/chrun/chroots/a.toml:1
home=private  @/home/.config/chrun/chroots/a.toml:2
bind+=/usr  @/home/.config/chrun/chroots/a.toml:3
deny+=gpu  @/home/.config/chrun/chroots/a.toml:4
deny+=sound  @/home/.config/chrun/chroots/a.toml:4
env.A=1  @/home/.config/chrun/chroots/a.toml:5
app.mpv.user=bob  @/home/.config/chrun/chroots/a.toml:8
> set a home=privat
chrunctl: cannot set home: "privat" is not an absolute path; must be auto, private, host, temporary or a directory
[1]
> set a hom=private
chrunctl: cannot set hom: unknown key (allowed: path, user, home, personality, identity, map, bind, env.NAME, allow, deny, sync, app.COMMAND.KEY)
[1]
> set a home
chrunctl: cannot set home: the form is KEY=VALUE, KEY+=VALUE or KEY-=VALUE
[1]
> unset a user
chrunctl: cannot unset user: it is not set
[1]
> unset a path
chrunctl: cannot unset path: a chroot must have a path
chrunctl: hint: for the whole chroot: chrunctl forget NAME
[1]
> set a path=none
chrunctl: cannot use "none": it has neither /usr nor /bin
chrunctl: hint: name the directory that holds usr, etc and bin of the other system
[1]
> set a path=../mnt/link
> unset a home bind deny env app.mpv
> show a
path=@/mnt/a  @/home/.config/chrun/chroots/a.toml:1
> forget b
b is no longer configured: @/home/.config/chrun/chroots/b.toml was removed
its files stay in @/mnt/b
it was the default
> default --unset
chrunctl: cannot unset default: it is not set
[1]
> default a
> default --unset
> default
chrunctl: no default is set: chrunctl default NAME
> default a --unset
chrunctl: cannot read the command line: --unset does not take a NAME
chrunctl: hint: chrunctl default --help
[2]
> lis
chrunctl: cannot read the command line: unknown command "lis"; did you mean list?
chrunctl: hint: chrunctl --help
[2]
> add a
chrunctl: cannot read the command line: the form is chrunctl add NAME DIR
chrunctl: hint: chrunctl add --help
[2]
> list -x
chrunctl: cannot read the command line: unknown shorthand flag: 'x' in -x
chrunctl: hint: chrunctl list --help
[2]
> --version
chrunctl unknown
`)
	if os.Getuid() == 0 {
		b.script(b.uid, `
> add shut shut/in
chrunctl: cannot use "shut/in": permission denied
chrunctl: hint: you need search permission on every directory above it: namei -l shut/in
[1]
`)
	}
}

func TestHelp(t *testing.T) {
	b := newBox(t)
	for _, name := range []string{"add", "forget", "list", "default", "set", "unset", "show", "features", "help"} {
		if got := b.run(b.uid); !strings.Contains(got, "\n  "+name+" ") {
			t.Errorf("%s is missing:\n%s", name, got)
		}
		if got := b.run(b.uid, name, "--help"); !strings.Contains(got, "chrunctl "+name) || strings.HasSuffix(got, "]\n") {
			t.Errorf("%s --help:\n%s", name, got)
		}
	}
	got := b.run(b.uid, "features")
	if !strings.HasPrefix(got, "FEATURE") || !strings.Contains(got, "\nwayland ") || !strings.Contains(got, "grant") || !strings.Contains(got, "nor portals") || !strings.Contains(got, "not a security boundary") || strings.Contains(got, " \n") {
		t.Errorf("features:\n%s", got)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := b.run(b.uid, "completion", shell); !strings.Contains(got, "chrunctl") {
			t.Errorf("completion %s:\n%s", shell, got)
		}
	}
	b.run(b.uid, "add", "a", "a")
	for args, want := range map[string]string{"show ": "a\n:4\n", "set a ho": "home=\n", "unset a ": ":4\n", "add x ": ":16\n"} {
		if got := b.run(b.uid, append([]string{"__completeNoDesc"}, strings.Split(args, " ")...)...); !strings.HasPrefix(got, want) && !strings.Contains(got, want) {
			t.Errorf("completion of %q:\n%s", args, got)
		}
	}
}

// set keeps comments and order; a mistake is reported with its line.
func TestSetKeepsComments(t *testing.T) {
	b := newBox(t)
	b.file("home/.config/chrun/chroots/a.toml", `# my chroot
path = "/mnt/a"    # on the second disk
deny = [
  "gpu",  # broken
]

# for the browser
[app.firefox]
  env.MOZ_ENABLE_WAYLAND = "1"  # else X11
# end
`)
	b.script(b.uid, "> set a deny+=sound app.firefox.home=host user=bob app.firefox.env.MOZ_ENABLE_WAYLAND=0")
	if got, want := b.read("home/.config/chrun/chroots/a.toml"), `# my chroot
path = "/mnt/a"    # on the second disk
deny = [
  "gpu",  # broken
  "sound",
]
user = "bob"

# for the browser
[app.firefox]
  env.MOZ_ENABLE_WAYLAND = "0"  # else X11
  home = "host"
# end
`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	b.file("home/.config/chrun/chroots/b.toml", "path = '/mnt/b'\n\nhoem = 'host'\n")
	b.file("home/.config/chrun/chroots/c.toml", "path = '/mnt/c'\nuser = \n")
	b.script(b.uid, `
> list
a  /mnt/a  missing
chrunctl: cannot read configuration: @/home/.config/chrun/chroots/b.toml:3: unknown key "hoem" (allowed: path, user, home, personality, identity, map, bind, env, allow, deny, sync, app)
chrunctl: cannot read configuration: @/home/.config/chrun/chroots/c.toml:2: unexpected character U+000A at start of value (allowed: path, user, home, personality, identity, map, bind, env, allow, deny, sync, app)
[1]
> set b user=x
chrunctl: cannot read configuration: @/home/.config/chrun/chroots/b.toml:3: unknown key "hoem" (allowed: path, user, home, personality, identity, map, bind, env, allow, deny, sync, app)
[1]
> set c user=x
chrunctl: cannot read configuration: @/home/.config/chrun/chroots/c.toml:2: unexpected character U+000A at start of value (allowed: path, user, home, personality, identity, map, bind, env, allow, deny, sync, app)
[1]
> unset b hoem
> forget c
c is no longer configured: @/home/.config/chrun/chroots/c.toml was removed
> list
a  /mnt/a  missing
b  /mnt/b  missing
`)
}

func TestForgetKeepsHome(t *testing.T) {
	b := newBox(t)
	b.file("home/.local/state/chrun/homes/"+escapePath(b.at("mnt/a")), "first\n")
	b.file("home/.local/share/chrun/homes/first/.bashrc", "")
	b.script(b.uid, `
> add a a
a is @/mnt/a: chrun -c a
> forget a
a is no longer configured: @/home/.config/chrun/chroots/a.toml was removed
its files stay in @/mnt/a
its home stays in @/home/.local/share/chrun/homes/first
> add other a
other is @/mnt/a: chrun -c other
> forget other
other is no longer configured: @/home/.config/chrun/chroots/other.toml was removed
its files stay in @/mnt/a
its home stays in @/home/.local/share/chrun/homes/first
`)
}

func escapePath(p string) string {
	return strings.NewReplacer("/", "-", "-", `\x2d`).Replace(p)
}

// Only root can write the configuration for all users, and root trusts only files
// that nobody else can have written.
func TestSystemConfig(t *testing.T) {
	b := newBox(t)
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	b.script(0, `
> add sys a
sys is @/mnt/a: chrun -c sys
> default sys
`)
	for p, want := range map[string]os.FileMode{"etc/chrun": 0o755, "etc/chrun/chroots": 0o755, "etc/chrun/chroots/sys.toml": 0o644, "etc/chrun/config.toml": 0o644} {
		if st, err := os.Stat(b.at(p)); err != nil || st.Mode().Perm() != want || st.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("%s: %v, %v", p, st.Mode(), err)
		}
	}
	b.script(b.uid, `
> list
sys  @/mnt/a  default
> set sys user=bob
chrunctl: cannot write configuration: @/etc/chrun: permission denied
chrunctl: hint: sudo chrunctl set sys user=bob
[1]
> forget sys
chrunctl: cannot write configuration: @/etc/chrun: permission denied
chrunctl: hint: sudo chrunctl forget sys
[1]
> default --unset
chrunctl: cannot write configuration: @/etc/chrun: permission denied
chrunctl: hint: sudo chrunctl default --unset
[1]
> add --system b b
chrunctl: cannot write configuration: @/etc/chrun: permission denied
chrunctl: hint: sudo chrunctl add --system b b
[1]
> add mine b
mine is @/mnt/b: chrun -c mine
> default mine
`)
	b.check(os.Chmod(b.at("home"), 0o755))
	b.script(0, `
> list
chrunctl: cannot trust configuration @/home/.config/chrun as root: it is owned by uid 61234, not by root
sys  @/mnt/a  default
> set sys user=bob
chrunctl: cannot trust configuration @/home/.config/chrun as root: it is owned by uid 61234, not by root
> forget sys
chrunctl: cannot trust configuration @/home/.config/chrun as root: it is owned by uid 61234, not by root
sys is no longer configured: @/etc/chrun/chroots/sys.toml was removed
its files stay in @/mnt/a
the homes of its users stay in ~/.local/share/chrun/homes
it was the default
`)
}

// Commands that run at the same time lose no change.
func TestConcurrentSets(t *testing.T) {
	b := newBox(t)
	b.run(b.uid, "add", "a", "a")
	const n = 12
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			if out, err := b.command(b.uid, "set", "--force", "a", fmt.Sprintf("env.V%d=x", i), "bind+=/"+strconv.Itoa(i)).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wait.Wait()
	text := b.read("home/.config/chrun/chroots/a.toml")
	if vars, binds := strings.Count(text, "env.V"), strings.Count(text, `"/`)-1; vars != n || binds != n {
		t.Errorf("%d variables and %d binds of %d:\n%s", vars, binds, n, text)
	}
}

// A command that is killed leaves the old file or the new one, and the next command
// works.
func TestKilledSet(t *testing.T) {
	b := newBox(t)
	const name = "home/.config/chrun/chroots/a.toml"
	long := strings.Repeat("# a long comment\n", 20000)
	b.file(name, "path = '/mnt/a'\nuser = \"0\"\n"+long)
	old, killed := b.read(name), 0
	for i := range 60 {
		cmd := b.command(b.uid, "set", "a", fmt.Sprintf("user=%d", i+1))
		b.check(cmd.Start())
		time.AfterFunc(time.Duration(i)*500*time.Microsecond, func() { cmd.Process.Kill() })
		if cmd.Wait() != nil {
			killed++
		}
		now := b.read(name)
		if next := fmt.Sprintf("path = '/mnt/a'\nuser = \"%d\"\n", i+1) + long; now != old && now != next {
			t.Fatalf("after %d: %.100q, %d bytes", i, now, len(now))
		}
		old = now
	}
	if killed == 0 {
		t.Error("no command was killed")
	}
	b.script(b.uid, "> set a user=end")
	if list, _ := filepath.Glob(b.at("home/.config/chrun/chroots/.*")); len(list) > 0 {
		t.Errorf("temporary files: %v", list)
	}
	if !strings.HasPrefix(b.read(name), "path = '/mnt/a'\nuser = \"end\"\n#") {
		t.Errorf("%.100q", b.read(name))
	}
}
