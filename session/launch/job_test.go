package launch

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// readyPID waits for "ready PID" and returns the PID.
func (t *terminal) readyPID() string {
	t.Helper()
	t.expect("ready ")
	return strings.TrimSpace(t.expect("\n"))
}

// A program that catches ^C receives it once, and chrun survives.
func TestInterruptOnce(t *testing.T) {
	term := newTerminal(t)
	term.typeLine("chrun /probe signals; echo status=$?")
	pid := term.readyPID()
	for _, key := range []struct{ byte, name string }{{"\x03", "<SIGINT>"}, {"\x1c", "<SIGQUIT>"}} {
		term.send(key.byte)
		term.expect(key.name)
		// chrun forwards signals in order. If it had forwarded the key's signal,
		// too, the program would receive that before this one.
		term.check(unix.Kill(parent(t, pid), unix.SIGUSR1))
		if more := term.expect("<SIGUSR1>"); strings.Contains(more, "<") {
			t.Errorf("%s twice: %q", key.name, more)
		}
	}
	term.send("\n")
	term.expect("end")
	term.expect("status=0")
}

// parent returns the parent of a process.
func parent(t *testing.T, pid string) int {
	t.Helper()
	return parseInt(t, readTable(t, parseInt(t, pid), "status", ":")["PPid"])
}

// When ^C kills the program, chrun dies of SIGINT, too, so that a loop in the
// shell ends.
func TestInterruptEndsLoop(t *testing.T) {
	term := newTerminal(t)
	term.typeLine("for i in 1 2 3; do echo turn=$i; chrun /probe sleep; done; echo after")
	term.expect("turn=1")
	term.readyPID()
	term.send("\x03")
	if more := term.expect("$ "); strings.Contains(more, "turn=2") || strings.Contains(more, "after") {
		t.Errorf("the loop goes on: %q", more)
	}
	term.typeLine("echo status=$?")
	term.expect("status=130")
}

// ^Z stops the program and chrun, and fg continues both, repeatedly.
func TestStopAndContinue(t *testing.T) {
	term := newTerminal(t)
	term.typeLine("chrun /probe lines; echo status=$?")
	term.expect("reading")
	for _, line := range []string{"one", "two"} {
		term.send("\x1a")
		term.expect("Stopped")
		term.expect("$ ")
		term.typeLine("jobs -l")
		if jobs := term.expect("$ "); !strings.Contains(jobs, "Stopped") {
			t.Errorf("jobs: %q", jobs)
		}
		term.typeLine("fg")
		term.send(line + "\n")
		term.expect("line <" + line + ">")
	}
	term.send("end\n")
	term.expect("$ ")
}

// A background job that reads the terminal stops, and continues to read in the
// foreground.
func TestBackgroundRead(t *testing.T) {
	term := newTerminal(t)
	term.typeLine("chrun /probe lines &")
	term.expect("reading")
	term.typeLine("wait %1")
	term.expect("Stopped")
	term.expect("$ ")
	term.typeLine("fg")
	term.send("hello\n")
	term.expect("line <hello>")
	term.send("end\n")
	term.expect("$ ")
	term.typeLine("echo status=$?")
	term.expect("status=0")
}

// bg continues a stopped program; kill %1 ends it.
func TestBackground(t *testing.T) {
	term := newTerminal(t)
	term.typeLine("chrun /probe sleep")
	pid := term.readyPID()
	term.send("\x1a")
	term.expect("Stopped")
	term.expect("$ ")
	term.typeLine("bg")
	waitFor(t, "it runs", func() bool { return strings.HasPrefix(readTable(t, parseInt(t, pid), "status", ":")["State"], "S") })
	term.typeLine("kill %1; wait %1; echo status=$?")
	term.expect("status=143")
}

// A shell inside has job control, can suspend itself and be continued.
func TestShellInside(t *testing.T) {
	term := newTerminal(t)
	term.typeLine("chrun /usr/bin/bash --noprofile --norc -i; echo status=$?")
	term.expect("$ ")
	term.typeLine("PS1='inside> '")
	term.expect("inside> ")
	term.typeLine("/probe lines")
	term.expect("reading")
	term.send("\x1a")
	term.expect("Stopped")
	term.expect("inside> ")
	term.typeLine("fg")
	term.send("x\n")
	term.expect("line <x>")
	term.send("\x03")
	term.expect("inside> ")
	term.typeLine("suspend -f")
	term.expect("Stopped")
	term.expect("$ ")
	term.typeLine("echo out''side")
	term.expect("outside")
	term.expect("$ ")
	term.typeLine("fg")
	term.expect("inside> ")
	term.typeLine("echo a''gain")
	term.expect("again")
	term.expect("inside> ")
	term.typeLine("exit 3")
	term.expect("$ ")
}

// The program receives SIGWINCH from the terminal.
func TestWindowSize(t *testing.T) {
	term := newTerminal(t)
	term.typeLine("chrun /probe signals")
	term.readyPID()
	term.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 77})
	})
	term.expect("<SIGWINCH>")
	term.send("\n")
	term.expect("end")
}

// When the terminal hangs up, the program ends.
func TestHangup(t *testing.T) {
	term := newTerminal(t)
	term.typeLine("chrun /probe sleep")
	pid := parseInt(t, term.readyPID())
	term.master.Close()
	waitFor(t, "the program ends", func() bool { return unix.Kill(pid, 0) == unix.ESRCH })
}

// SIGCONT sent only to chrun also continues the program.
func TestContinueOnlyChrun(t *testing.T) {
	term := newTerminal(t)
	term.typeLine("chrun /probe sleep")
	pid := term.readyPID()
	state := func(s string) func() bool {
		return func() bool { return strings.HasPrefix(readTable(t, parseInt(t, pid), "status", ":")["State"], s) }
	}
	term.send("\x1a")
	term.expect("Stopped")
	waitFor(t, "it stops", state("T"))
	chrun := parent(t, pid)
	defer unix.Kill(chrun, unix.SIGKILL) // in the background it gets no hangup
	term.check(unix.Kill(chrun, unix.SIGCONT))
	waitFor(t, "it continues", state("S"))
}
