package test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
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
