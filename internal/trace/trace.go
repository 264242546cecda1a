// Package trace follows a command and everything that it starts by ptrace(2), over
// all its threads and processes, and lets single system calls fail. It is for tests
// and tools. The caller must be root, or setuid programs lose their effect.
package trace

import (
	"encoding/binary"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Call is a system call that a thread is about to make.
type Call struct {
	PID, TID int
	Nr       uint64
	Args     [6]uint64
}

// Text returns the string that an argument points to, or "" if it is not one.
func (c *Call) Text(arg int) string {
	text, _, ended := strings.Cut(string(c.Bytes(arg, 256)), "\x00")
	if !ended || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return text
}

// Bytes returns up to size bytes that an argument points to, without those of the
// next page, or nil if there are none.
func (c *Call) Bytes(arg, size int) []byte {
	at := uintptr(c.Args[arg])
	if at < 4096 {
		return nil
	}
	size = min(size, 4096-int(at%4096))
	buf := make([]byte, size)
	local := unix.Iovec{Base: &buf[0]}
	local.SetLen(size)
	n, err := unix.ProcessVMReadv(c.TID, []unix.Iovec{local}, []unix.RemoteIovec{{Base: at, Len: size}}, 0)
	if err != nil {
		return nil
	}
	return buf[:n]
}

// A Fault is how a call fails.
type Fault struct {
	Errno syscall.Errno
	// After lets the call happen, and reports the error nevertheless, as close(2)
	// does.
	After bool
	// BadArgument makes the call with -1 as its first argument, and reports what it
	// returns: for calls that do not report errors.
	BadArgument bool
}

// A Tracer follows one command.
type Tracer struct {
	// Enter is called at the entry of each system call. A result that is not nil
	// makes it fail.
	Enter func(c *Call) *Fault
	// Exec is called when a process has executed a file. If it returns false, the
	// process is no longer followed. It may be nil.
	Exec func(pid int) bool

	main     int // process ID of the command
	status   unix.WaitStatus
	released bool
	traced   map[int]bool   // threads
	ended    map[int]bool   // threads that ended or are no longer traced
	group    map[int]int    // process of a thread
	failing  map[int]*Fault // by thread: the call that it is in
}

// Release ends the tracing: every thread is let go at its next stop.
func (t *Tracer) Release() { t.released = true }

// Run runs cmd until it and everything that is followed have ended. It returns
// the wait status of the command. cmd.Wait must still be called, for its streams;
// its result means nothing.
func (t *Tracer) Run(cmd *exec.Cmd) (unix.WaitStatus, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	t.main = cmd.Process.Pid
	t.traced, t.ended = map[int]bool{t.main: true}, map[int]bool{}
	t.group, t.failing = map[int]int{}, map[int]*Fault{}
	for first := true; len(t.traced) > 0; first = false {
		var status unix.WaitStatus
		pid := -1
		if first {
			pid = t.main // it stops at its execve
		}
		tid, err := unix.Wait4(pid, &status, unix.WALL|unix.WNOTHREAD, nil)
		if err == unix.EINTR {
			continue
		} else if err != nil {
			return 0, os.NewSyscallError("wait4", err)
		}
		if first {
			const options = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACESYSGOOD
			if err := unix.PtraceSetOptions(tid, options); err != nil {
				return 0, os.NewSyscallError("ptrace", err)
			}
		}
		if status.Stopped() {
			t.stop(tid, status)
			continue
		}
		delete(t.traced, tid)
		t.ended[tid] = true
		if tid == t.main {
			t.status = status
		}
	}
	return t.status, nil
}

// stop handles a stop of a thread and lets the thread continue.
func (t *Tracer) stop(tid int, status unix.WaitStatus) {
	t.traced[tid] = true
	signal, follow := 0, true
	switch stop := status.StopSignal(); {
	case stop == unix.SIGTRAP|0x80:
		t.call(tid)
	case stop == unix.SIGTRAP && status.TrapCause() == unix.PTRACE_EVENT_EXEC:
		if former, err := unix.PtraceGetEventMsg(tid); err == nil && int(former) != tid {
			delete(t.traced, int(former)) // a thread that was not the first has executed the file
			delete(t.failing, int(former))
		}
		follow = t.Exec == nil || t.Exec(tid)
	case stop == unix.SIGTRAP && status.TrapCause() > 0: // it has forked
		if child, err := unix.PtraceGetEventMsg(tid); err == nil && !t.ended[int(child)] {
			t.traced[int(child)] = true
		}
	case stop == unix.SIGTRAP, stop == unix.SIGSTOP:
	default:
		signal = int(stop)
	}
	// A command that is let go is still waited for.
	if t.released && t.failing[tid] == nil || !follow {
		unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(tid), 0, uintptr(signal), 0, 0)
		if tid != t.main {
			delete(t.traced, tid)
			t.ended[tid] = true
		}
		return
	}
	unix.PtraceSyscall(tid, signal)
}

const (
	ptraceGetSyscallInfo = 0x420e
	infoEntry, infoExit  = 1, 2
)

// call handles the entry or exit of a system call.
func (t *Tracer) call(tid int) {
	var info [88]byte // struct ptrace_syscall_info
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, ptraceGetSyscallInfo, uintptr(tid), uintptr(len(info)), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return
	}
	if f := t.failing[tid]; f != nil && info[0] == infoExit {
		delete(t.failing, tid)
		if !f.BadArgument {
			setResult(tid, f.Errno)
		}
	}
	if info[0] != infoEntry || t.released {
		return
	}
	c := &Call{PID: t.process(tid), TID: tid, Nr: binary.NativeEndian.Uint64(info[24:])}
	for i := range c.Args {
		c.Args[i] = binary.NativeEndian.Uint64(info[32+8*i:])
	}
	f := t.Enter(c)
	if f == nil {
		return
	}
	t.failing[tid] = f
	switch {
	case f.BadArgument:
		setFirstArgument(tid, ^uint64(0))
	case !f.After:
		skipCall(tid)
	}
}

// process returns the process of a thread.
func (t *Tracer) process(tid int) int {
	if pid, ok := t.group[tid]; ok {
		return pid
	}
	status, _ := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/status")
	_, rest, _ := strings.Cut(string(status), "\nTgid:\t")
	line, _, _ := strings.Cut(rest, "\n")
	pid, _ := strconv.Atoi(line)
	t.group[tid] = pid
	return pid
}
