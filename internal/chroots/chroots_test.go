package chroots

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/rootfs"
)

func newCaller(t *testing.T) (c *session.Caller, dir string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err := errors.Join(err, os.MkdirAll(dir+"/home/tree/usr", 0o755), os.MkdirAll(dir+"/empty", 0o755), os.Symlink("home/tree", dir+"/link")); err != nil {
		t.Fatal(err)
	}
	return &session.Caller{UID: 1717, Cwd: session.HostPath(dir), Account: account.Account{Name: "al", UID: 1717, Home: dir + "/home"},
		Env: session.Environ{"XDG_DATA_HOME=" + dir + "/data", "XDG_STATE_HOME=" + dir + "/state"}}, dir
}

func TestFindTree(t *testing.T) {
	c, dir := newCaller(t)
	for _, word := range []string{"~/tree", "home/tree", "link", "link/../tree", dir + "/home/tree"} {
		if got, err := FindTree(c, word); err != nil || string(got) != dir+"/home/tree" {
			t.Errorf("%s: %s %v", word, got, err)
		}
	}
	for word, want := range map[string]string{"": "it is empty", "nosuch": "no such file or directory", "empty": "it has neither /usr nor /bin", "/": "it is the running system itself"} {
		_, err := FindTree(c, word)
		var e *cli.ChrootError
		if !errors.As(err, &e) || err.Error() != "cannot use \""+word+"\": "+want {
			t.Errorf("%q: %v", word, err)
		}
	}
	c.Cwd = ""
	if _, err := FindTree(c, "link"); err == nil || !strings.HasSuffix(err.Error(), "the working directory has no name") {
		t.Error(err)
	}
}

// FindSelf returns nil for a tree that does not belong to subordinate IDs.
func TestFindSelf(t *testing.T) {
	c, dir := newCaller(t)
	if self, err := FindSelf(c, rootfs.HostPath(dir+"/home/tree")); self != nil || err != nil {
		t.Errorf("%+v %v", self, err)
	}
	if _, err := FindSelf(c, "/no/such/tree"); err == nil {
		t.Error("a missing tree is accepted")
	}
}

// A tree of subordinate IDs gives the caller the number of the account of the same
// name, or the caller's own.
func TestFindSelfOfSubordinateIDs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a tree to another uid")
	}
	c, dir := newCaller(t)
	tree := dir + "/home/tree"
	c.Host = session.HostPath(dir)
	if err := errors.Join(os.MkdirAll(dir+"/etc", 0o755), os.MkdirAll(tree+"/etc", 0o755), os.WriteFile(dir+"/etc/subuid", []byte(strings.Repeat("#\n", 3<<20)+"al:300000:65536\n"), 0o644),
		os.Chown(tree, 300000, 300000)); err != nil {
		t.Fatal(err)
	}
	for passwd, want := range map[string]Self{
		"":                                {"1717", false},
		"bob:x:1717:1717::/home/bob:/x\n": {"1717", true},
		"al:x:1000:1000::/home/al:/x\n":   {"1000", true},
		"al:x:0:0::/root:/x\n":            {"1717", false},
		// of more than rootfs.MaxFile
		strings.Repeat("#\n", 3<<20) + "al:x:1000:1000::/home/al:/x\n": {"1000", true},
	} {
		if err := os.WriteFile(tree+"/etc/passwd", []byte(passwd), 0o644); err != nil {
			t.Fatal(err)
		}
		self, err := FindSelf(c, rootfs.HostPath(tree))
		if err != nil || self == nil || *self != want {
			t.Fatalf("%.50q: %+v %v", passwd, self, err)
		}
		if e := self.Edits(); len(e) != 2 || e[0].Value != "subid" || e[1].Value != want.Number {
			t.Errorf("%+v", e)
		}
	}
	c.Account.Name, c.Account.UID, c.UID = "eve", 1718, 1718
	if self, err := FindSelf(c, rootfs.HostPath(tree)); self != nil || err != nil {
		t.Errorf("%+v %v", self, err)
	}
}

func TestFindPrivateHome(t *testing.T) {
	c, dir := newCaller(t)
	ch := &config.Chroot{Name: "box", Path: rootfs.HostPath(dir + "/link")}
	if home := FindPrivateHome(c, ch); home != "" {
		t.Errorf("%s does not exist", home)
	}
	if err := os.MkdirAll(dir+"/data/chrun/homes/box", 0o700); err != nil {
		t.Fatal(err)
	}
	if home := FindPrivateHome(c, ch); string(home) != dir+"/data/chrun/homes/box" {
		t.Errorf("%q", home)
	}
	ch.Path = "/not/mounted"
	if home := FindPrivateHome(c, ch); string(home) != dir+"/data/chrun/homes/box" {
		t.Errorf("%q", home)
	}
}

// A setting that would stop every launch is refused.
func TestCheckEdit(t *testing.T) {
	c, dir := newCaller(t)
	for word, want := range map[string]string{
		"home=/no/such": "cannot set home: /no/such: no such file or directory", "app.mpv.home=~/nosuch": "cannot set app.mpv.home: ~/nosuch: no such file or directory",
		"bind+=/no/such:/x:ro": "cannot set bind: /no/such: no such file or directory",
		"home=private":         "", "home=~/tree": "", "bind+=" + dir + ":ro": "", "env.home=/no/such": "", "deny+=gpu": "", "user=bob": "", "home=typo": "",
	} {
		e, err := config.ParseEdit(word)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := CheckEdit(c, &e); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

func TestList(t *testing.T) {
	c, dir := newCaller(t)
	for name, text := range map[string]string{"config.toml": "default = \"a\"\n", "chroots/a.toml": "path = \"" + dir + "/link\"\n", "chroots/b.toml": "path = \"/no/such\"\n"} {
		p := filepath.Join(dir, "config/chrun", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	c.Env = append(c.Env, "XDG_CONFIG_HOME="+dir+"/config")
	conf, err := config.Load(cli.ConfigSource(c, "/no/system", nil))
	if err != nil {
		t.Fatal(err)
	}
	list, err := List(c, conf)
	if err != nil || len(list) != 2 || list[0].Marks() != "default" || list[1].Marks() != "missing" {
		t.Errorf("%+v %v", list, err)
	}
}
