package start

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
	"chrun/internal/trace"
)

// build builds the program that reports.
func build(t *testing.T, flags ...string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "report")
	build := exec.Command("go", slices.Concat([]string{"build", "-buildvcs=false", "-o", program}, flags, []string{"./testdata/report"})...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

// run runs it and returns what it prints, by the first word of a line, and the packages
// in the order of their initialisation. It runs with a timer slack of 123456 ns.
func run(t *testing.T, program string, args, env []string) (lines map[string]string, order []string) {
	t.Helper()
	setSlack(t)
	cmd := &exec.Cmd{Path: program, Args: args, Env: append([]string{"GODEBUG=inittrace=1"}, env...)}
	var inits strings.Builder
	cmd.Stderr = &inits
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, inits.String())
	}
	for line := range strings.Lines(inits.String()) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "init" {
			order = append(order, f[1])
		}
	}
	return parse(string(out)), order
}

// setSlack gives this thread, and the programs it starts, a timer slack of 123456 ns.
func setSlack(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // it ends with the test's goroutine
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 123456, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
}

// parse returns the lines of a report, by their first words.
func parse(report string) map[string]string {
	lines := map[string]string{}
	for line := range strings.Lines(report) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines[name] = value
	}
	return lines
}

const entryFlag = "-ldflags=-E chrun/session/start.entry"

// check checks what must be so wherever the program begins.
func check(t *testing.T, lines map[string]string) {
	t.Helper()
	if lines["slack"] != "123456 <nil>" {
		t.Error("another timer slack after LockOSThread: ", lines)
	}
}

func TestEntry(t *testing.T) {
	lines, order := run(t, build(t, entryFlag), []string{"report"}, nil)
	check(t, lines)
	if lines["processors"] != "1" {
		t.Error(lines)
	}
	if size, rss, _ := strings.Cut(lines["code"], " "); size != rss {
		t.Errorf("of %s KiB of code, %s are in memory", size, rss)
	}
	if early := slices.Index(order, "chrun/session/start/early"); early < 0 || early > slices.Index(order, "internal/godebug") {
		t.Errorf("early is not initialised before internal/godebug: %s", order)
	}
	at := slices.Index(order, "chrun/session/start")
	if before := slices.Index(order, "os"); at < 0 || before < 0 || at > before {
		t.Errorf("start is not initialised before os: %s", order)
	}
}

// The program has the arguments and the environment of its caller, GOMAXPROCS too,
// though that is not obeyed.
func TestEnvironment(t *testing.T) {
	program := build(t, entryFlag)
	for _, env := range [][]string{
		nil, {"A=1"}, {"GOMAXPROCS=7"}, {"GOMAXPROCS=1"}, {"GOMAXPROCS="}, {"A=1", "GOMAXPROCS=+1", "B=2"},
		{"GOMAXPROCSX=3", "GOMAXPROC=4", "B="}, {"GOMAXPROCS", "=", ""},
	} {
		for _, args := range [][]string{{}, {"one"}, {"", "two words", "GOMAXPROCS=5"}} {
			lines, _ := run(t, program, append([]string{"report"}, args...), env)
			check(t, lines)
			want := slices.DeleteFunc(append([]string{"GODEBUG=inittrace=1"}, env...), func(s string) bool { return s == "" })
			slices.Sort(want)
			if lines["environment"] != fmt.Sprintf("%q", want) || lines["arguments"] != fmt.Sprintf("%q", args) || lines["processors"] != "1" {
				t.Errorf("with %q, %q: %s", args, env, lines)
			}
		}
	}
}

// The runtime's first threads have late timers, and those of a helper process are late
// by less. The main thread has none.
func TestLateTimers(t *testing.T) {
	headless.Root(t) // who can read the timer slack of other threads
	program := build(t, entryFlag)
	for name, late := range map[string]string{"chrun": "50000000", "": "50000000", "chrun-helper": "1000000"} {
		lines, _ := run(t, program, []string{name}, nil)
		check(t, lines)
		threads := strings.Fields(strings.Trim(lines["threads"], "[]"))
		if threads[0] != "123456" || !slices.Contains(threads, late) {
			t.Errorf("%q: the timer slack of the threads is %s", name, threads)
		}
		if slices.ContainsFunc(threads, func(s string) bool { return s != late && s != "123456" }) {
			t.Errorf("%q: another timer slack: %s", name, threads)
		}
	}
}

