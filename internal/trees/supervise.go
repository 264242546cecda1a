package trees

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/processes"
)

// supervised makes cmd run below a process of its own, which ends all its
// descendants when stop is called or this process is killed: mmdebstrap's root inside
// does not notice that its parent has died. The caller calls release after the start.
func supervised(cmd *exec.Cmd) (stop func() error, release func(), err error) {
	waiting, alive, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	cmd.Args = append([]string{Name, "supervise"}, cmd.Args...)
	cmd.Path, cmd.ExtraFiles = "/proc/self/exe", []*os.File{waiting}
	// In a session of its own: when mmdebstrap's reader dies it sends SIGHUP to its
	// group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return alive.Close, func() { waiting.Close() }, nil
}

// supervise runs a program until it ends or the pipe closes, and then ends all
// descendants. It returns the exit status of the program.
func supervise(words []string) int {
	if len(words) == 0 {
		return 1
	}
	out, errs := os.NewFile(1, "stdout"), os.NewFile(2, "stderr")
	// Orphans become children of this process.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(errs, err)
		return 1
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = out, errs
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(errs, err)
		return 1
	}
	ended := make(chan int, 2)
	go func() {
		unix.Read(fdGo, make([]byte, 1))
		ended <- 1
	}()
	go func() {
		var failed *exec.ExitError
		switch err := cmd.Wait(); {
		case err == nil:
			ended <- 0
		case errors.As(err, &failed) && failed.ExitCode() > 0:
			ended <- failed.ExitCode()
		default:
			ended <- 1
		}
	}()
	status := <-ended
	killDescendants()
	return status
}

// killDescendants kills all descendants of this process, until there is none.
func killDescendants() {
	for {
		for {
			if pid, _ := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 {
				break
			}
		}
		list := processes.Descendants(os.Getpid())
		if len(list) == 0 {
			return
		}
		for _, pid := range list {
			unix.Kill(pid, unix.SIGKILL)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
