package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"chrun/session/rootfs"
)

// source writes files below "user/" and "system/" of a new directory.
func source(t *testing.T, files map[string]string) (Source, string) {
	dir := t.TempDir()
	for name, data := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Source{
		System: filepath.Join(dir, "system"), User: filepath.Join(dir, "user"), Cwd: dir,
		Home: func() string { return "/home/al:ice" },
		Feature: func(name string) error {
			if name == "sund" {
				return fmt.Errorf("no feature is called %q", name)
			}
			return nil
		},
	}, dir
}

func load(t *testing.T, src Source) *Config {
	t.Helper()
	c, err := Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChroot(t *testing.T) {
	src, dir := source(t, map[string]string{
		"user/config.toml":           "# mine\ndefault = \"gentoo\"\n",
		"system/config.toml":         "default = 'debian'",
		"system/chroots/gentoo.toml": "path = '/system'",
		"system/chroots/debian.toml": "path = '/debian'\nhome = 'private'\n",
		"user/chroots/.#debian.toml": "lock file of an editor",
		"user/chroots/debian.toml~":  "backup of an editor",
		"user/chroots/gentoo.toml": `path = "~/gentoo"
user = "bob"
home = "~/g"
personality = "linux32"
bind = ["~/x", "/a:/b:ro", '/c\:d']
allow = ["display"]
deny = ["system-bus"]
[env]
A = ""
B = "1\n2"
[app.firefox]
user = "carol"
env.A = "x"
[app."python3.12"]
bind = ["/p"]
`,
	})
	c := load(t, src)
	if c.Default != "gentoo" {
		t.Errorf("Default = %q", c.Default)
	}
	got, err := c.Chroot("gentoo")
	if err != nil {
		t.Fatal(err)
	}
	got.src, got.data = nil, nil
	want := &Chroot{
		Name: "gentoo", Path: "/home/al:ice/gentoo", Settings: Settings{User: "bob", Home: "/home/al:ice/g", Personality: "linux32",
			Bind: []string{`/home/al\:ice/x`, "/a:/b:ro", `/c\:d`}, Env: map[string]string{"A": "", "B": "1\n2"},
			Allow: []string{"display"}, Deny: []string{"system-bus"}},
		Apps: map[string]Settings{"firefox": {User: "carol", Env: map[string]string{"A": "x"}}, "python3.12": {Bind: []string{"/p"}}},
		File: dir + "/user/chroots/gentoo.toml",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	all, err := c.All()
	if err != nil || len(all) != 2 || all[0].Path != "/debian" || all[0].Home != "private" || all[1].Path != want.Path {
		t.Errorf("All() = %+v, %v", all, err)
	}
}

func TestNoConfiguration(t *testing.T) {
	src, _ := source(t, nil)
	for _, src := range []Source{src, {}} {
		c := load(t, src)
		if names, err := c.Names(); c.Default != "" || names != nil || err != nil {
			t.Errorf("%+v, %v, %v", c, names, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	const keys = " (allowed: path, user, home, personality, identity, map, bind, env, allow, deny, sync, app)"
	const appKeys = " (allowed: user, home, personality, identity, map, bind, env, allow, deny)"
	for _, c := range []struct{ text, want string }{
		{"path='/a'\n\npth='/b'", `:3: unknown key "pth"` + keys},
		{"path='/a'\n[app.firefox]\nx=1", `:3: app.firefox: unknown key "x"` + appKeys},
		{"path='/a'\n[app.firefox]\npath='/b'", `:3: app.firefox: unknown key "path"` + appKeys},
		{"path='/a'\n[app.firefox]\nuser='b'\nbind=['/a',\n'c']", `:5: app.firefox.bind: "c" is not an absolute path` + appKeys},
		{"path='/a'\n[app.z]\nuser=1\n[app.a]\nuser=2", `:3: app.z.user: it must be a string` + appKeys},
		{"path='/a'\napp={x={env={A=1}}}", `:2: app.x.env.A: it must be a string` + appKeys},
		{"path='/a'\n[app.x]\n[app.x.env]\nA='1'\nB=1", `:5: app.x.env.B: it must be a string` + appKeys},
		{"path='/a'\napp.x=1", `:2: app.x: it must be a table of settings` + keys},
		{"path='/a'\napp=1", `:2: app: it must be a table of programs: [app.COMMAND]` + keys},
		{"path='/a'\n[app.'a/b']", `:2: app.a/b: "a/b" is not the base name of a COMMAND` + keys},
		{"path='/a'\npersonality='x86'", `:2: personality: "x86": must be linux32 or linux64` + keys},
		{"path='/a'\n[[bind]]\nx=1", `:2: bind: it must be a string` + keys},
		{"b=1\na=1\n", `:1: unknown key "b"` + keys},
		{"path = '/a\n", ":1: literal strings cannot have new lines" + keys},
		{"path='/a'\npath='/b'", ":2: key path is already defined" + keys},
		{"user='a'", `:1: "path" is missing` + keys},
		{"", `:1: "path" is missing` + keys},
		{"user='a'\npath='gentoo'", `:2: path: "gentoo" is not an absolute path` + keys},
		{"path=''", `:1: path: it must not be empty` + keys},
		{"path=[]", `:1: path: it must be a string` + keys},
		{"path=1979-05-27", `:1: path: it must be a string` + keys},
		{"path='~bob/x'", `:1: path: "~bob/x": only ~/ is supported, not the homes of other users` + keys},
		{`path="/a\u0000"`, `:1: path: "/a\x00" contains a NUL byte or a newline` + keys},
		{"path='/a'\nuser=1000", `:2: user: it must be a string` + keys},
		{"path='/a'\nhome='hots'", `:2: home: "hots" is not an absolute path; must be auto, private, host, temporary or a directory` + keys},
		{"path='/a'\nbind='/b'", `:2: bind: it must be a list of strings` + keys},
		{"path='/a'\nbind=[\n'/b',\n\n'c']", `:5: bind: "c" is not an absolute path` + keys},
		{"path='/a'\nbind=['/b:c']", `:2: bind: "/b:c": the destination "c" is not an absolute path; the form is SRC[:DST][:ro]` + keys},
		{"path='/a'\nallow=['sound',\n'sund']", `:3: allow: no feature is called "sund"` + keys},
		{"path='/a'\ndeny=[1]", `:2: deny: it must be a string` + keys},
		{"path='/a'\nenv=['A=B']", `:2: env: it must be a table of strings` + keys},
		{"path='/a'\n[env]\nA='b'\nB=1", `:4: env.B: it must be a string` + keys},
		{"path='/a'\nenv={A='b',\nB=1}", `:3: env.B: it must be a string` + keys},
		{"path='/a'\nenv.A='b'\nenv.B.c=''", `:3: env.B: it must be a string` + keys},
		{"path='/a'\n[env]\n'A=B'='x'", `:3: env.A=B: "A=B" is not a valid variable name` + keys},
		{"path='/a'\n[env]\nA=\"\\u0000\"", `:3: env.A: it contains a NUL byte` + keys},
		{"path='/a'\n#" + strings.Repeat("x", maxFile), `: larger than 1 MiB`},
	} {
		src, dir := source(t, map[string]string{"user/chroots/gentoo.toml": c.text})
		_, err := load(t, src).Chroot("gentoo")
		var e *Error
		if want := "cannot read configuration: " + dir + "/user/chroots/gentoo.toml" + c.want; !errors.As(err, &e) || err.Error() != want {
			t.Errorf("%.100q:\ngot  %v\nwant %s", c.text, err, want)
		}
	}
}

func TestMistakesInConfig(t *testing.T) {
	const keys = " (allowed: default)"
	for _, c := range []struct{ file, text, want string }{
		{"user", "\nDefault='a'", `:2: unknown key "Default"` + keys},
		{"system", "\ndefault='a b'", `:2: default: "a b" is not a valid name for a chroot (letters, digits and . _ + -, at most 64)` + keys},
		{"user", "default=1", `:1: default: it must be a string` + keys},
		{"user", "\xff", `:1: invalid character at start of key: U+00FF 'ÿ'` + keys},
	} {
		src, dir := source(t, map[string]string{"user/config.toml": "default='x'", "system/config.toml": "", c.file + "/config.toml": c.text})
		_, err := Load(src)
		if want := "cannot read configuration: " + dir + "/" + c.file + "/config.toml" + c.want; err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", c.text, err, want)
		}
	}
}

// A bad file does not affect the other chroots.
func TestAllWithMistakes(t *testing.T) {
	src, dir := source(t, map[string]string{
		"user/chroots/a.toml":   "path='/a'",
		"user/chroots/b.toml":   "path=''",
		"user/chroots/c d.toml": "path='/c'",
	})
	c := load(t, src)
	all, err := c.All()
	if len(all) != 1 || err == nil || !strings.Contains(err.Error(), "/b.toml:1: ") || !strings.Contains(err.Error(), `/c d.toml: "c d" is not a valid name`) {
		t.Errorf("All() = %v, %v", all, err)
	}
	if ch, err := c.findByPath("/a/"); err != nil || ch.Name != "a" {
		t.Errorf("ByPath(/a) = %v, %v", ch, err)
	}
	if ch, err := c.findByPath(rootfs.HostPath(dir)); ch != nil || err == nil {
		t.Errorf("ByPath of a directory that may be in the bad file = %v, %v", ch, err)
	}
}

func TestHostileFiles(t *testing.T) {
	fifo := func(p string) error { return syscall.Mkfifo(p, 0o644) }
	mkdir := func(p string) error { return os.Mkdir(p, 0o755) }
	loop := func(p string) error { return os.Symlink(filepath.Base(p), p) }
	null := func(p string) error { return os.Symlink("/dev/zero", p) }
	for name, make := range map[string]func(string) error{"fifo": fifo, "directory": mkdir, "loop": loop, "device": null} {
		t.Run(name, func(t *testing.T) {
			src, dir := source(t, map[string]string{"user/chroots/x.toml": "", "system/chroots/y.toml": ""})
			file := dir + "/user/chroots/gentoo.toml"
			if err := make(file); err != nil {
				t.Fatal(err)
			}
			_, err := load(t, src).Chroot("gentoo")
			if err == nil || !strings.HasPrefix(err.Error(), "cannot read configuration: "+file+": ") {
				t.Errorf("Chroot: %v", err)
			}
			if err := make(dir + "/system/config.toml"); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(src); err == nil {
				t.Error("Load accepts config.toml")
			}
			if name == "directory" {
				return
			}
			os.RemoveAll(dir + "/user")
			if err := make(dir + "/user"); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(src); err == nil || !strings.HasPrefix(err.Error(), "cannot read configuration: "+dir+"/user: ") {
				t.Errorf("Load of a %s: %v", name, err)
			}
		})
	}
	t.Run("chroots is a FIFO", func(t *testing.T) {
		src, dir := source(t, map[string]string{"user/config.toml": ""})
		if err := fifo(dir + "/user/chroots"); err != nil {
			t.Fatal(err)
		}
		if _, err := load(t, src).All(); err == nil {
			t.Error("All accepts it")
		}
	})
	t.Run("dangling symlink", func(t *testing.T) {
		src, dir := source(t, map[string]string{"user/chroots/a.toml": "path='/a'"})
		if err := os.Symlink("nowhere", dir+"/user/chroots/b.toml"); err != nil {
			t.Fatal(err)
		}
		if all, err := load(t, src).All(); len(all) != 1 || err != nil {
			t.Errorf("All() = %v, %v", all, err)
		}
	})
}

func TestByPath(t *testing.T) {
	src, dir := source(t, map[string]string{"tree/usr/x": "", "other/x": ""})
	if err := os.Symlink("tree", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]string{"gone": "/nonexistent/gone", "linked": dir + "/link"} {
		if err := os.MkdirAll(dir+"/user/chroots", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/user/chroots/"+name+".toml", fmt.Appendf(nil, "path=%q", p), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := load(t, src)
	for p, want := range map[string]string{dir + "/tree": "linked", dir + "/link/": "linked", dir + "/other": "", "/nonexistent/gone": "gone", "/nonexistent": ""} {
		ch, err := c.findByPath(rootfs.HostPath(p))
		if err != nil || (ch != nil) != (want != "") || ch != nil && ch.Name != want {
			t.Errorf("ByPath(%s) = %v, %v; want %q", p, ch, err, want)
		}
	}
}

func TestUserDir(t *testing.T) {
	for _, c := range [][3]string{{"/c", "/h", "/c/chrun"}, {"", "/h", "/h/.config/chrun"}, {"rel", "/h", "/h/.config/chrun"}, {"", "", ""}} {
		if got := UserConfigDir(c[0], c[1]); got != c[2] {
			t.Errorf("UserDir(%q, %q) = %q", c[0], c[1], got)
		}
	}
}
