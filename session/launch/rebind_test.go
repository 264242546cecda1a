package launch

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// A process that is not of the launch leads to its file system by a symlink. Root
// would mount in the namespace of that process, such as the host's.
func TestFindProcessOfAnother(t *testing.T) {
	headless.Root(t)
	dir := headless.Dir(t, headless.User{})
	fake := filepath.Join(dir, filepath.Dir(endDir))
	if err := os.MkdirAll(fake, 0o755); err != nil {
		t.Fatal(err)
	}
	// Any mounted file system serves as that of a launch.
	if err := os.Symlink("/dev/shm", filepath.Join(dir, endDir)); err != nil {
		t.Fatal(err)
	}
	end, err := NewEndWatch()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(end)
	if _, err := unix.InotifyAddWatch(end, "/dev/shm", unix.IN_DELETE_SELF); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("perl", "-e", `chroot $ARGV[0] or die; $| = 1; print "x"; <STDIN>`, dir)
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		headless.Must(t, "perl", err)
	}
	defer func() { stdin.Close(); cmd.Wait() }()
	if n, err := stdout.Read(make([]byte, 1)); n != 1 {
		t.Fatal(err)
	}
	if pid, err := findProcess(end); err == nil {
		t.Errorf("process %d counts as one of the launch; the other one is %d", pid, cmd.Process.Pid)
	}
}
