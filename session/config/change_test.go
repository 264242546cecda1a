package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"

	"chrun/session/rootfs"
)

func parse(t *testing.T, changes ...string) (edits []Edit) {
	t.Helper()
	for _, s := range changes {
		e := ParseUnset(s)
		if strings.Contains(s, "=") {
			var err error
			if e, err = ParseEdit(s); err != nil {
				t.Fatal(err)
			}
		}
		edits = append(edits, e)
	}
	return edits
}

func content(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

func TestChange(t *testing.T) {
	const keys = " (allowed: path, user, home, personality, identity, map, bind, env, allow, deny, sync, app)"
	for _, c := range []struct {
		name, file string
		changes    []string
		want       string // the file afterwards; "" if it stays
		err        string // F is the file
	}{
		{name: "all", file: "path='/a' # x\n", changes: []string{"user=bob", "bind+=~/x:/y:ro", "env.A=", "deny=gpu,sound"}, want: "path='/a' # x\nuser = \"bob\"\nbind = [\"~/x:/y:ro\"]\nenv.A = \"\"\ndeny = [\"gpu\", \"sound\"]\n"},
		{name: "one bad edit", file: "path='/a'\n", changes: []string{"user=bob", "home=hots"}, err: `cannot set home: "hots" is not an absolute path; must be auto, private, host, temporary or a directory`},
		{name: "relative", file: "path='/a'\n", changes: []string{"path=b"}, err: `cannot set path: "b" is not an absolute path`},
		{name: "empty", file: "path='/a'\n", changes: []string{"user="}, err: `cannot set user: it must not be empty`},
		{name: "element", file: "path='/a'\n", changes: []string{"bind+=x"}, err: `cannot add to bind: "x" is not an absolute path`},
		{name: "feature", file: "path='/a'\n", changes: []string{"deny=gpu,sund"}, err: `cannot set deny: no feature is called "sund"`},
		{name: "program", file: "path='/a'\n", changes: []string{"app.mpv.personality=arm"}, err: `cannot set app.mpv.personality: "arm": must be linux32 or linux64`},
		{name: "invalid program name", file: "path='/a'\n", changes: []string{"app./bin/mpv.user=x"}, err: `cannot set app./bin/mpv.user: "/bin/mpv" is not the base name of a COMMAND`},
		{name: "variable", file: "path='/a'\n", changes: []string{"env.A=\x00"}, err: `cannot set env.A: it contains a NUL byte`},
		{name: "unset path", file: "path='/a'\n", changes: []string{"path"}, err: `cannot unset path: a chroot must have a path`},
		{name: "unknown key in the file", file: "path='/a'\n\nhoem='host'\n", changes: []string{"user=x"}, err: `cannot read configuration: F:3: unknown key "hoem"` + keys},
		{name: "bad value in the file", file: "path='/a'\n[env]\nA=1\n", changes: []string{"user=x"}, err: `cannot read configuration: F:3: env.A: it must be a string` + keys},
		{name: "syntax error in the file", file: "path='/a'\nuser=\n", changes: []string{"user=x"}, err: `cannot read configuration: F:2: unexpected character U+000A at start of value` + keys},
		{name: "the edit removes the mistake", file: "path='/a'\n\nhoem='host'\nuser=1", changes: []string{"hoem", "user=x"}, want: "path='/a'\n\nuser=\"x\""},
		{name: "the edit corrects the path", file: "path='a'", changes: []string{"path=/a"}, want: `path="/a"`},
		{name: "the edit adds the path", file: "user='a'", changes: []string{"path=/a"}, want: "user='a'\npath = \"/a\"\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, dir := source(t, map[string]string{"user/chroots/x.toml": c.file})
			file := dir + "/user/chroots/x.toml"
			if err := os.Chmod(file, 0o640); err != nil {
				t.Fatal(err)
			}
			err := load(t, src).Change("x", parse(t, c.changes...)...)
			if want := strings.ReplaceAll(c.err, "F:", file+":"); c.err == "" && err != nil || c.err != "" && (err == nil || err.Error() != want) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if c.want == "" {
				c.want = c.file
			}
			if got := content(t, file); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if st, _ := os.Stat(file); st.Mode() != 0o640 {
				t.Errorf("mode %v", st.Mode())
			}
			if list, _ := filepath.Glob(dir + "/user/chroots/.*"); len(list) > 0 {
				t.Errorf("left behind: %v", list)
			}
		})
	}
}

