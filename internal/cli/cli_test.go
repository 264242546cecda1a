package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// The tables list what the packages accept.
func TestTables(t *testing.T) {
	var kinds []session.Kind
	for _, c := range IdentityKinds {
		kinds = append(kinds, session.Kind(c.Name))
	}
	if !slices.Equal(kinds, session.Kinds) {
		t.Errorf("%q, want %q", kinds, session.Kinds)
	}
	for _, choices := range [][]Choice{IdentityKinds, HomeModes, Forms, Personalities} {
		for _, c := range choices {
			if c.Usage == "" || !Has(choices, c.Name) || Has(choices, c.Name+"x") {
				t.Errorf("%+v", c)
			}
		}
	}
	for _, k := range Keys {
		if k.About == "" || !strings.Contains(KeysHelp(), "\n  "+k.Name+" ") || !strings.HasPrefix(k.Name, strings.TrimRight(k.Word, "+=")) {
			t.Errorf("%+v", k)
		}
	}
	if v, ok := FindVerb("export"); !ok || v.Short == "" {
		t.Error(v, ok)
	}
	if _, ok := FindVerb("exports"); ok {
		t.Error("an unknown verb is found")
	}
}

// The home is HOME only if the caller owns that directory; a link to the home or
// to the runtime directory is named as the caller names it.
func TestNewCaller(t *testing.T) {
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 1717, 1717
	}
	dir := t.TempDir()
	home, foreign, runtime := filepath.Join(dir, "home"), filepath.Join(dir, "foreign"), filepath.Join(dir, "runtime")
	for _, d := range []string{home, foreign, runtime} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		if err := errors.Join(os.Chown(home, uid, gid), os.Chown(runtime, uid, gid)); err != nil {
			t.Fatal(err)
		}
		if c := NewCaller(65534, 65534, session.Environ{"HOME=" + foreign}); c.Account.Home == foreign {
			t.Error("the home of another user is taken")
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(runtime, link); err != nil {
		t.Fatal(err)
	}
	c := NewCaller(uid, gid, session.Environ{"HOME=" + home + "/", "XDG_RUNTIME_DIR=" + link})
	if c.UID != uid || c.Account.Home != home || string(c.RuntimeDir) != runtime || c.Env.Get("XDG_RUNTIME_DIR") != runtime || c.Cwd != WorkingDir() {
		t.Errorf("%+v", c)
	}
	if got := HostPath(c, "~/x/../y"); string(got) != home+"/y" {
		t.Error(got)
	}
	if got := HostPath(c, "x"); got != c.Cwd.Join("x") {
		t.Error(got)
	}
	if got := HostPath(c, "/a//b"); got != "/a/b" {
		t.Error(got)
	}
	if got := ShortPath(home+"/x", home) + ShortPath("/x", home); got != "~/x/x" {
		t.Error(got)
	}
	src := ConfigSource(c, "/system", nil)
	if src.User != home+"/.config/chrun" || src.System != "/system" || src.Root || src.Home() != home || src.Feature("x11") != nil || src.Feature("x12") == nil {
		t.Errorf("%+v", src)
	}
	if StateDir(c) != home+"/.local/state/chrun" || DataDir(c) != home+"/.local/share/chrun" {
		t.Error(StateDir(c), DataDir(c))
	}
	if IsTerminal(-1) {
		t.Error("a descriptor that is not open is a terminal")
	}
}

