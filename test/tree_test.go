package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"chrun/internal/headless"
)

// mountRenamedTree is a chroot of its own: the tests' chroot, in which the user's uid
// has an account of the given name. Nothing is written into that chroot.
func mountRenamedTree(t *testing.T, u headless.User, name string) (tree string) {
	t.Helper()
	headless.Root(t)
	lower, dir := headless.Chroot(t), headless.Dir(t, u)
	tree = filepath.Join(dir, name)
	for p, line := range map[string]string{
		"passwd": fmt.Sprintf("%s:x:%d:%d:%[1]s:/home/%[1]s:/bin/bash\n", name, u.UID, u.GID),
		"group":  fmt.Sprintf("%s:x:%d:\n", name, u.GID),
	} {
		table, err := os.ReadFile(filepath.Join(lower, "etc", p))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "upper/etc", p), string(table)+line)
	}
	for _, p := range []string{tree, filepath.Join(dir, "work")} {
		if err := os.Mkdir(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%[2]s/work", lower, dir)
	if err := syscall.Mount("overlay", tree, "overlay", 0, layers); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(tree, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return tree
}

// writeFile writes a file, with its directories.
func writeFile(t *testing.T, file, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// If the chroot has another name for the caller's uid, the caller has that name
// inside, the same uid, and the host's HOME.
func TestAnotherName(t *testing.T) {
	d := openDesktop(t, headless.Options{Home: makeHome(t, nil)})
	d.chroot = mountRenamedTree(t, d.User, "taro")
	want := fmt.Sprintf("taro %d %s\n%[3]s", d.User.UID, d.Getenv("HOME"), d.Getenv("HOME"))
	d.chrun(both, nil, "sh", "-c", "echo $(id -un) $(id -u) $HOME; getent passwd taro | cut -d: -f6").wantOutput(t, want)
	// Naming /etc/passwd does not share the host's file.
	r := d.chrun(both, nil, "cat", "/etc/passwd")
	if r.err != nil || !strings.Contains(r.stdout, "taro:x") || strings.Contains(r.stdout, d.User.Name+":x") {
		t.Errorf("not the chroot's /etc/passwd: %v\n%s%s", r.err, r.stdout, r.stderr)
	}
}
