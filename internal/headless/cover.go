package headless

import (
	"os"
	"testing"
)

// CoverEnv is what the environment of a child process that executes the test
// binary needs if coverage is measured: a directory for its data that every user
// can write to. Without it the child complains on stderr.
func CoverEnv(t testing.TB) []string {
	t.Helper()
	if testing.CoverMode() == "" {
		return nil
	}
	dir, err := os.MkdirTemp("/tmp", "chrun-cover-")
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return []string{"GOCOVERDIR=" + dir}
}
