package launch

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Every signal that a process sends to chrun reaches the program, except those
// that cannot be caught, and those of the Go runtime and of C libraries.
func TestEverySignal(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	var signals []string
	for s := syscall.Signal(1); s <= 64; s++ {
		switch s {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, 32, 33:
		case unix.SIGWINCH: // see TestWindowSizeOnce: bash waits with the trap until it has read a line
		default:
			signals = append(signals, itoa(int(s)))
		}
	}
	// bash may only notice a signal when read ends.
	script := `for s; do trap "echo got $s" $s; done; echo ready; while read -t 0.1 line; [ $? != 1 ]; do :; done`
	r := tree.request(append([]string{"/usr/bin/bash", "-c", script, "bash"}, signals...)...)
	r.Binds = hostPrograms(tree)
	cmd := command(t, setup{Caller: c, Request: r})
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	tree.check(err)
	out, err := cmd.StdoutPipe()
	tree.check(err)
	tree.check(cmd.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("%q %s", lines.Text(), &stderr)
	}
	for _, s := range signals {
		tree.check(unix.Kill(cmd.Process.Pid, syscall.Signal(parseInt(t, s))))
		if !lines.Scan() || lines.Text() != "got "+s {
			t.Fatalf("signal %s: %q %s", s, lines.Text(), &stderr)
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil || stderr.Len() != 0 {
		t.Errorf("%v: %s", err, &stderr)
	}
}

// chrun ends as the program does, without a message, when a signal kills that.
func TestKilledBySignal(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	r := tree.request("/usr/bin/bash", "-c", "echo ready; exec sleep 60")
	r.Binds = hostPrograms(tree)
	for _, s := range []syscall.Signal{unix.SIGABRT, unix.SIGSEGV, unix.SIGSYS, unix.SIGALRM, unix.SIGPIPE, unix.SIGXCPU, 34, 64} {
		cmd := command(t, setup{Caller: c, Request: r, Limits: map[int]unix.Rlimit{unix.RLIMIT_CORE: {}}})
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		tree.check(err)
		tree.check(cmd.Start())
		bufio.NewReader(out).ReadString('\n')
		tree.check(unix.Kill(cmd.Process.Pid, s))
		cmd.Wait()
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != s || stderr.Len() != 0 {
			t.Errorf("%v: %v, %s", s, cmd.ProcessState, &stderr)
		}
	}
}

// alarm(2) before chrun is executed, a common way to limit the time of a command,
// ends the program.
func TestAlarm(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	r := tree.request("/usr/bin/sleep", "60")
	r.Binds = hostPrograms(tree)
	if got := perform(t, setup{Caller: c, Alarm: true, Request: r}); got.signal != unix.SIGALRM || got.err != "" {
		t.Errorf("%+v", got)
	}
}

// A change of the window size reaches the program once, and SIGWINCH from a
// process too.
func TestWindowSizeOnce(t *testing.T) {
	term := newTerminal(t)
	term.TypeLine("chrun /probe signals")
	pid := term.readyPID()
	term.Resize(33, 77)
	term.Expect("<SIGWINCH>")
	chrun := parent(t, pid)
	term.check(unix.Kill(chrun, unix.SIGUSR1))
	if more := term.Expect("<SIGUSR1>"); strings.Contains(more, "<") {
		t.Errorf("more than one SIGWINCH: %q", more)
	}
	term.check(unix.Kill(chrun, unix.SIGWINCH))
	term.Expect("<SIGWINCH>")
	term.Send("\n")
	term.Expect("end")
}

// SIGINT that a process sends to chrun reaches the program in the foreground, too.
func TestInterruptByProcess(t *testing.T) {
	term := newTerminal(t)
	term.TypeLine("chrun /probe signals")
	term.check(unix.Kill(parent(t, term.readyPID()), unix.SIGINT))
	term.Expect("<SIGINT>")
	term.Send("\n")
	term.Expect("end")
}

// SIGTSTP that a process sends to chrun stops the program and then chrun.
func TestStopByProcess(t *testing.T) {
	term := newTerminal(t)
	term.TypeLine("chrun /probe lines")
	term.Expect("reading")
	var chrun int // the leader of the job
	term.Control(func(fd int) (err error) { chrun, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP); return err })
	term.TypeLine("")
	term.Send("\x1a")
	term.Expect("Stopped")
	term.TypeLine("bg")
	term.Expect(" &")
	term.Expect("$ ") // the program reads, and is stopped again
	// bash does not continue a job of which it does not know yet that it has stopped.
	waitFor(t, "it stops", func() bool { return strings.HasPrefix(readTable(t, chrun, "status", ":")["State"], "T") })
	for range 5 {
		term.TypeLine("fg")
		term.Send("x\n")
		term.Expect("line <x>")
		// While it stops itself, chrun has no handlers: SIGTSTP would stop only chrun.
		waitFor(t, "it has its handlers", func() bool { return catches(t, chrun, unix.SIGTSTP, unix.SIGCONT) })
		term.check(unix.Kill(chrun, unix.SIGTSTP))
		term.Expect("Stopped")
		term.Expect("$ ")
	}
	term.TypeLine("fg")
	term.Send("end\n")
	term.Expect("$ ")
}

// catches reports whether a process has handlers for all these signals.
func catches(t *testing.T, pid int, signals ...syscall.Signal) bool {
	t.Helper()
	caught, err := strconv.ParseUint(readTable(t, pid, "status", ":")["SigCgt"], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range signals {
		if caught&(1<<(s-1)) == 0 {
			return false
		}
	}
	return true
}

// A program that stops its whole process group, as vim does, stops once.
func TestStopOwnGroup(t *testing.T) {
	term := newTerminal(t)
	term.file("stops", "#!/usr/bin/bash\nfor i in 1 2 3 4 5; do kill -TSTP 0; echo turn=$i; done; (kill -TSTP 0; :); echo last\n", 0o755)
	term.TypeLine("chrun /stops")
	for i := range 5 {
		term.Expect("Stopped")
		term.Expect("$ ")
		term.TypeLine("fg")
		term.Expect("turn=" + itoa(i+1))
	}
	term.Expect("Stopped")
	term.Expect("$ ")
	term.TypeLine("fg")
	term.Expect("last")
	if more := term.Expect("$ "); strings.Contains(more, "Stopped") {
		t.Errorf("stopped again: %q", more)
	}
}

// If only the program is stopped, SIGCONT that is sent to chrun continues it.
func TestContinueOnlyProgram(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	cmd := command(t, setup{Caller: c, Request: tree.request("probe", "sleep")})
	cmd.SysProcAttr.Setsid = true
	out, err := cmd.StdoutPipe()
	tree.check(err)
	tree.check(cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	tree.check(err)
	pid := parseInt(t, strings.TrimPrefix(strings.TrimSpace(line), "ready "))
	state := func(s string) func() bool {
		return func() bool { return strings.HasPrefix(readTable(t, pid, "status", ":")["State"], s) }
	}
	tree.check(unix.Kill(pid, unix.SIGSTOP))
	waitFor(t, "it stops", state("T"))
	tree.check(unix.Kill(cmd.Process.Pid, unix.SIGCONT))
	waitFor(t, "it continues", state("S"))
}

// The handlers report who sent a signal, and Go's handler still gets real faults.
func TestHandlers(t *testing.T) {
	const child = "CHRUN_TEST_HANDLERS"
	if os.Getenv(child) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestHandlers$")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	signals, err := watchSignals()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{unix.SIGSEGV, unix.SIGABRT, unix.SIGTSTP, unix.SIGWINCH, 64} {
		if err := unix.Kill(os.Getpid(), s); err != nil {
			t.Fatal(err)
		}
		if got := readSignals(signals); len(got) != 1 || got[0].signal != int32(s) || got[0].code != 0 || int(got[0].sender) != os.Getpid() {
			t.Errorf("%v: %+v", s, got)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			*(*int)(nil) = 1
		}()
	}
}

// When the terminal of a session's leader hangs up, the kernel sends SIGHUP only to
// the leader. If that is chrun, as in a window of a terminal emulator that runs
// nothing else, the program receives it, too.
func TestHangupOfLeader(t *testing.T) {
	term := newTerminal(t)
	term.TypeLine("exec chrun /probe sleep")
	pid := parseInt(t, term.readyPID())
	term.Master.Close()
	waitFor(t, "the program ends", func() bool { return unix.Kill(pid, 0) == unix.ESRCH })
}
