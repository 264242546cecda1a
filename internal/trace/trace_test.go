package trace

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

const file = "/nosuch/trace-test"

func TestMain(m *testing.M) {
	if os.Args[0] != "threads" {
		os.Exit(m.Run())
	}
	var threads sync.WaitGroup
	for range 5 {
		threads.Go(func() {
			runtime.LockOSThread()
			if _, err := os.Readlink(file); strings.Contains(err.Error(), "input/output") {
				os.Stdout.WriteString("failed\n")
			}
		})
	}
	threads.Wait()
	os.Exit(7)
}

// run runs a command in which the calls that name the file fail.
func run(t *testing.T, tr *Tracer, cmd *exec.Cmd) (out string, status unix.WaitStatus) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, w
	status, err = tr.Run(cmd)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	buf.ReadFrom(r)
	return buf.String(), status
}

// Calls of all processes and threads fail, and only those that are chosen.
func TestFaults(t *testing.T) {
	fail := &Fault{Errno: unix.EIO}
	threads := exec.Command("/proc/self/exe")
	threads.Args[0] = "threads"
	for _, x := range []struct {
		name, call string
		cmd        *exec.Cmd
		nr         uint64
		path       int // argument
		want       string
		count      int
		status     int
	}{
		{"processes", "openat", exec.Command("sh", "-c", "cat "+file+" & wait; (cat "+file+"); exec cat "+file), unix.SYS_OPENAT, 1, "cat: " + file + ": Input/output error\n", 3, 1},
		{"threads", "readlinkat", threads, unix.SYS_READLINKAT, 1, "failed\n", 5, 7},
	} {
		calls := 0
		tr := &Tracer{Enter: func(c *Call) *Fault {
			if c.Nr != x.nr || c.Text(x.path) != file {
				return nil
			}
			calls++
			return fail
		}}
		out, status := run(t, tr, x.cmd)
		if out != strings.Repeat(x.want, x.count) || status.ExitStatus() != x.status || calls != x.count {
			t.Errorf("%s: status %d after %d calls of %s: %s", x.name, status.ExitStatus(), calls, x.call, out)
		}
	}
}

// After Release nothing fails, and the command is still waited for.
func TestRelease(t *testing.T) {
	calls := 0
	tr := &Tracer{}
	tr.Enter = func(c *Call) *Fault {
		if c.Nr != unix.SYS_OPENAT || c.Text(1) != file {
			return nil
		}
		calls++
		tr.Release()
		return &Fault{Errno: unix.EMFILE}
	}
	out, status := run(t, tr, exec.Command("sh", "-c", "cat "+file+"; cat "+file+"; exit 3"))
	want := "cat: " + file + ": Too many open files\ncat: " + file + ": No such file or directory\n"
	if out != want || calls != 1 || status.ExitStatus() != 3 {
		t.Errorf("status %d after %d calls: %s", status.ExitStatus(), calls, out)
	}
}

// A process that executes a file may be let go.
func TestExec(t *testing.T) {
	calls, files := 0, 0
	tr := &Tracer{Exec: func(pid int) bool { files++; return false }, Enter: func(c *Call) *Fault {
		if c.Nr == unix.SYS_OPENAT && c.Text(1) == file {
			calls++
		}
		return nil
	}}
	if out, status := run(t, tr, exec.Command("sh", "-c", "cat "+file+"; exit 3")); calls != 0 || files != 1 || status.ExitStatus() != 3 {
		t.Errorf("status %d, %d files, %d calls: %s", status.ExitStatus(), files, calls, out)
	}
}

// A call that happens nevertheless, and one that gets a bad argument.
func TestKindsOfFaults(t *testing.T) {
	cmd := exec.Command("sh", "-c", "umask 077; umask")
	tr := &Tracer{Enter: func(c *Call) *Fault {
		if c.Nr == unix.SYS_UMASK && c.Args[0] == 0o77 {
			return &Fault{After: true, Errno: unix.EIO}
		}
		return nil
	}}
	if out, _ := run(t, tr, cmd); out != "0077\n" {
		t.Errorf("after: %q", out)
	}
	tr = &Tracer{Enter: func(c *Call) *Fault {
		if c.Nr == unix.SYS_CHDIR {
			return &Fault{Errno: unix.EPERM}
		}
		return nil
	}}
	if out, _ := run(t, tr, exec.Command("sh", "-c", "cd / && echo done")); strings.Contains(out, "done") {
		t.Errorf("chdir: %q", out)
	}
}