// Whichever call of entry is refused or returns 0, the program has the caller's timer
// slack and limit of open files, and no thread has timers that are later than planned.
func TestRefusedCalls(t *testing.T) {
	headless.Root(t) // who can read the timer slack of other threads
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit.Max - 1, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	program := build(t, entryFlag)
	want, _ := run(t, program, []string{"report"}, nil)
	for _, result := range []syscall.Errno{unix.EPERM, 0} {
		calls := 0
		for ofEntry := true; ofEntry; calls++ {
			var lines map[string]string
			lines, ofEntry = runRefused(t, program, calls, result)
			check(t, lines)
			if lines["files"] != want["files"] {
				t.Errorf("call %d: files %s, not %s", calls, lines["files"], want["files"])
			}
			for _, slack := range strings.Fields(strings.Trim(lines["threads"], "[]")) {
				if slack != "123456" && slack != "50000000" {
					t.Errorf("call %d: a thread has a timer slack of %s", calls, slack)
				}
			}
		}
		if calls < 6 {
			t.Errorf("entry has made only %d calls", calls)
		}
	}
}

// runRefused is like run, but the call number refused has this result, if it is one that
// entry makes.
func runRefused(t *testing.T, program string, refused int, result syscall.Errno) (lines map[string]string, ofEntry bool) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	count := -1
	tracer := &trace.Tracer{Enter: func(c *trace.Call) *trace.Fault {
		if count++; count != refused {
			return nil
		}
		ofEntry = c.Nr == unix.SYS_MADVISE || c.Nr == unix.SYS_PRCTL || c.Nr == unix.SYS_PRLIMIT64
		if !ofEntry {
			return nil
		}
		return &trace.Fault{Errno: result}
	}}
	setSlack(t)
	status, err := tracer.Run(&exec.Cmd{Path: program, Args: []string{"report"}, Env: []string{}, Stdout: out, Stderr: os.Stderr})
	if err != nil || status != 0 {
		t.Fatalf("call %d: status %d, %v", refused, status, err)
	}
	text, _ := os.ReadFile(out.Name())
	return parse(string(text)), ofEntry
}

// Without the linker's option nothing is changed.
func TestOtherEntry(t *testing.T) {
	lines, _ := run(t, build(t), []string{"report"}, []string{"GOMAXPROCS=3"})
	check(t, lines)
	if lines["processors"] != "3" || !strings.Contains(lines["environment"], "GOMAXPROCS=3") {
		t.Error(lines)
	}
}

// A position-independent program begins there, too.
func TestEntryOfPIE(t *testing.T) {
	lines, _ := run(t, build(t, "-buildmode=pie", entryFlag), []string{"report", "x"}, []string{"GOMAXPROCS=3"})
	check(t, lines)
	if lines["processors"] != "1" || !strings.Contains(lines["environment"], `"GOMAXPROCS=3"`) || lines["arguments"] != `["x"]` {
		t.Error(lines)
	}
}

// The caller's limit of open files is the same as without the linker's option. Before
// that the runtime cannot open the list of its cgroups, but /dev/null in place of a
// standard file that is closed.
func TestOpenFiles(t *testing.T) {
	headless.Root(t) // who can mount
	file := filepath.Join(t.TempDir(), "cgroup")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, file, unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	// The program has the shell's number.
	const script = `mount --bind "$2" /proc/$$/cgroup && exec <&- && ulimit -Sn $3 && ulimit -Hn 300 && exec "$1"`
	for flag, closed := range map[string]bool{entryFlag: true, "-ldflags=": false} {
		program := build(t, flag)
		for soft, want := range map[string]string{"5": "{5 300} {299 300}", "200": "{200 300} {299 300}", "300": "{300 300} {300 300}"} {
			out, err := exec.Command("unshare", "-m", "sh", "-c", script, "sh", program, file, soft).Output()
			if err != nil || !strings.Contains(string(out), "\nfiles "+want+" <nil>\n") {
				t.Errorf("%s, %s files: %s, %v", flag, soft, out, err)
			}
			if n, err := unix.Read(watch, make([]byte, 4096)); (n <= 0) != closed {
				t.Errorf("%s, %s files: the runtime has opened the list of cgroups: %d, %v", flag, soft, n, err)
			}
		}
	}
}
