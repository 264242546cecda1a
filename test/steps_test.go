package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
	"chrun/internal/trace"
)

// victim is the process of a launch that is killed. Its steps are its system calls
// after root has its rights back, without those of the Go runtime.
type victim string

var victims = []victim{"chrun", "first", "helper"}

// changes are the system calls that change files. They are the steps of the victim
// "main", which is the process that trace starts.
var changes = map[uint64]bool{unix.SYS_RENAMEAT: true, unix.SYS_RENAMEAT2: true, unix.SYS_UNLINKAT: true, unix.SYS_MKDIRAT: true,
	unix.SYS_WRITE: true, unix.SYS_UTIMENSAT: true, unix.SYS_CLONE: true, unix.SYS_CLONE3: true}

// tracer follows a launch and kills one process at one step.
type tracer struct {
	victim victim
	step   int            // at which the victim is killed
	steps  int            // of the victim so far
	main   int            // process ID of the command
	role   map[int]victim // of a process
	dead   int            // process that was killed
	killed bool
}

// ignored are the calls that the Go runtime makes at any time.
var ignored = map[uint64]bool{unix.SYS_FUTEX: true, unix.SYS_NANOSLEEP: true, unix.SYS_MMAP: true, unix.SYS_MUNMAP: true, unix.SYS_MADVISE: true,
	unix.SYS_RT_SIGACTION: true, unix.SYS_RT_SIGPROCMASK: true, unix.SYS_SIGALTSTACK: true, unix.SYS_SCHED_YIELD: true, unix.SYS_EPOLL_PWAIT: true,
	unix.SYS_GETPID: true, unix.SYS_TGKILL: true, unix.SYS_MPROTECT: true}

// trace runs cmd to its end. After the kill, it no longer traces the rest.
func (tr *tracer) trace(cmd *exec.Cmd) error {
	tr.role = map[int]victim{}
	t := &trace.Tracer{}
	t.Exec = func(pid int) bool {
		delete(tr.role, pid)
		argv, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if strings.HasPrefix(string(argv), "chrun-helper\x00revoke") {
			tr.role[pid] = "helper"
		}
		return true
	}
	t.Enter = func(c *trace.Call) *trace.Fault {
		if tr.main == 0 && tr.victim == "main" {
			tr.main = cmd.Process.Pid
			tr.role[tr.main] = "main"
		}
		if tr.enter(c) {
			t.Release()
		}
		return nil
	}
	status, err := t.Run(cmd)
	tr.killed = tr.killed || err == nil && status.Signaled()
	return err
}

// enter kills the victim if a call is its last step, and reports whether it has.
func (tr *tracer) enter(c *trace.Call) bool {
	pid := c.PID
	if c.Nr == unix.SYS_SETRESUID && c.Args[0]|c.Args[1]|c.Args[2] == 0 && tr.role[pid] == "" {
		tr.role[pid] = "chrun"
	}
	role := tr.role[pid]
	if c.Nr == unix.SYS_OPEN_TREE && role == "" {
		role, tr.role[pid] = "first", "first"
	}
	if role != tr.victim || ignored[c.Nr] || role == "main" && !changes[c.Nr] {
		return false
	}
	if tr.steps++; tr.steps == tr.step {
		tr.killed, tr.dead = unix.Kill(pid, unix.SIGKILL) == nil, pid
	}
	return tr.killed
}

// If chrun, the first process or the helper process is killed at any step, the next
// launch or "chrunctl gc" removes what the launch left. CHRUN_TEST_STEPS=1 tries
// every step, CHRUN_TEST_STEPS=N every N-th.
func TestGrantKilledAtEachStep(t *testing.T) {
	stride := 23
	if n, err := strconv.Atoi(os.Getenv("CHRUN_TEST_STEPS")); err == nil && n > 0 {
		stride = n
	}
	d := openSudo(t, headless.Options{Compositor: "weston", Bus: true})
	d.startOpenXServer()
	before := d.desktopState()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	for _, v := range victims {
		count := 0
		for step := 1 + rand.IntN(stride); ; step += stride {
			tr := &tracer{victim: v, step: step}
			done := make(chan error)
			go func() { done <- tr.trace(d.grantCommand(ctx, "true")) }()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if tr.killed { // a sweep skips launches that still hold their lock
				waitFor(t, 10*time.Second, "the killed process ends", func() bool { return gone(tr.dead) })
			}
			if count%2 == 0 {
				d.gc()
			} else if r := runCommand(d.grantCommand(ctx, "true")); r.err != nil {
				t.Fatalf("%s killed at step %d, the next launch fails: %+v", v, step, r)
			}
			if err := d.waitNothingLeft(before); err != nil {
				t.Fatalf("%s killed at step %d: %v", v, step, err)
			}
			if tr.steps < step {
				break
			}
			count++
		}
		t.Logf("%s was killed at %d steps", v, count)
		if count == 0 {
			t.Errorf("%s has no steps", v)
		}
	}
}

// Random mixtures of launches and kills, CHRUN_TEST_ROUNDS times. Use 200 to test
// thoroughly.
func TestGrantRounds(t *testing.T) {
	rounds := 8
	if n, err := strconv.Atoi(os.Getenv("CHRUN_TEST_ROUNDS")); err == nil {
		rounds = n
	}
	d := openSudo(t, headless.Options{Compositor: "weston", Bus: true})
	d.startOpenXServer()
	before := d.desktopState()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for round := range rounds {
		var all []*running
		for range 1 + rand.IntN(3) {
			all = append(all, d.startLaunch(ctx))
		}
		event := rand.IntN(6)
		if err := d.disturb(ctx, event, all); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		for _, i := range rand.Perm(len(all)) {
			all[i].Cancel()
			if err := all[i].Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
				t.Error(err)
			}
		}
		for _, pid := range chrunProcesses("") {
			waitFor(t, 20*time.Second, "chrun's processes end", func() bool { return gone(pid) })
		}
		if rand.IntN(2) == 0 {
			d.gc()
		} else if r := runCommand(d.grantCommand(ctx, "true")); r.err != nil {
			t.Errorf("round %d: %+v", round, r)
		}
		if err := d.waitNothingLeft(before); err != nil {
			t.Fatalf("round %d (event %d): %v", round, event, err)
		}
		// Programs are killed when chrun is, but need not have ended yet.
		waitFor(t, 5*time.Second, fmt.Sprint("all programs of round ", round, " end"), func() bool { return len(processesOfUID(stranger, "sh")) == 0 })
	}
}

// disturb kills processes of launches, or starts a daemon, depending on the event.
func (d *sudoDesk) disturb(ctx context.Context, event int, launches []*running) error {
	if event < 5 {
		for _, r := range launches {
			d.waitReady(r)
		}
	}
	switch event {
	case 0:
		d.killKeepers()
	case 1:
		for _, pid := range processesOfUID(stranger, "sh") {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	case 2:
		syscall.Kill(launches[0].pid, syscall.SIGKILL)
	case 3:
		r := runCommand(d.grantCommand(ctx, "sh", "-c", "(setsid -f sh -c 'exec sleep 0.2 <&- >&- 2>&-' &)"))
		if r.err != nil {
			return fmt.Errorf("%+v", r)
		}
	case 5: // at any point of the launch
		time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
		syscall.Kill(launches[0].pid, syscall.SIGKILL)
	}
	return nil
}
