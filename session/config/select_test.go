package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chrun/session/rootfs"
)

func TestSelect(t *testing.T) {
	two := map[string]string{"user/chroots/a.toml": "path='/a'", "system/chroots/b.toml": "path='/b'", "tree/x": "", "here/x": "", "~x/x": ""}
	one := map[string]string{"user/chroots/a.toml": "path='/a'", "user/config.toml": ""}
	def := map[string]string{"user/chroots/a.toml": "path='/a'", "system/chroots/b.toml": "path='/b'", "user/config.toml": "default='b'"}
	bad := map[string]string{"user/chroots/a.toml": "path='/a'", "user/config.toml": "default='c'"}
	for _, c := range []struct {
		name      string
		files     map[string]string
		flag, env string
		chroot    string // its name
		path      string // below the test's directory, if it has no name
		err, hint string
	}{
		{name: "flag before all", files: def, flag: "a", env: "b", chroot: "a"},
		{name: "variable before the default", files: def, env: "a", chroot: "a"},
		{name: "default", files: def, chroot: "b"},
		{name: "the only one", files: one, chroot: "a"},
		{name: "none", err: "cannot choose a chroot: no chroot is configured", hint: "name its directory: -c DIR"},
		{name: "several", files: two, err: "cannot choose a chroot: configured chroots are a, b", hint: "name one: -c a"},
		{name: "unknown", files: two, flag: "x", err: `cannot find the chroot "x": configured chroots are a, b`},
		{name: "unknown variable", files: two, env: "x", err: `cannot find the chroot "x" from $CHRUN_CHROOT: configured chroots are a, b`},
		{name: "invalid NAME", files: two, flag: "x y", err: `cannot find the chroot "x y": configured chroots are a, b`},
		{name: "a directory here", files: two, flag: "here", err: `cannot find the chroot "here": configured chroots are a, b`, hint: "for the directory: -c ./here"},
		{name: "relative DIR", files: two, flag: "./tree", path: "tree"},
		{name: "slash at the end", files: two, flag: "tree/", path: "tree"},
		{name: "variable with DIR", files: two, env: "tree/", path: "tree"},
		{name: ".", files: two, flag: ".", path: "."},
		{name: "..", files: two, flag: "..", path: ".."},
		{name: "absent DIR", files: two, flag: "./absent/../none", path: "none"},
		{name: "registered DIR", files: two, flag: "/b/", chroot: "b"},
		{name: "home", files: two, flag: "~/no", path: "../../../../../../../home/al:ice/no"},
		{name: "home itself", files: two, flag: "~", path: "../../../../../../../home/al:ice"},
		{name: "home of others", files: two, flag: "~x", err: `cannot use chroot "~x": "~x": only ~/ is supported, not the homes of other users`},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, dir := source(t, c.files)
			ch, err := load(t, src).Select(c.flag, c.env)
			var hint string
			if h, ok := err.(interface{ Hint() string }); ok {
				hint = h.Hint()
			}
			switch {
			case c.err != "":
				if err == nil || err.Error() != c.err || hint != c.hint {
					t.Errorf("error %v, hint %q", err, hint)
				}
			case err != nil:
				t.Error(err)
			case ch.Name != c.chroot:
				t.Errorf("got %q, want %q", ch.Name, c.chroot)
			case c.chroot == "" && string(ch.Path) != filepath.Join(dir, c.path):
				t.Errorf("got %s, want %s", ch.Path, filepath.Join(dir, c.path))
			}
		})
	}
	t.Run("default that is unknown", func(t *testing.T) {
		src, dir := source(t, bad)
		_, err := load(t, src).Select("", "")
		var u *UnknownError
		if !errors.As(err, &u) || u.From != dir+"/user/config.toml" {
			t.Errorf("error %v", err)
		}
	})
	t.Run("no working directory", func(t *testing.T) {
		if _, err := load(t, Source{}).Select(".", ""); err == nil {
			t.Error("found")
		}
	})
}

