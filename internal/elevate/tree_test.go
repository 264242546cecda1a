package elevate

import (
	"os"
	"path/filepath"
	"testing"

	"chrun/internal/headless"
	"chrun/session/account"
)

// Whoever may replace a name on the way decides where the path leads.
func TestOnlyRootChanges(t *testing.T) {
	headless.Root(t)
	u, err := headless.TestUser()
	headless.Must(t, "desktop", err)
	dir := t.TempDir() // of root, below the sticky /tmp
	add := func(name string, mode os.FileMode, uid int) {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.Mkdir(p, 0o700); err != nil {
			t.Fatal(err)
		}
		os.Chmod(p, mode)
		os.Chown(p, uid, uid)
	}
	add("root", 0o700, 0)
	add("root/tree", 0o755, u.UID)
	add("root/tree/below", 0o755, 0)
	add("group", 0o775, 0)
	add("group/tree", 0o755, 0)
	add("sticky", 0o777|os.ModeSticky, 0)
	add("sticky/mine", 0o755, u.UID)
	add("sticky/roots", 0o755, 0)
	for name, target := range map[string]string{"link": "root/tree", "into": "root/tree/below", "circle": "circle", "up": "../" + filepath.Base(dir) + "/group/tree"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{"root": true, "root/tree": true, "root/tree/below": false, "group/tree": false, "sticky/mine": false,
		"sticky/roots": true, "link": true, "into": false, "circle": false, "up": false, "none": false, "root/tree/..": true} {
		if got := onlyRootChanges(filepath.Join(dir, ".") + "/" + name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// as returns a decision for the user u.
func as(u account.Account) *Decision { return &Decision{user: u, groups: []int{u.GID}, tree: -1} }