func TestAddForget(t *testing.T) {
	src, dir := source(t, map[string]string{"system/chroots/sys.toml": "path='/sys/tem'", "system/config.toml": "default='sys'"})
	defer syscall.Umask(syscall.Umask(0o077))
	checkAdd := func(dir, name, tree, want string) {
		t.Helper()
		if err := load(t, src).Add(dir, name, rootfs.HostPath(tree)); fmt.Sprint(err) != want {
			t.Errorf("Add %s %s:\ngot  %v\nwant %s", name, tree, err, want)
		}
	}
	checkMode := func(p string, want os.FileMode) {
		t.Helper()
		if st, err := os.Stat(dir + p); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", p, st.Mode(), err, want)
		}
	}
	checkAdd(src.User, "a b", "/x", `cannot add a chroot: "a b" is not a valid name for a chroot (letters, digits and . _ + -, at most 64)`)
	checkAdd(src.User, "x", "/a\xffb", `cannot set path: TOML allows only UTF-8`)
	checkAdd(src.User, "a", "/mnt/'a b'", "<nil>")
	checkAdd(src.User, "a", "/mnt/b", `cannot add "a": the name is used by /mnt/'a b' in `+dir+"/user/chroots/a.toml")
	checkAdd(src.User, "sys", "/mnt/b", `cannot add "sys": the name is used by /sys/tem in `+dir+"/system/chroots/sys.toml")
	checkAdd(src.User, "b", "/sys/tem", `cannot add /sys/tem: it is already configured as "sys" in `+dir+"/system/chroots/sys.toml")
	checkAdd(src.System, "b", "/mnt/b", "<nil>")
	checkMode("/user", 0o700)
	checkMode("/user/chroots", 0o700)
	checkMode("/user/chroots/a.toml", 0o600)
	checkMode("/system/chroots/b.toml", 0o644)
	if got, want := content(t, dir+"/user/chroots/a.toml"), "path = \"/mnt/'a b'\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	c := load(t, src)
	if err := c.SetDefault(src.User, "a"); err != nil {
		t.Fatal(err)
	}
	if c = load(t, src); c.Default != "a" || c.DefaultFrom != src.User+"/config.toml" {
		t.Errorf("Default %q of %q", c.Default, c.DefaultFrom)
	}
	if file, err := c.Forget("a"); err != nil || file != src.User+"/chroots/a.toml" {
		t.Errorf("Forget: %q, %v", file, err)
	}
	if c = load(t, src); c.Default != "sys" {
		t.Errorf("Default %q", c.Default)
	}
	_, err := c.Forget("a")
	if u := (*UnknownError)(nil); !errors.As(err, &u) {
		t.Errorf("Forget again: %v", err)
	}
	if err := c.SetDefault(src.User, ""); err == nil || err.Error() != "cannot unset default: it is not set" {
		t.Errorf("SetDefault: %v", err)
	}
	if err := os.WriteFile(dir+"/user/chroots/bad.toml", []byte("pth="), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(t, src).Forget("bad"); err != nil {
		t.Errorf("Forget of one with a mistake: %v", err)
	}
}

// Everybody can read new directories in /etc, regardless of the umask.
func TestAddSystem(t *testing.T) {
	src, dir := source(t, nil)
	src.System = dir + "/etc/chrun"
	defer syscall.Umask(syscall.Umask(0o077))
	os.Mkdir(dir+"/etc", 0o755)
	if err := load(t, src).Add(src.System, "a", "/a"); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]os.FileMode{"": 0o755, "/chroots": 0o755, "/chroots/a.toml": 0o644, "/.lock": 0o600} {
		if st, err := os.Stat(src.System + p); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", p, st.Mode(), err, want)
		}
	}
}

