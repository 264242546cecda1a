package launch

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// readyPID waits for "ready PID" and returns the PID.
func (t *terminal) readyPID() string {
	t.Helper()
	t.Expect("ready ")
	return strings.TrimSpace(t.Expect("\n"))
}

// A program that catches ^C receives it once, and chrun survives.
func TestInterruptOnce(t *testing.T) {
	term := newTerminal(t)
	term.TypeLine("chrun /probe signals; echo status=$?")
	pid := term.readyPID()
	for _, key := range []struct{ byte, name string }{{"\x03", "<SIGINT>"}, {"\x1c", "<SIGQUIT>"}} {
		term.Send(key.byte)
		term.Expect(key.name)
		// chrun forwards signals in order. If it had forwarded the key's signal,
		// too, the program would receive that before this one.
		term.check(unix.Kill(parent(t, pid), unix.SIGUSR1))
		if more := term.Expect("<SIGUSR1>"); strings.Contains(more, "<") {
			t.Errorf("%s twice: %q", key.name, more)
		}
	}
	term.Send("\n")
	term.Expect("end")
	term.Expect("status=0")
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
	term.TypeLine("for i in 1 2 3; do echo turn=$i; chrun /probe sleep; done; echo after")
	term.Expect("turn=1")
	term.readyPID()
	term.Send("\x03")
	if more := term.Expect("$ "); strings.Contains(more, "turn=2") || strings.Contains(more, "after") {
		t.Errorf("the loop goes on: %q", more)
	}
	term.TypeLine("echo status=$?")
	term.Expect("status=130")
}

// ^Z stops the program and chrun, and fg continues both, repeatedly.
func TestStopAndContinue(t *testing.T) {
	term := newTerminal(t)
	term.TypeLine("chrun /probe lines; echo status=$?")
	term.Expect("reading")
	for _, line := range []string{"one", "two"} {
		term.Send("\x1a")
		term.Expect("Stopped")
		term.Expect("$ ")
		term.TypeLine("jobs -l")
		if jobs := term.Expect("$ "); !strings.Contains(jobs, "Stopped") {
			t.Errorf("jobs: %q", jobs)
		}
		term.TypeLine("fg")
		term.Send(line + "\n")
		term.Expect("line <" + line + ">")
	}
	term.Send("end\n")
	term.Expect("$ ")
}

// A background job that reads the terminal stops, and continues to read in the
// foreground.
func TestBackgroundRead(t *testing.T) {
	term := newTerminal(t)
	term.TypeLine("chrun /probe lines &")
	term.Expect("reading")
	term.TypeLine("wait %1")
	term.Expect("Stopped")
	term.Expect("$ ")
	term.TypeLine("fg")
	term.Send("hello\n")
	term.Expect("line <hello>")
	term.Send("end\n")
	term.Expect("$ ")
	term.TypeLine("echo status=$?")
	term.Expect("status=0")
}

// bg continues a stopped program; kill %1 ends it.
func TestBackground(t *testing.T) {
	term := newTerminal(t)
	term.TypeLine("chrun /probe sleep")
	pid := term.readyPID()
	term.Send("\x1a")
	term.Expect("Stopped")
	term.Expect("$ ")
	term.TypeLine("bg")
	waitFor(t, "it runs", func() bool { return strings.HasPrefix(readTable(t, parseInt(t, pid), "status", ":")["State"], "S") })
	term.TypeLine("kill %1; wait %1; echo status=$?")
	term.Expect("status=143")
}

// A shell inside has job control, can suspend itself and be continued.
func TestShellInside(t *testing.T) {
	term := newTerminal(t)
	term.TypeLine("chrun /usr/bin/bash --noprofile --norc -i; echo status=$?")
	term.Expect("$ ")
	term.TypeLine("PS1='inside> '")
	term.Expect("inside> ")
	term.TypeLine("/probe lines")
	term.Expect("reading")
	term.Send("\x1a")
	term.Expect("Stopped")
	term.Expect("inside> ")
	term.TypeLine("fg")
	term.Send("x\n")
	term.Expect("line <x>")
	term.Send("\x03")
	term.Expect("inside> ")
	term.TypeLine("suspend -f")
	term.Expect("Stopped")
	term.Expect("$ ")
	term.TypeLine("echo out''side")
	term.Expect("outside")
	term.Expect("$ ")
	term.TypeLine("fg")
	term.Expect("inside> ")
	term.TypeLine("echo a''gain")
	term.Expect("again")
	term.Expect("inside> ")
	term.TypeLine("exit 3")
	term.Expect("$ ")
}

// The program receives SIGWINCH from the terminal.
func TestWindowSize(t *testing.T) {
	term := newTerminal(t)
	term.TypeLine("chrun /probe signals")
	term.readyPID()
	term.Resize(33, 77)
	term.Expect("<SIGWINCH>")
	term.Send("\n")
	term.Expect("end")
}

// When the terminal hangs up, the program ends.
func TestHangup(t *testing.T) {
	term := newTerminal(t)
	term.TypeLine("chrun /probe sleep")
	pid := parseInt(t, term.readyPID())
	term.Master.Close()
	waitFor(t, "the program ends", func() bool { return unix.Kill(pid, 0) == unix.ESRCH })
}

// SIGCONT sent only to chrun also continues the program.
func TestContinueOnlyChrun(t *testing.T) {
	term := newTerminal(t)
	term.TypeLine("chrun /probe sleep")
	pid := term.readyPID()
	state := func(s string) func() bool {
		return func() bool { return strings.HasPrefix(readTable(t, parseInt(t, pid), "status", ":")["State"], s) }
	}
	term.Send("\x1a")
	term.Expect("Stopped")
	waitFor(t, "it stops", state("T"))
	chrun := parent(t, pid)
	defer unix.Kill(chrun, unix.SIGKILL) // in the background it gets no hangup
	term.check(unix.Kill(chrun, unix.SIGCONT))
	waitFor(t, "it continues", state("S"))
}
