package config

import (
	"errors"
	"os"
	"path"
	"strings"
	"testing"

	"chrun/session/rootfs"
)

func TestHomeFor(t *testing.T) {
	dir := t.TempDir()
	state, data := dir+"/state/chrun", dir+"/data/chrun"
	home := func(tree, name string) (string, func() error) {
		h, record, err := PrivateHome(state, data, rootfs.HostPath(tree), &Chroot{Name: name, Path: "/elsewhere"})
		rel, ok := strings.CutPrefix(string(h), data+"/homes/")
		if !ok || err != nil {
			t.Errorf("home %s, %v", h, err)
		}
		return rel, record
	}
	check := func(tree, name, want string) {
		t.Helper()
		if got, _ := home(tree, name); got != want {
			t.Errorf("%s as %q: %q, want %q", tree, name, got, want)
		}
	}
	use := func(tree, name, want string) { // as a launch does
		t.Helper()
		got, record := home(tree, name)
		if err := record(); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s as %q: %q, want %q", tree, name, got, want)
		}
		if err := os.MkdirAll(path.Join(data, "homes", got), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	check("/mnt/a", "a", "a")
	if _, err := os.Stat(dir + "/state"); err == nil {
		t.Error("HomeFor writes")
	}
	use("/mnt/a", "a", "a")
	check("/mnt/a", "", "a")      // forgotten
	check("/mnt/a", "other", "a") // under another name
	use("/mnt/b", "", "-mnt-b")   // selected by DIR
	use("/mnt/b", "b", "-mnt-b")
	use("/mnt/c", "a", "-mnt-c") // the name belonged to another chroot
	check("/mnt/a", "a", "a")
	check("/mnt/d", "a", "-mnt-d")

	// A home without a record belongs to the chroot with that NAME.
	if err := os.Mkdir(data+"/homes/old", 0o700); err != nil {
		t.Fatal(err)
	}
	use("/mnt/old", "old", "old")

	// The record of a home that no longer exists does not count.
	if err := os.Remove(data + "/homes/a"); err != nil {
		t.Fatal(err)
	}
	check("/mnt/a", "a", "a")
	use("/mnt/e", "a", "a")
	check("/mnt/a", "z", "z")

	// A record without a valid name is ignored.
	for _, bad := range []string{"", "\n", ".", "..", "../x", ".new-1", "a/b", "a\nb", "a\x00", strings.Repeat("x", 256)} {
		if err := os.WriteFile(state+"/homes/-mnt-bad", []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		check("/mnt/bad", "bad", "bad")
	}
	use("/mnt/bad", "bad", "bad")
	check("/mnt/bad", "good", "bad")
	if st, err := os.Stat(state + "/homes"); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st, err)
	}
}

func TestSeen(t *testing.T) {
	state := t.TempDir() + "/state"
	if HasSeen(state, "/mnt/a") {
		t.Error("seen before RecordSeen")
	}
	if err := RecordSeen(state, "/mnt/a"); err != nil {
		t.Fatal(err)
	}
	if !HasSeen(state, "/mnt/a") || HasSeen(state, "/mnt/b") || HasSeen(state, "/mnt/a alice") {
		t.Error("RecordSeen recorded the wrong topic")
	}
}

// A record that cannot be read is an error: without it the chroot would get
// another, empty home.
func TestUnreadableRecord(t *testing.T) {
	dir := t.TempDir()
	state, data := dir+"/state", dir+"/data"
	ch := &Chroot{Name: "a", Path: "/elsewhere"}
	_, record, err := PrivateHome(state, data, "/mnt/a", ch)
	if err := errors.Join(err, record()); err != nil {
		t.Fatal(err)
	}
	file := path.Join(state, "homes", "-mnt-a")
	if os.Getuid() == 0 { // a mode does not stop root, a link to itself does
		err = errors.Join(os.Remove(file), os.Symlink("-mnt-a", file))
	} else {
		err = os.Chmod(file, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if home, _, err := PrivateHome(state, data, "/mnt/a", ch); err == nil {
		t.Errorf("the chroot gets %s", home)
	}
	if err := os.Mkdir(path.Join(state, "homes", "other"), 0o700); err != nil { // not a record
		t.Fatal(err)
	}
	if home, _, err := PrivateHome(state, data, "/mnt/b", &Chroot{}); err != nil || !strings.HasSuffix(string(home), "-mnt-b") {
		t.Errorf("another chroot: %s, %v", home, err)
	}
}
