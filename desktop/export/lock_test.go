package export

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Another user who can list the home keeps it locked.
func TestHomeLockedByOthers(t *testing.T) {
	dir := t.TempDir()
	h := &Host{Home: dir, RuntimeDir: filepath.Join(dir, "run"), StateDir: filepath.Join(dir, "state")}
	if err := os.Mkdir(h.RuntimeDir, 0o700); err != nil {
		t.Fatal(err)
	}
	home, err := os.Open(h.Home)
	if err == nil {
		defer home.Close()
		err = unix.Flock(int(home.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		f, err := h.lock()
		if err == nil {
			f.Close()
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it waits for the lock of another user")
	}
}
