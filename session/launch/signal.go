package launch

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// For the assembly: the descriptor to which the handlers write, and the handler
// that Go installed. From the assembly: the handlers and their sa_restorer.
var (
	//lint:ignore U1000 the assembly reads it
	signalPipe                      int32
	goHandler                       uintptr
	handler, faultHandler, restorer uintptr
)

// From <asm/signal.h>, the same on amd64 and arm64.
const (
	sigIgn     = 1
	saSigInfo  = 0x00000004
	saOnStack  = 0x08000000
	saRestart  = 0x10000000
	saRestorer = 0x04000000
)

// sigaction is the kernel's struct on amd64 and arm64.
type sigaction struct {
	handler, flags, restorer, mask uintptr
}

func rtSigaction(sig syscall.Signal, set, old *sigaction) {
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(set.mask), 0, 0)
}

// siginfo is the beginning of siginfo_t (sigaction(2)) on 64-bit machines. sender
// is valid if a process sent the signal.
type siginfo struct {
	signal, _, code, _ int32
	sender             int32
	_                  [3]int32
}

// watchSignals installs handlers of our own, because os/signal would start three
// threads, and returns a descriptor from which each siginfo can be read. It is
// called right before the program starts, so that no signal is lost after that;
// the child begins with default dispositions.
//
// It watches all signals, except those that the Go runtime (URG) and C libraries
// (32, 33) use. Signals that were ignored when chrun started, as by nohup, stay
// ignored.
func watchSignals() (signals int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, os.NewSyscallError("pipe2", err)
	}
	unix.SetNonblock(p[1], true)
	signalPipe = int32(p[1])
	var old sigaction
	if goHandler == 0 { // otherwise this is the second attempt of a launch
		rtSigaction(unix.SIGSEGV, nil, &old)
		goHandler = old.handler
	}
	for s := syscall.Signal(1); s <= 64; s++ {
		a := sigaction{handler: handler, flags: saSigInfo | saOnStack | saRestart, restorer: restorer}
		if restorer != 0 {
			a.flags |= saRestorer
		}
		switch s {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGURG, 32, 33:
			continue
		case unix.SIGILL, unix.SIGTRAP, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGSYS:
			a.handler, a.mask = faultHandler, ^uintptr(0) // Go's handler must not be interrupted
		}
		rtSigaction(s, &a, &old)
		if old.handler == sigIgn && s != unix.SIGCHLD {
			rtSigaction(s, &old, nil)
		}
	}
	return p[0], nil
}

// EndBySignals gives the signals that end a program their default action, until
// Run watches them. A thread that waits for a file system which does not answer
// would not run Go's handler, and it is often the one to which the kernel gives the
// signal.
func EndBySignals() {
	for _, s := range []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM} {
		var dfl, old sigaction
		if rtSigaction(s, nil, &old); old.handler != sigIgn {
			rtSigaction(s, &dfl, nil)
		}
	}
}

// readSignals waits for signals and returns them.
func readSignals(signals int) []siginfo {
	var buf [16]siginfo
	n, _ := unix.Read(signals, unsafe.Slice((*byte)(unsafe.Pointer(&buf)), unsafe.Sizeof(buf)))
	return buf[:max(n, 0)/int(unsafe.Sizeof(buf[0]))]
}

// forward sends the program a signal that a process sent to us. The kernel's own
// signals from the terminal reach the program, too, because it stays in our
// process group; but SIGHUP goes only to the leader of the session, and SIGALRM
// only to the process in which alarm(2) was called before it executed chrun.
func forward(pid int, s siginfo) {
	sig := syscall.Signal(s.signal)
	switch {
	case sig == unix.SIGCHLD:
		return
	case sig == unix.SIGHUP, sig == unix.SIGALRM:
	case s.code > 0:
		return
	case int(s.sender) == unix.Getpid():
		return // SIGPIPE and SIGXFSZ: the kernel says that the writer sent them
	case int(s.sender) == pid:
		return // sent to the process group, as when vim stops itself
	}
	unix.Kill(pid, sig)
}

// forwardUnread forwards the signals that have come before the program stopped,
// except those that would stop it again after it has continued.
func forwardUnread(pid, signals int) {
	for ready, _ := pollSockets(signals, nil, 0); ready; ready, _ = pollSockets(signals, nil, 0) {
		for _, s := range readSignals(signals) {
			switch syscall.Signal(s.signal) {
			case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
			default:
				forward(pid, s)
			}
		}
	}
}

// raise sends this thread a signal with its default action, so that the signal
// has taken effect when raise returns. Then it restores the handler.
func raise(sig syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer setDefault(sig)()
	unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
}

// setDefault gives a signal its default action until restore is called.
func setDefault(sig syscall.Signal) (restore func()) {
	var dfl, old sigaction
	rtSigaction(sig, &dfl, &old)
	return func() { rtSigaction(sig, &old, nil) }
}
