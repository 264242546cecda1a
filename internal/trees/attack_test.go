package trees

import (
	"errors"
	"os"
	"path/filepath"
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
			_, err := (&checker{file: file}).check(newSums())
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