// Changing a file through a symlink keeps the symlink.
func TestChangeKeepsSymlink(t *testing.T) {
	src, dir := source(t, map[string]string{"user/config.toml": "", "dotfiles/x": "path='/a'\n"})
	if err := errors.Join(os.Mkdir(dir+"/user/chroots", 0o700), os.Symlink("../../dotfiles/x", dir+"/user/chroots/x.toml")); err != nil {
		t.Fatal(err)
	}
	if err := load(t, src).Change("x", parse(t, "user=b")...); err != nil {
		t.Fatal(err)
	}
	if got, want := content(t, dir+"/dotfiles/x"), "path='/a'\nuser = \"b\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if target, err := os.Readlink(dir + "/user/chroots/x.toml"); err != nil || target != "../../dotfiles/x" {
		t.Errorf("%q, %v", target, err)
	}
}

func TestConcurrentChanges(t *testing.T) {
	src, dir := source(t, map[string]string{"user/chroots/x.toml": "path='/a'\n"})
	var wait sync.WaitGroup
	const n = 30
	for i := range n {
		wait.Go(func() {
			c, err := Load(src)
			if err == nil {
				err = c.Change("x", parse(t, fmt.Sprintf("env.V%d=%d", i, i))...)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if c, err := load(t, src).Chroot("x"); err != nil || len(c.Env) != n {
		t.Errorf("%d of %d: %v\n%s", len(c.Env), n, err, content(t, dir+"/user/chroots/x.toml"))
	}
}

// Of concurrent commands that add the same name, exactly one succeeds.
func TestConcurrentAdds(t *testing.T) {
	src, _ := source(t, nil)
	var wait sync.WaitGroup
	results := make(chan error, 20)
	for i := range cap(results) {
		wait.Go(func() {
			c, err := Load(src)
			if err == nil {
				err = c.Add(src.User, "x", rootfs.HostPath(fmt.Sprintf("/tree%d", i)))
			}
			results <- err
		})
	}
	wait.Wait()
	close(results)
	added := 0
	for err := range results {
		if known := (*ExistsError)(nil); err == nil {
			added++
		} else if !errors.As(err, &known) {
			t.Error(err)
		}
	}
	if added != 1 {
		t.Errorf("%d commands succeeded, want 1", added)
	}
}

func TestCannotWrite(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can write everywhere")
	}
	src, dir := source(t, map[string]string{"user/chroots/x.toml": "path='/a'\n", "user/.lock": ""})
	defer os.Chmod(dir+"/user/chroots", 0o700)
	if err := os.Chmod(dir+"/user/chroots", 0o500); err != nil {
		t.Fatal(err)
	}
	err := load(t, src).Change("x", parse(t, "user=b")...)
	if want := "cannot write configuration: " + dir + "/user/chroots/x.toml: permission denied"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestSettings(t *testing.T) {
	src, dir := source(t, map[string]string{"user/chroots/x.toml": "path='/a'\nbind=['/b', '/c',\n'/d']\n\nallow=[]\nenv={A='1',\nB='2 3'}\n[app.'x.y']\nuser='u'\nenv.C='4'\n"})
	got, err := load(t, src).Settings("x")
	at := func(line int) Origin { return Origin{dir + "/user/chroots/x.toml", line} }
	want := []Setting{{"path", "/a", false, at(1)}, {"bind", "/b", true, at(2)}, {"bind", "/c", true, at(2)}, {"bind", "/d", true, at(3)},
		{"env.A", "1", false, at(6)}, {"env.B", "2 3", false, at(7)}, {"app.x.y.user", "u", false, at(9)}, {"app.x.y.env.C", "4", false, at(10)}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	for _, s := range got {
		op := "="
		if s.Element {
			op = "+="
		}
		if e, err := ParseEdit(s.Key + op + s.Value); err != nil || strings.Join(e.Key, ".") != s.Key {
			t.Errorf("%+v is read as %+v, %v", s, e, err)
		}
	}
}