func TestLabelAndID(t *testing.T) {
	named, plain := Chroot{Name: "a", Path: "/mnt/x"}, Chroot{Path: "/mnt/x"}
	for got, want := range map[string]string{named.Label(): "a", named.ID() + "!": "a!", plain.Label(): "x", plain.ID(): "-mnt-x"} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Root uses only files that nobody else can have written.
func TestTrust(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give files away")
	}
	chown := func(p string) func(string) error { return func(dir string) error { return os.Chown(dir+p, 1234, 0) } }
	chmod := func(p string, mode os.FileMode) func(string) error {
		return func(dir string) error { return os.Chmod(dir+p, mode) }
	}
	for _, c := range []struct {
		name   string
		spoil  func(dir string) error
		def    string // Default; "mine" is the user's
		chroot rootfs.HostPath
		err    string // of Chroot("only"), after the directory
	}{
		{"everything belongs to root", chmod("", 0o755), "mine", "/mine", ""},
		{"a file of another user", chown("/user/chroots/a.toml"), "mine", "/system", ""},
		{"a group-writable file", chmod("/user/chroots/a.toml", 0o664), "mine", "/system", ""},
		{"the only file of another user", chown("/user/chroots/only.toml"), "mine", "/mine", "/user/chroots/only.toml as root: it is owned by uid 1234, not by root"},
		{"config.toml of another user", chown("/user/config.toml"), "theirs", "/mine", ""},
		{"chroots of another user", chown("/user/chroots"), "mine", "/system", "/user/chroots/only.toml as root: DIR/user/chroots: it is owned by uid 1234, not by root"},
		{"chroots that others can write", chmod("/user/chroots", 0o777|os.ModeSticky), "mine", "/system", "/user/chroots/only.toml as root: DIR/user/chroots: users other than root can write to it"},
		{"the directory of another user", chown("/user"), "theirs", "/system", "unknown"},
		{"a parent directory that others can write", chmod("", 0o777), "", "", "unknown"},
		{"a sticky parent directory", chmod("", 0o777|os.ModeSticky), "mine", "/mine", ""},
		{"a symlink into a directory that others can write", func(dir string) error {
			return errors.Join(os.Mkdir(dir+"/theirs", 0o755), os.WriteFile(dir+"/theirs/f", []byte("path='/x'"), 0o644), os.Chown(dir+"/theirs", 1234, 0),
				os.Remove(dir+"/user/chroots/a.toml"), os.Symlink(dir+"/theirs/f", dir+"/user/chroots/a.toml"))
		}, "mine", "/system", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, dir := source(t, map[string]string{
				"user/config.toml": "default='mine'", "system/config.toml": "default='theirs'",
				"user/chroots/a.toml": "path='/mine'", "system/chroots/a.toml": "path='/system'",
				"user/chroots/only.toml": "path='/only'",
			})
			if err := c.spoil(dir); err != nil {
				t.Fatal(err)
			}
			// Launches of other users use all files.
			if ch, err := load(t, src).Chroot("only"); err != nil || ch.Path != "/only" {
				t.Errorf("not as root: %v, %v", ch, err)
			}
			var warned []error
			src.Root, src.Warn = true, func(err error) { warned = append(warned, err) }
			cfg := load(t, src)
			if cfg.Default != c.def {
				t.Errorf("Default = %q, want %q", cfg.Default, c.def)
			}
			ch, err := cfg.Chroot("a")
			if (ch == nil) != (c.chroot == "") || ch != nil && ch.Path != c.chroot {
				t.Errorf("Chroot(a) = %+v, %v; want %s", ch, err, c.chroot)
			}
			if first := c.def == "mine" && c.chroot == "/mine"; first != (len(warned) == 0) {
				t.Errorf("warned %v", warned)
			}
			_, err = cfg.Chroot("only")
			var u *UntrustedError
			switch {
			case c.err == "":
				if err != nil {
					t.Error(err)
				}
			case c.err == "unknown":
				if _, ok := err.(*UnknownError); !ok {
					t.Errorf("error %v", err)
				}
			default:
				want := "cannot trust configuration " + dir + strings.ReplaceAll(c.err, "DIR", dir)
				if !errors.As(err, &u) || err.Error() != want {
					t.Errorf("got  %v\nwant %s", err, want)
				}
			}
			all, err := cfg.All()
			for _, ch := range all {
				if err != nil || ch.Path == "/x" {
					t.Errorf("All() has %+v, %v", ch, err)
				}
			}
		})
	}
}
