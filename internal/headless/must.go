package headless

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Must skips the test if err is not nil, because the machine lacks what the test
// needs. If $CHRUN_TEST_MUST names the need ("userns,root,desktop,chroot,i386"),
// the test fails instead, so that CI cannot pass by skipping.
func Must(t testing.TB, need string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case slices.Contains(strings.Split(os.Getenv("CHRUN_TEST_MUST"), ","), need):
		t.Fatalf("%s is needed: %v", need, err)
	default:
		t.Skipf("no %s: %v", need, err)
	}
}

// Open starts a session that is closed when the test ends.
func Open(t testing.TB, o Options) *Session {
	t.Helper()
	s, err := Start(o)
	Must(t, "desktop", err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Dir returns a directory that u owns for a test. Only root can enter t.TempDir.
func Dir(t testing.TB, u User) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "chrun-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chown(dir, u.UID, u.GID)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Chroot returns the directory of the test chroot, from $CHRUN_TEST_CHROOT.
func Chroot(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("CHRUN_TEST_CHROOT")
	if dir == "" {
		Must(t, "chroot", errors.New("CHRUN_TEST_CHROOT is not set: "+
			"export CHRUN_TEST_CHROOT=$(scripts/chroot.sh)"))
	}
	return dir
}

// Files32 returns the directory of the chroot of a 32-bit system, from
// $CHRUN_TEST_CHROOT32, for tests that only read its files.
func Files32(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("CHRUN_TEST_CHROOT32")
	if dir == "" {
		Must(t, "chroot", errors.New("CHRUN_TEST_CHROOT32 is not set: "+
			"export CHRUN_TEST_CHROOT32=$(scripts/chroot.sh i386)"))
	}
	return dir
}

// Chroot32 is like Files32, for tests that run programs of it. A kernel that runs no
// 32-bit programs skips the test, even if it must run: nothing that is installed
// helps there.
func Chroot32(t testing.TB) string {
	t.Helper()
	dir := Files32(t)
	err := exec.Command(filepath.Join(dir, "lib/ld-linux.so.2"), "--version").Run()
	if errors.Is(err, unix.ENOEXEC) {
		t.Skip("this kernel runs no 32-bit programs")
	}
	Must(t, "i386", err)
	return dir
}

// Root skips a test that only root can run.
func Root(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		Must(t, "root", errors.New("this test must be run by root"))
	}
}

// TestBinary returns the content of the test binary, for tests that execute it
// again in the place of a program. Under -cover it is a build without coverage:
// a process of another user, or one in a chroot, cannot write coverage data and
// prints warnings instead.
var TestBinary = sync.OnceValues(func() ([]byte, error) {
	if testing.CoverMode() == "" {
		return os.ReadFile("/proc/self/exe")
	}
	dir, err := os.MkdirTemp("", "chrun-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "test")
	if out, err := exec.Command("go", "test", "-c", "-cover=false", "-o", file, ".").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cannot build the tests without coverage: %w: %s", err, out)
	}
	return os.ReadFile(file)
})
