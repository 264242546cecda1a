package test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// victim is which process of a launch is killed. Its steps are its system calls
// once root has its rights back; the runtime's own do not count.
type victim string

var victims = []victim{"chrun", "first", "keeper"}

// changes are the calls that change files, the steps of the victim "main", the
// process that is started.
var changes = map[uint64]bool{unix.SYS_RENAMEAT: true, unix.SYS_RENAMEAT2: true, unix.SYS_UNLINKAT: true, unix.SYS_MKDIRAT: true,
	unix.SYS_WRITE: true, unix.SYS_UTIMENSAT: true, unix.SYS_CLONE: true, unix.SYS_CLONE3: true}

// tracer follows a launch by ptrace(2) and kills one process at one step.
type tracer struct {
	victim victim
	step   int
	steps  int            // so far
	inside map[int]bool   // threads between entry and exit of a call
	group  map[int]int    // the process of a thread
	role   map[int]victim // of a process
	dead   int            // whom
	killed bool
}

// idle are calls that the Go runtime makes whenever it likes.
var idle = map[uint64]bool{unix.SYS_FUTEX: true, unix.SYS_NANOSLEEP: true, unix.SYS_MMAP: true, unix.SYS_MUNMAP: true, unix.SYS_MADVISE: true,
	unix.SYS_RT_SIGACTION: true, unix.SYS_RT_SIGPROCMASK: true, unix.SYS_SIGALTSTACK: true, unix.SYS_SCHED_YIELD: true, unix.SYS_EPOLL_PWAIT: true,
	unix.SYS_GETPID: true, unix.SYS_TGKILL: true, unix.SYS_MPROTECT: true}

// trace runs cmd to its end, and lets what is left of it go on untraced.
func (tr *tracer) trace(cmd *exec.Cmd) error {
	tr.inside, tr.group, tr.role = map[int]bool{}, map[int]int{}, map[int]victim{}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return err
	}
	main := cmd.Process.Pid
	gone := map[int]bool{}
	traced := map[int]bool{main: true} // this thread may have other children
	for first := true; len(traced) > 0; first = false {
		var status unix.WaitStatus
		whom := -1
		if first {
			whom = main // at its execve
		}
		tid, err := unix.Wait4(whom, &status, unix.WALL|unix.WNOTHREAD, nil)
		if err == unix.EINTR {
			continue
		} else if err != nil {
			return err
		}
		if first {
			const follow = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACESYSGOOD
			if err := unix.PtraceSetOptions(tid, follow); err != nil {
				return err
			}
			if tr.victim == "main" {
				tr.role[main] = tr.victim
			}
		}
		if !traced[tid] && !status.Stopped() {
			continue
		}
		if !status.Stopped() {
			delete(traced, tid)
			gone[tid] = true
			if tid == main {
				tr.killed = tr.killed || status.Signaled()
			}
			continue
		}
		traced[tid] = true
		signal := 0
		switch stop := status.StopSignal(); {
		case stop == unix.SIGTRAP|0x80:
			tr.call(tid)
		case stop == unix.SIGTRAP && status.TrapCause() == unix.PTRACE_EVENT_EXEC:
			delete(tr.role, tid)
			delete(tr.inside, tid)
			argv, _ := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/cmdline")
			if strings.HasPrefix(string(argv), "chrun-helper\x00revoke") {
				tr.role[tid] = "keeper"
			}
		case stop == unix.SIGTRAP && status.TrapCause() > 0: // it has forked
			if child, err := unix.PtraceGetEventMsg(tid); err == nil && !gone[int(child)] {
				traced[int(child)] = true
			}
		case stop == unix.SIGTRAP, stop == unix.SIGSTOP:
		default:
			signal = int(stop)
		}
		if tr.killed { // the rest is left alone
			unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(tid), 0, uintptr(signal), 0, 0)
			delete(traced, tid)
			gone[tid] = true
			continue
		}
		unix.PtraceSyscall(tid, signal)
	}
	return nil
}

// call is told of each entry and exit of a system call.
func (tr *tracer) call(tid int) {
	var info [88]byte // struct ptrace_syscall_info
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, 0x420e, uintptr(tid), uintptr(len(info)), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 || info[0] != 1 { // PTRACE_SYSCALL_INFO_ENTRY
		return
	}
	nr := binary.NativeEndian.Uint64(info[24:])
	arg := func(i int) uint64 { return binary.NativeEndian.Uint64(info[32+8*i:]) }
	pid := tr.process(tid)
	if nr == unix.SYS_SETRESUID && arg(0)|arg(1)|arg(2) == 0 && tr.role[pid] == "" {
		tr.role[pid] = "chrun"
	}
	role := tr.role[pid]
	if nr == unix.SYS_OPEN_TREE && role == "" {
		role, tr.role[pid] = "first", "first"
	}
	if role != tr.victim || idle[nr] || role == "main" && !changes[nr] {
		return
	}
	if tr.steps++; tr.steps == tr.step {
		tr.killed, tr.dead = unix.Kill(pid, unix.SIGKILL) == nil, pid
	}
}

func (tr *tracer) process(tid int) int {
	if pid, ok := tr.group[tid]; ok {
		return pid
	}
	status, _ := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/status")
	_, rest, _ := strings.Cut(string(status), "\nTgid:\t")
	line, _, _ := strings.Cut(rest, "\n")
	pid, _ := strconv.Atoi(line)
	tr.group[tid] = pid
	return pid
}

// Killed at each step — chrun, the first process, the keeper — a launch leaves
// what the next one or "chrunctl gc" clears away. Every step is tried with
// CHRUN_TEST_STEPS=1, each so many-th otherwise.
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
			if tr.killed { // a sweep leaves alone what still has its lock
				waitFor(t, 10*time.Second, "what was killed ends", func() bool { return gone(tr.dead) })
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

// A mixture of all that can happen, CHRUN_TEST_ROUNDS times (200 by hand).
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
	kill := func(pids []int) {
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	for round := range rounds {
		var all []*running
		for range 1 + rand.IntN(3) {
			all = append(all, d.startLaunch(ctx))
		}
		what := rand.IntN(6)
		if what < 5 {
			for _, r := range all {
				d.waitReady(r)
			}
		}
		switch what {
		case 0:
			d.killKeepers()
		case 1:
			kill(processesOfUID(stranger, "sh"))
		case 2:
			kill([]int{all[0].pid})
		case 3:
			r := runCommand(d.grantCommand(ctx, "sh", "-c", "(setsid -f sh -c 'exec sleep 0.2 <&- >&- 2>&-' &)"))
			if r.err != nil {
				t.Errorf("round %d: %+v", round, r)
			}
		case 5: // wherever it is
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
			kill([]int{all[0].pid})
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
			t.Fatalf("round %d (%d): %v", round, what, err)
		}
		if left := processesOfUID(stranger, "sh"); len(left) > 0 {
			t.Errorf("round %d: processes %v are left", round, left)
		}
	}
}