// A mistake of one level, up or down, is named.
func TestNearTree(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"one/tree/usr/bin", "one/tree/etc", "one/tree/home/a", "one/data", "two/a/usr", "two/a/etc", "two/b/usr", "two/b/etc"} {
		if err := os.MkdirAll(filepath.Join(dir, p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const other = "name the directory that holds usr, etc and bin of the other system"
	for name, want := range map[string]string{
		"one/tree/usr": "the chroot is the directory above it: DIR/one/tree", "one/tree/home/a": "the chroot is the directory above it: DIR/one/tree",
		"one": "the chroot is the directory in it: DIR/one/tree", "one/data": other, "two": other,
	} {
		_, err := rootfs.Open(rootfs.HostPath(filepath.Join(dir, name)))
		hint := strings.Join(Hints(&ChrootError{Verb: "enter", Dir: rootfs.HostPath(filepath.Join(dir, name)), Err: err}), "; ")
		if got := strings.ReplaceAll(hint, dir, "DIR"); err == nil || got != want {
			t.Errorf("%s: %v, %q", name, err, got)
		}
	}
}

func TestErrorText(t *testing.T) {
	enter := func(err error) error { return &ChrootError{Verb: "enter", Dir: "/mnt/a b", Err: err} }
	open := func(err error) error { return enter(&os.PathError{Op: "open", Path: "/mnt/a b", Err: err}) }
	for _, x := range []struct {
		err  error
		want string
	}{
		{open(unix.ENOENT), "cannot enter \"/mnt/a b\": no such file or directory\nhint: is it mounted? ls '/mnt/a b'"},
		{open(unix.EACCES), "cannot enter \"/mnt/a b\": permission denied\nhint: you need search permission on every directory above it: namei -l '/mnt/a b'"},
		{open(unix.ENOTDIR), "cannot enter \"/mnt/a b\": not a directory\nhint: name the directory that holds usr, etc and bin of the other system"},
		{open(unix.EIO), "cannot enter \"/mnt/a b\": input/output error"},
		{enter(&rootfs.NotChrootError{Why: "it is empty"}), "cannot enter \"/mnt/a b\": it is empty\nhint: name the directory that holds usr, etc and bin of the other system"},
		{Locate(open(unix.ENOENT), "f:3"), "cannot enter \"/mnt/a b\": no such file or directory (f:3)\nhint: is it mounted? ls '/mnt/a b'"},
		{Locate(fs.ErrClosed, ""), "cannot finish: file already closed"},
		{WithHint(fmt.Errorf("cannot do it: %w", fs.ErrExist), "do that"), "cannot do it: file already exists\nhint: do that"},
		{&HintError{fs.ErrExist, []string{"one", "two"}}, "cannot finish: file already exists\nhint: one\nhint: two"},
		{&config.UntrustedError{File: "/f", At: "/d e", Why: "everybody can write it"}, "…\nhint: sudo chown root:root '/d e' && sudo chmod go-w '/d e'"},
	} {
		got := ErrorText("chrun", x.err, Hints(x.err))
		want := "chrun: " + strings.ReplaceAll(x.want, "\n", "\nchrun: ") + "\n"
		if first, rest, _ := strings.Cut(want, "…"); rest != "" {
			_, hint, _ := strings.Cut(got, "\n")
			got, want = first+"\n"+hint, first+rest
		}
		if got != want {
			t.Errorf("%swant\n%s", got, want)
		}
	}
	if Locate(nil, "f:3") != nil {
		t.Error("a success is located")
	}
}

// The base directories of a snap or a flatpak are not the caller's.
func TestSandboxDirs(t *testing.T) {
	for _, test := range []struct {
		env  session.Environ
		want string
	}{
		{session.Environ{"SNAP_USER_DATA=/home/a/snap/code/12", "XDG_CONFIG_HOME=/home/a/snap/code/12/.config"}, ""},
		{session.Environ{"SNAP_USER_COMMON=/data/snap/code/common/", "XDG_CONFIG_HOME=/data/snap/code/common/x"}, ""},
		{session.Environ{"XDG_CONFIG_HOME=/home/a/snap/code/12/.config"}, ""}, // the editor cleans up its other variables
		{session.Environ{"XDG_CONFIG_HOME=/home/a/.var/app/org.x/config"}, ""},
		{session.Environ{"SNAP_USER_DATA=", "XDG_CONFIG_HOME=/home/a/snapshots"}, "/home/a/snapshots"},
		{session.Environ{"SNAP_USER_DATA=/home/a/snap/code/12", "XDG_CONFIG_HOME=/home/a/.config"}, "/home/a/.config"},
	} {
		env := withoutSandboxDirs(append(test.env, "KEEP=/home/a/snap/code/12"), "/home/a")
		if got := env.Get("XDG_CONFIG_HOME"); got != test.want || env.Get("KEEP") == "" {
			t.Errorf("%q: %q, want %q", test.env, got, test.want)
		}
	}
}

// Records count only if no other user could have written them.
func TestForeignDirs(t *testing.T) {
	headless.Root(t)
	const user = 61234
	dir := headless.Dir(t, headless.User{UID: 0})
	theirs, link := filepath.Join(dir, "theirs"), filepath.Join(dir, "link")
	if err := errors.Join(os.MkdirAll(theirs+"/state", 0o755), os.Chown(theirs, user, user), os.Symlink("theirs", link)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		dir  string
		uid  int
		kept bool
	}{
		{dir, 0, true}, {dir + "/new/one", 0, true}, {dir, user, true}, {theirs + "/new", user, true}, {"relative", 0, true},
		{theirs, 0, false}, {theirs + "/new/one", 0, false}, {theirs, user + 1, false}, {link, 0, false}, {link + "/new", 0, false},
		{theirs + "/state", 0, false}, // root's, but whoever owns the directory above can replace it
	} {
		env := session.Environ{"XDG_STATE_HOME=" + test.dir}
		if got := len(withoutForeignDirs(env, test.uid)) == 1; got != test.kept {
			t.Errorf("%s for uid %d: kept %v", test.dir, test.uid, got)
		}
	}
}
