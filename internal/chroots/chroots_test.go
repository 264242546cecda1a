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

// Only a tree that belongs to subordinate ids needs to record who the caller is.
func TestFindSelf(t *testing.T) {
	c, dir := newCaller(t)
	if self, err := FindSelf(c, rootfs.HostPath(dir+"/home/tree")); self != nil || err != nil {
		t.Errorf("%+v %v", self, err)
	}
	if _, err := FindSelf(c, "/no/such/tree"); err == nil {
		t.Error("a missing tree has an owner")
	}
}

func TestPrivateHome(t *testing.T) {
	c, dir := newCaller(t)
	ch := &config.Chroot{Name: "box", Path: rootfs.HostPath(dir + "/link")}
	if home := PrivateHome(c, ch); home != "" {
		t.Errorf("%s does not exist", home)
	}
	if err := os.MkdirAll(dir+"/data/chrun/homes/box", 0o700); err != nil {
		t.Fatal(err)
	}
	if home := PrivateHome(c, ch); string(home) != dir+"/data/chrun/homes/box" {
		t.Errorf("%q", home)
	}
	ch.Path = "/not/mounted"
	if home := PrivateHome(c, ch); string(home) != dir+"/data/chrun/homes/box" {
		t.Errorf("%q", home)
	}
}
