package test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/internal/headless"
	"chrun/session"
)

// Under every identity, with and without a helper process, kill -9 of chrun ends the
// first process, ^C reaches a program that catches it exactly once, and the program can
// change the window's size.
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
		{"root", s.chroot, sudo("-u", "root"), 0},
	} {
		t.Run(c.name, func(t *testing.T) { checkJob(t, s, append(c.words, "-c", c.tree), c.uid) })
	}
}

// checkJob runs a shell on a terminal with words, a command line prefix of chrun, and
// checks its uid, ^C, and that it ends when chrun is killed.
func checkJob(t *testing.T, s *stage, words []string, uid int) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	// Connecting to the bus starts the helper process.
	const script = `gdbus call --session -d org.freedesktop.DBus -o / -m org.freedesktop.DBus.GetId >/dev/null && echo bus
trap 'echo resized' WINCH; stty rows 33 cols 77; stty size; trap 'echo caught' INT; echo pid=$$; while :; do read line && echo "read $line"; done`
	line := session.Quote(append(words, "-C", "/", "sh", "-c", script)...)
	cmd := s.command(ctx, "/tmp", "script", "-qec", line, "/dev/null")
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cancel()
	waitOutput := func(text string) {
		t.Helper()
		waitFor(t, 10*time.Second, "output of "+text, func() bool { return strings.Contains(out.String(), text) })
	}
	waitOutput("bus")
	waitOutput("pid=")
	waitOutput("\n")
	if !strings.Contains(out.String(), "resized") || !strings.Contains(out.String(), "33 77") {
		t.Errorf("the window's size: %q", out.String())
	}
	_, rest, _ := strings.Cut(out.String(), "pid=")
	pid := 0
	fmt.Sscan(rest, &pid)
	if got := owner(t, fmt.Sprint("/proc/", pid)); got != uid {
		t.Errorf("the program has the uid %d, want %d", got, uid)
	}
	io.WriteString(keys, "\x03")
	waitOutput("caught")
	io.WriteString(keys, "on\n")
	waitOutput("read on")
	if n := strings.Count(out.String(), "caught"); n != 1 {
		t.Errorf("^C arrived %d times: %q", n, out.String())
	}
	chrun := pid // as root, chrun executes the program in its own process
	if uid != 0 {
		chrun = parentOf(t, pid)
	}
	syscall.Kill(chrun, syscall.SIGKILL)
	waitFor(t, 5*time.Second, "the first process ends", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
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
