package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/internal/headless"
	"chrun/session"
)

// Under every identity, with a helper process, the terminal works as it does for a
// program of the host: ^C, ^Z and fg, the window's size, reading in the background,
// the terminal's settings and the exit status afterwards; kill -9 of chrun ends the
// first process.
func TestJobsOfEachIdentity(t *testing.T) {
	s := openStage(t, headless.Options{Bus: true})
	user := func(flags ...string) []string { return s.user(append([]string{chrunProgram, "-q"}, flags...)...) }
	sudo := func(flags ...string) []string {
		return bySudo.words(s, append([]string{chrunProgram, "-q"}, flags...)...)
	}
	plain, sub := s.mountAccountsTree(freeID()), s.mountSubordinateTree()
	for _, c := range []struct {
		name, tree string
		words      []string
		uid        int
	}{
		{"match", s.chroot, user(), s.User.UID},
		{"match by sudo", s.chroot, sudo(), s.User.UID},
		{"remap", s.chroot, user("-u", "games", "--identity=remap"), s.User.UID},
		{"subid", sub, user(), s.User.UID},
		{"subid by sudo", sub, sudo(), s.User.UID},
		{"idmap", plain, sudo("-u", "user", "--identity=idmap"), s.User.UID},
		{"grant", s.chroot, sudo("-u", "5", "--identity=grant"), 5},
		{"direct", s.chroot, append(noNamespaces[:len(noNamespaces):len(noNamespaces)], sudo()...), s.User.UID},
		{"root by sudo", s.chroot, sudo("-u", "root"), 0},
		{"root", s.chroot, []string{chrunProgram, "-q"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) { checkJob(t, s, append(c.words, "-c", c.tree), c.uid) })
	}
}

// job is a shell of root on a terminal, and a command line prefix of chrun.
type job struct {
	*headless.Terminal
	t          *testing.T
	dir, chrun string
}

// checkJob checks the terminal of programs that words, a command line prefix of
// chrun, starts, and their uid.
func checkJob(t *testing.T, s *stage, words []string, uid int) {
	cmd := s.command(context.Background(), "/tmp", "bash", "--noprofile", "--norc", "--noediting", "-i")
	cmd.Env = append(cmd.Env, "TERM=dumb", "LC_ALL=C", "PS1=$ ", "HISTFILE=")
	j := job{headless.StartOnTerminal(t, cmd, 10*time.Second), t, headless.Dir(t, s.User), session.Quote(append(words, "-C", "/")...)}
	j.Expect("$ ")
	j.TypeLine("stty rows 20 cols 200; before=$(stty -g)")
	j.Expect("$ ")
	j.checkKeys(uid)
	j.checkStatus()
	j.checkBackground()
	j.checkKill(uid)
}

// start types a command line that runs a script with sh inside. The shell prints the
// name of a file instead of the script when it speaks of the job.
func (j job) start(name, script, after string) {
	j.t.Helper()
	file := filepath.Join(j.dir, name)
	if err := os.WriteFile(file, []byte("#!/bin/sh\nexec "+j.chrun+" sh -c "+session.Quote(script)+"\n"), 0o755); err != nil {
		j.t.Fatal(err)
	}
	j.TypeLine(file + after)
}

// readLines is a script that prints its process ID and repeats what it reads.
const readLines = `printf '<%s>' pid=$$; while :; do read line && echo "<read $line>"; done`

// pid returns the process ID that readLines prints.
func (j job) pid() (pid int) {
	j.t.Helper()
	j.Expect("<pid=")
	fmt.Sscan(j.Expect(">"), &pid)
	return pid
}

// checkKeys checks ^C, ^Z and fg twice, and the window's size. The program ends by ^C.
func (j job) checkKeys(uid int) {
	// Connecting to the bus starts the helper process. Root's own launch has no bus.
	j.start("keys", `if test "$DBUS_SESSION_BUS_ADDRESS"; then gdbus call --session -d org.freedesktop.DBus -o / -m org.freedesktop.DBus.GetId >/dev/null; fi && printf '<%s>' bus
trap 'echo "<size $(stty size)>"' WINCH; trap 'printf "<%s>" caught' INT; trap 'trap - INT; kill -INT $$' USR1; `+readLines, "; echo status=$?")
	j.Expect("<bus>")
	pid := j.pid()
	if got := owner(j.t, fmt.Sprint("/proc/", pid)); got != uid {
		j.t.Errorf("the program has the uid %d, want %d", got, uid)
	}
	j.interrupt("one")
	j.Resize(33, 77)
	j.Expect("<size 33 77>")
	for _, line := range []string{"two", "three"} {
		j.Send("\x1a")
		j.Expect("Stopped")
		j.Expect("$ ")
		j.TypeLine("fg")
		j.read(line)
	}
	j.interrupt("four")
	j.Resize(20, 200)
	j.Expect("<size 20 200>")
	j.read("five")
	syscall.Kill(pid, syscall.SIGUSR1)
	j.Expect("$ ")
	j.TypeLine("echo status=$?")
	j.Expect("status=130")
	j.Expect("$ ")
}

// interrupt types ^C, and checks that the program catches it once.
func (j job) interrupt(line string) {
	j.t.Helper()
	j.Send("\x03")
	j.Expect("<caught>")
	j.Send(line + "\n")
	if more := j.Expect("<read " + line + ">"); strings.Contains(more, "<caught>") {
		j.t.Errorf("^C arrives more than once: %q", more)
	}
}

// read checks that the program reads a line.
func (j job) read(line string) {
	j.t.Helper()
	j.Send(line + "\n")
	j.Expect("<read " + line + ">")
}

// checkStatus checks the exit status, and that the terminal's settings are as before.
func (j job) checkStatus() {
	j.start("end", "exit 42", `; echo "status=$? settings=$(test "$(stty -g)" = "$before" && echo the same)"`)
	j.Expect("status=42 settings=the same")
	j.Expect("$ ")
}

// checkBackground checks that a program in the background that reads the terminal
// stops, and reads on in the foreground. There, ^C kills it.
func (j job) checkBackground() {
	j.start("background", readLines, " &")
	pid := j.pid()
	waitFor(j.t, 10*time.Second, "the program stops", func() bool {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		return strings.Contains(string(status), "State:\tT")
	})
	j.TypeLine("wait %1")
	j.Expect("Stopped")
	j.Expect("$ ")
	j.TypeLine("fg")
	j.read("six")
	j.Send("\x03")
	j.Expect("$ ")
	j.TypeLine("echo status=$?")
	j.Expect("status=130")
	j.Expect("$ ")
}

// checkKill checks that the first process ends when chrun is killed.
func (j job) checkKill(uid int) {
	j.start("killed", readLines, "")
	pid := j.pid()
	chrun := pid // as root, chrun executes the program in its own process
	if uid != 0 {
		chrun = parentOf(j.t, pid)
	}
	syscall.Kill(chrun, syscall.SIGKILL)
	waitFor(j.t, 5*time.Second, "the first process ends", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
	j.Expect("$ ")
	j.TypeLine(`echo "status=$?"`)
	j.Expect("status=137")
}

func parentOf(t *testing.T, pid int) (parent int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(status), "PPid:")
	fmt.Sscan(text, &parent)
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", parent))
	if strings.TrimSpace(string(comm)) != "chrun" && strings.TrimSpace(string(comm)) != "exe" {
		t.Fatalf("the parent of %d is %d, %s", pid, parent, comm)
	}
	return parent
}
