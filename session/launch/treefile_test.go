package launch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/account"
	"chrun/session/rootfs"
)

// ownTree returns a tree that the caller can write.
func ownTree(t *testing.T, c *caller) *tree {
	tree := newTree(t)
	tree.mkdir("var/tmp")
	for _, d := range []string{"", "etc", "srv", "var/tmp"} {
		tree.chown(c, tree.mkdir(d))
	}
	return tree
}

// placeholders returns the empty files below a directory.
func placeholders(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if st, _ := os.Lstat(p); err == nil && st.Mode().IsRegular() && st.Size() == 0 {
			list = append(list, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A tree that the caller can write gets single files that it lacks, and none of
// them stays.
func TestFilesInOwnTree(t *testing.T) {
	c := plain(t)
	tree := ownTree(t, c)
	shared := filepath.Join(tree.outside("host"), "file")
	tree.check(os.WriteFile(shared, []byte("shared\n"), 0o644))
	for _, dest := range []session.Path{"/srv/file", "/file", "/var/tmp/a/b/file"} {
		r := tree.request("probe", "read", string(dest))
		r.Binds = []session.Bind{{Source: session.HostPath(shared), Dest: dest, Required: true, Why: "test"}}
		perform(t, setup{Caller: c, Request: r}).expect(t, 0, "shared\n")
	}
	r := tree.request("probe", "read", "/etc/resolv.conf")
	r.Files = []session.File{{Path: "/etc/resolv.conf", Data: []byte("nameserver\n")}}
	perform(t, setup{Caller: c, Request: r}).expect(t, 0, "nameserver\n")
	if left := placeholders(t, tree.at); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// In a tree that the caller cannot write, that is so below /var/tmp.
func TestFilesInTemporaryDir(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	tree.check(os.Chmod(tree.mkdir("var/tmp"), 0o1777))
	shared := filepath.Join(tree.outside("host"), "file")
	tree.check(os.WriteFile(shared, []byte("shared\n"), 0o644))
	r := tree.request("probe", "read", "/var/tmp/file")
	r.Binds = []session.Bind{{Source: session.HostPath(shared), Dest: "/var/tmp/file", Required: true, Why: "test"}}
	perform(t, setup{Caller: c, Request: r}).expect(t, 0, "shared\n")
	if left := placeholders(t, tree.at); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A placeholder stays as long as another launch or a detached program uses it. The
// last launch removes it, and one that was left by a launch that was killed.
func TestFilesInUse(t *testing.T) {
	c := plain(t)
	tree := ownTree(t, c)
	launch := func(argv ...string) setup {
		r := tree.request(argv...)
		r.Files = []session.File{{Path: "/etc/hosts", Data: []byte("hosts\n")}}
		return setup{Caller: c, Request: r}
	}
	at := filepath.Join(tree.at, "etc/hosts")
	pid := strings.TrimPrefix(strings.TrimSpace(perform(t, launch("probe", "detach")).out), "ready ")
	if _, err := os.Lstat(at); err != nil {
		t.Errorf("removed although a detached program uses it: %v", err)
	}
	perform(t, launch("probe", "read", "/etc/hosts")).expect(t, 0, "hosts\n")
	if _, err := os.Lstat(at); err != nil {
		t.Errorf("another launch has removed it: %v", err)
	}
	if data, err := os.ReadFile("/proc/" + pid + "/root/etc/hosts"); os.Getuid() == 0 && string(data) != "hosts\n" {
		t.Errorf("the detached program sees %q, %v", data, err)
	}
	killProcess(t, pid)
	waitFor(t, "the detached program ends", func() bool { return unix.Access("/proc/"+pid+"/root/", unix.F_OK) != nil })
	perform(t, launch("probe", "read", "/etc/hosts")).expect(t, 0, "hosts\n")
	if _, err := os.Lstat(at); !os.IsNotExist(err) {
		t.Errorf("the last launch has left it: %v", err)
	}
	// An empty file of the tree's own is none.
	tree.chown(c, tree.file("etc/hosts", "", 0o644))
	perform(t, launch("probe", "read", "/etc/hosts")).expect(t, 0, "hosts\n")
	if _, err := os.Lstat(at); err != nil {
		t.Errorf("the tree's own file: %v", err)
	}
}

// What is no longer an empty placeholder is not removed.
func TestRemoveTreeFiles(t *testing.T) {
	root, dir := openTree(t)
	keep := map[string]string{"written": "x", "mode": "", "link": "", "own": ""}
	for name, text := range keep {
		os.WriteFile(filepath.Join(dir, "tree", name), []byte(text), session.FilePlaceholderMode)
	}
	os.Chmod(filepath.Join(dir, "tree/mode"), 0o600)
	os.Remove(filepath.Join(dir, "tree/link"))
	os.Symlink("own", filepath.Join(dir, "tree/link"))
	os.WriteFile(filepath.Join(dir, "tree/ours"), nil, session.FilePlaceholderMode)
	var files []TreeFile
	for _, name := range []session.Path{"/written", "/mode", "/link", "/ours", "/none"} {
		files = append(files, TreeFile{name, "/a" + name})
	}
	attempts := 0
	err := RemoveTreeFiles(root, files, func(unused []session.Path) {
		if attempts++; attempts > 1 { // whatever fails once is tried again
			removeUnused(root, unused)
		}
	})
	if err != nil || attempts != 2 {
		t.Errorf("%d attempts: %v", attempts, err)
	}
	for name := range keep {
		if _, err := os.Lstat(filepath.Join(dir, "tree", name)); err != nil {
			t.Errorf("removed: %v", err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "tree/ours")); !os.IsNotExist(err) {
		t.Errorf("kept: %v", err)
	}
	os.WriteFile(filepath.Join(dir, "tree/ours"), nil, session.FilePlaceholderMode)
	if err := RemoveTreeFiles(root, files, func([]session.Path) {}); err == nil || err.Error() != "cannot remove /ours" {
		t.Errorf("a file that stays: %v", err)
	}
	// Without tables, nothing is known to be unused.
	if !isMounted("/nosuch", nil) || isMounted("/nosuch", map[string]string{}) {
		t.Error("isMounted")
	}
	// The table names the tree by its device and its path there.
	if mark := treeMark(rootfs.HostPath("/proc")); !strings.HasSuffix(mark, " /") || strings.Count(mark, " ") != 2 {
		t.Errorf("mark of /proc: %q", mark)
	}
}

// A file that consists of pieces of one of the tree is copied by the kernel. It ends
// early if that has become shorter since.
func TestPieces(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	tree.file("etc/large", "0123456789", 0o644)
	tree.seal()
	for want, pieces := range map[string][]account.Piece{
		"new\n2345:9": {{Data: []byte("new\n")}, {Offset: 2, Length: 4}, {Data: []byte(":")}, {Offset: 9, Length: 1}},
		"56789.":      {{Offset: 5, Length: 50}, {Data: []byte(".")}},
	} {
		r := tree.request("probe", "read", "/etc/large")
		r.Files = []session.File{{Path: "/etc/large", Pieces: pieces}}
		perform(t, setup{Caller: c, Request: r}).expect(t, 0, want)
	}
	// Programs get no huge pages in the rest of the tmpfs.
	r := tree.request("probe", "read", "/proc/self/mountinfo")
	r.Files = []session.File{{Path: "/etc/large", Pieces: []account.Piece{{Length: 10}}}}
	if got := perform(t, setup{Caller: c, Request: r}); got.status != 0 || !strings.Contains(got.out, " - tmpfs ") || strings.Contains(got.out, "huge=") {
		t.Errorf("%+v", got)
	}
}
