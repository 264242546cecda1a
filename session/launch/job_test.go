package launch

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pid reads the number behind "ready ".
func (t *terminal) ready() string {
	t.Helper()
	t.expect("ready ")
	return strings.TrimSpace(t.expect("\n"))
}

// ^C arrives once at a program that catches it, and chrun lives.
func TestInterruptOnce(t *testing.T) {
	term := newTerminal(t)
	term.say("chrun /probe signals; echo status=$?")
	pid := term.ready()
	for _, key := range []struct{ byte, name string }{{"\x03", "<SIGINT>"}, {"\x1c", "<SIGQUIT>"}} {
		term.send(key.byte)
		term.expect(key.name)
		// Whatever chrun forwards comes in order: had it forwarded the key
		// too, that would come before this.
		term.check(unix.Kill(parent(t, pid), unix.SIGUSR1))
		if more := term.expect("<SIGUSR1>"); strings.Contains(more, "<") {
			t.Errorf("%s twice: %q", key.name, more)
		}
	}
	term.send("\n")
	term.expect("end")
	term.expect("status=0")
}

// parent is the process that started pid.
func parent(t *testing.T, pid string) int {
	t.Helper()
	return number(t, table(t, number(t, pid), "status", ":")["PPid"])
}

// ^C at a program that dies of it: chrun does too, so that a shell's loop ends.
func TestInterruptEndsLoop(t *testing.T) {
	term := newTerminal(t)
	term.say("for i in 1 2 3; do echo turn=$i; chrun /probe sleep; done; echo after")
	term.expect("turn=1")
	term.ready()
	term.send("\x03")
	if more := term.expect("$ "); strings.Contains(more, "turn=2") || strings.Contains(more, "after") {
		t.Errorf("the loop goes on: %q", more)
	}
	term.say("echo status=$?")
	term.expect("status=130")
}

// ^Z stops program and chrun, fg continues both, as often as one likes.
func TestStopAndContinue(t *testing.T) {
	term := newTerminal(t)
	term.say("chrun /probe lines; echo status=$?")
	term.expect("reading")
	for _, line := range []string{"one", "two"} {
		term.send("\x1a")
		term.expect("Stopped")
		term.expect("$ ")
		term.say("jobs -l")
		if jobs := term.expect("$ "); !strings.Contains(jobs, "Stopped") {
			t.Errorf("jobs: %q", jobs)
		}
		term.say("fg")
		term.send(line + "\n")
		term.expect("line <" + line + ">")
	}
	term.send("end\n")
	term.expect("$ ")
}

// A background job that reads the terminal stops, and reads on in the
// foreground.
func TestBackgroundRead(t *testing.T) {
	term := newTerminal(t)
	term.say("chrun /probe lines &")
	term.expect("reading")
	term.say("wait %1")
	term.expect("Stopped")
	term.expect("$ ")
	term.say("fg")
	term.send("hello\n")
	term.expect("line <hello>")
	term.send("end\n")
	term.expect("$ ")
	term.say("echo status=$?")
	term.expect("status=0")
}

// bg lets a stopped program run on; kill %1 ends it.
func TestBackground(t *testing.T) {
	term := newTerminal(t)
	term.say("chrun /probe sleep")
	pid := term.ready()
	term.send("\x1a")
	term.expect("Stopped")
	term.expect("$ ")
	term.say("bg")
	until(t, "it runs", func() bool { return strings.HasPrefix(table(t, number(t, pid), "status", ":")["State"], "S") })
	term.say("kill %1; wait %1; echo status=$?")
	term.expect("status=143")
}

// A shell inside does its own job control, suspends, and comes back.
func TestShellInside(t *testing.T) {
	term := newTerminal(t)
	term.say("chrun /usr/bin/bash --noprofile --norc -i; echo status=$?")
	term.expect("$ ")
	term.say("PS1='inside> '")
	term.expect("inside> ")
	term.say("/probe lines")
	term.expect("reading")
	term.send("\x1a")
	term.expect("Stopped")
	term.expect("inside> ")
	term.say("fg")
	term.send("x\n")
	term.expect("line <x>")
	term.send("\x03")
	term.expect("inside> ")
	term.say("suspend -f")
	term.expect("Stopped")
	term.expect("$ ")
	term.say("echo out''side")
	term.expect("outside")
	term.expect("$ ")
	term.say("fg")
	term.expect("inside> ")
	term.say("echo a''gain")
	term.expect("again")
	term.expect("inside> ")
	term.say("exit 3")
	term.expect("$ ")
}

// A change of the window's size is the terminal's own doing.
func TestWindowSize(t *testing.T) {
	term := newTerminal(t)
	term.say("chrun /probe signals")
	term.ready()
	term.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 77})
	})
	term.expect("<SIGWINCH>")
	term.send("\n")
	term.expect("end")
}

// The terminal is hung up: nothing stays.
func TestHangup(t *testing.T) {
	term := newTerminal(t)
	term.say("chrun /probe sleep")
	pid := number(t, term.ready())
	term.master.Close()
	until(t, "the program ends", func() bool { return unix.Kill(pid, 0) == unix.ESRCH })
}

// SIGCONT to chrun alone continues the program too.
func TestContinueAlone(t *testing.T) {
	term := newTerminal(t)
	term.say("chrun /probe sleep")
	pid := term.ready()
	state := func(s string) func() bool {
		return func() bool { return strings.HasPrefix(table(t, number(t, pid), "status", ":")["State"], s) }
	}
	term.send("\x1a")
	term.expect("Stopped")
	until(t, "it stops", state("T"))
	chrun := parent(t, pid)
	defer unix.Kill(chrun, unix.SIGKILL) // in the background, nobody hangs up
	term.check(unix.Kill(chrun, unix.SIGCONT))
	until(t, "it continues", state("S"))
}
