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

// mountRenamedTree mounts the tests' chroot with an account that has the user's uid and
// another name. Changes do not go to the tests' chroot.
func mountRenamedTree(t *testing.T, u headless.User, name string) (tree string) {
	t.Helper()
	headless.Root(t)
	lower, dir := headless.Chroot(t), headless.Dir(t, u)
	for p, line := range map[string]string{
		"etc/passwd": fmt.Sprintf("%s:x:%d:%d:%[1]s:/home/%[1]s:/bin/bash\n", name, u.UID, u.GID),
		"etc/group":  fmt.Sprintf("%s:x:%d:\n", name, u.GID),
	} {
		writeFile(t, filepath.Join(dir, "upper", p), readFile(t, filepath.Join(lower, p))+line)
	}
	return mountOverTree(t, lower, dir, name)
}

// mountOverTree mounts the chroot lower at dir/name with the upper layer dir/upper.
func mountOverTree(t *testing.T, lower, dir, name string) (tree string) {
	t.Helper()
	tree = filepath.Join(dir, name)
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

func readFile(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// writeFile writes a file and makes its directories.
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
