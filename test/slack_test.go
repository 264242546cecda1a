package test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// setTimerSlack sets the timer slack of the calling goroutine's thread, which the
// programs inherit that it starts.
func setTimerSlack(t *testing.T, ns uintptr) {
	t.Helper()
	runtime.LockOSThread() // it ends with the test's goroutine
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, ns, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
}

// Programs have the timer slack of chrun's caller, not that of chrun's own threads.
func TestTimerSlack(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	setTimerSlack(t, 123456)
	for _, id := range d.identities() {
		if out, err := d.output(id, nil, "cat", "/proc/self/timerslack_ns"); err != nil || out != "123456" {
			t.Errorf("%s: %v: %s", id.name, err, out)
		}
	}
}

// That is also true of the programs with which the host opens links.
func TestTimerSlackOfOpened(t *testing.T) {
	d := openOpen(t)
	dir := filepath.Dir(d.log)
	writeFile(t, filepath.Join(dir, "fake"), "#!/bin/sh\ncat /proc/self/timerslack_ns >>"+d.log+"\n")
	setTimerSlack(t, 123456)
	for range 10 { // the bridge opens them in different threads
		d.opens(t, d.noPortal(""), nil, "xdg-open http://example.org/", "123456")
	}
	if data, err := os.ReadFile(d.log); err != nil || strings.TrimSpace(string(data)) != "123456" {
		t.Errorf("%v: %s", err, data)
	}
}

// Root's program gets the parent-death signal that root's process has, since it is that
// process.
func TestParentDeathSignal(t *testing.T) {
	d := openSudo(t, headless.Options{})
	runtime.LockOSThread() // the signal comes when this thread ends
	defer runtime.UnlockOSThread()
	show := fmt.Sprintf(`$b = pack("i", 0); syscall(%d, %d, $b); print unpack("i", $b)`, unix.SYS_PRCTL, unix.PR_GET_PDEATHSIG)
	for range 40 { // the Go runtime changes the thread now and then
		cmd := d.asRoot(t.Context(), chrunProgram, "-q", "-c", d.chroot, "perl", "-e", show)
		cmd.Env = without("SUDO_UID", "SUDO_USER")(cmd.Env) // nobody's desktop
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGUSR1}
		if r := runCommand(cmd); r.stdout != strconv.Itoa(int(unix.SIGUSR1)) {
			t.Fatalf("%v: %s%s", r.err, r.stdout, r.stderr)
		}
	}
}
