package trees

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
	"chrun/session/rootfs"
)

// Whoever owns a directory of the path swaps it while the person is asked.
func TestRemoveAnotherTree(t *testing.T) {
	headless.Root(t)
	dir := t.TempDir()
	theirs, tree, victim := filepath.Join(dir, "theirs"), filepath.Join(dir, "theirs/x"), filepath.Join(dir, "victim/x/usr")
	if err := errors.Join(os.MkdirAll(tree+"/usr", 0o755), os.MkdirAll(victim, 0o755)); err != nil {
		t.Fatal(err)
	}
	id, err := Identify(tree)
	if err := errors.Join(err, os.Rename(theirs, theirs+".aside"), os.Symlink("victim", theirs)); err != nil {
		t.Fatal(err)
	}
	if err := Remove(Map{}, filepath.Join(dir, "records"), tree, id); err == nil {
		t.Error("another tree was removed")
	}
	if _, err := os.Stat(victim); err != nil {
		t.Error(err)
	}
	if err := errors.Join(os.Remove(theirs), os.Rename(theirs+".aside", theirs), Remove(Map{}, filepath.Join(dir, "records"), tree, id)); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "[tr]*/*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Other users may put something beside an archive in /tmp.
func TestFifoBesideArchive(t *testing.T) {
	for _, suffix := range []string{".sha256", ".DIGESTS", ".asc"} {
		file := filepath.Join(t.TempDir(), "a.tar")
		if err := unix.Mkfifo(file+suffix, 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := (&checker{file: file}).check(&sums{})
			done <- err
		}()
		select {
		case err := <-done:
			if !errors.Is(err, rootfs.ErrNotRegular) {
				t.Errorf("%s: %v", suffix, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("it waits for the FIFO %s", suffix)
		}
	}
}

// In a directory of another user that user can put one that is prepared in the place of
// the new tree: root would make the user's programs setuid.
func TestUnpackIntoAnother(t *testing.T) {
	headless.Root(t)
	for name, prepare := range map[string]func(dir string) error{
		"another user's": func(dir string) error { return os.Chown(dir, 61234, 61234) },
		"open to others": func(dir string) error { return os.Chmod(dir, 0o755) },
		"not empty":      func(dir string) error { return os.Mkdir(filepath.Join(dir, "usr"), 0o777) },
	} {
		dir := filepath.Join(t.TempDir(), "tree")
		if err := errors.Join(os.Mkdir(dir, 0o700), prepare(dir)); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		w.WriteHeader(&tar.Header{Name: "usr/bin/su", Typeflag: tar.TypeReg, Mode: 0o4755})
		w.Close()
		_, err := Unpack(t.Context(), Map{}, dir, &b, nil)
		if _, made := os.Stat(dir + "/usr/bin/su"); err == nil || made == nil {
			t.Errorf("%s: unpacked, %v", name, err)
		}
	}
}

// An archive may have any number of attributes.
func TestKindsLeftOut(t *testing.T) {
	var r Report
	for i := range 3 * maxKinds {
		r.leave(strconv.Itoa(i), "x")
	}
	r.leave("0", "y")
	if n := len(r.Left); n != maxKinds+1 || r.Left[0].Count != 2 || r.Left[n-1].Count != 2*maxKinds {
		t.Errorf("%d kinds: %+v", n, r.Left[n-1])
	}
}
