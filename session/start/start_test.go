package start

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// report builds the program that reports, and returns what it prints, by the first
// word of a line, and the packages in the order of their initialisation. It runs with
// a timer slack of 123456 ns.
func report(t *testing.T, flags ...string) (lines map[string]string, order []string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "report")
	build := exec.Command("go", slices.Concat([]string{"build", "-buildvcs=false", "-o", program}, flags, []string{"./testdata/report"})...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	runtime.LockOSThread() // it ends with the test's goroutine
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 123456, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1", "GOMAXPROCS=")
	var trace strings.Builder
	cmd.Stderr = &trace
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, trace.String())
	}
	lines = map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines[name] = value
	}
	for line := range strings.Lines(trace.String()) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "init" {
			order = append(order, f[1])
		}
	}
	return lines, order
}

func TestEntry(t *testing.T) {
	lines, order := report(t, "-ldflags=-E chrun/session/start.entry")
	if lines["processors"] != "1" || lines["slack"] != "123456 <nil>" || lines["other"] != "123456 <nil>" {
		t.Error(lines)
	}
	if size, rss, _ := strings.Cut(lines["code"], " "); size != rss {
		t.Errorf("of %s KiB of code, %s are in memory", size, rss)
	}
	at := slices.Index(order, "chrun/session/start")
	if before := slices.Index(order, "os"); at < 0 || before < 0 || at > before {
		t.Errorf("start is not initialised before os: %s", order)
	}
}

// Without the linker's option nothing is changed.
func TestOtherEntry(t *testing.T) {
	lines, _ := report(t)
	if lines["processors"] != strconv.Itoa(runtime.NumCPU()) || lines["slack"] != "123456 <nil>" || lines["other"] != "123456 <nil>" {
		t.Error(lines)
	}
}

// A position-independent program begins there, too.
func TestEntryOfPIE(t *testing.T) {
	lines, _ := report(t, "-buildmode=pie", "-ldflags=-E chrun/session/start.entry")
	if lines["processors"] != "1" || lines["slack"] != "123456 <nil>" || lines["other"] != "123456 <nil>" {
		t.Error(lines)
	}
}
