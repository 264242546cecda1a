package launch

import (
	"os"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The signals that concern the program. A handler of our own writes them to a
// pipe, because os/signal would start three threads.
var watched = []syscall.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU,
	unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGCHLD}

// For the assembly: the descriptor to which the handler writes. From the
// assembly: the handler and the sa_restorer.
var (
	//lint:ignore U1000 the assembly reads it
	signalPipe        int32
	handler, restorer uintptr
)

// From <asm/signal.h>, the same on amd64 and arm64.
const (
	sigIgn     = 1
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

// watchSignals installs the handler and returns a descriptor from which signal
// numbers can be read. It is called right before the program starts, so that no
// signal is lost after that; the child begins with default dispositions.
//
// Signals from the terminal reach the program directly, because it stays in our
// process group. We must survive them, and stop and continue with the program.
// Signals that were ignored when chrun started, as by nohup, stay ignored.
func watchSignals() (signals int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, os.NewSyscallError("pipe2", err)
	}
	unix.SetNonblock(p[1], true)
	signalPipe = int32(p[1])
	a := sigaction{handler: handler, flags: saOnStack | saRestart, restorer: restorer}
	if restorer != 0 {
		a.flags |= saRestorer
	}
	for _, s := range watched {
		var old sigaction
		rtSigaction(s, nil, &old)
		if s == unix.SIGCHLD || old.handler != sigIgn {
			rtSigaction(s, &a, nil)
		}
	}
	return p[0], nil
}

// follow waits for the program as a shell waits for a job. It forwards signals,
// read from the result of watchSignals, stops when the program stops, and
// continues the program when it is continued itself. It calls res.OnFirstClient when
// the first client connects. The calling goroutine must be locked to its thread.
func follow(pid, signals int, res *Resources) unix.WaitStatus {
	onFirstClient := res.OnFirstClient
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(pid, &status, unix.WUNTRACED|unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return unix.WaitStatus(125 << 8)
		case got == pid && status.Stopped():
			stop(pid, status.StopSignal())
			continue
		case got == pid:
			return status
		}
		if onFirstClient != nil {
			signal, client := pollSockets(signals, res.RelaySockets)
			if client {
				onFirstClient()
				onFirstClient = nil
			}
			if !signal {
				continue
			}
		}
		var buf [16]byte
		n, _ := unix.Read(signals, buf[:])
		for _, b := range buf[:max(n, 0)] {
			forward(pid, syscall.Signal(b))
		}
	}
}

// pollSockets waits for signals and clients, and reports which have come.
func pollSockets(signals int, sockets []int) (signal, client bool) {
	fds := []unix.PollFd{{Fd: int32(signals), Events: unix.POLLIN}}
	for _, s := range sockets {
		fds = append(fds, unix.PollFd{Fd: int32(s), Events: unix.POLLIN})
	}
	unix.Poll(fds, -1)
	isReady := func(fd unix.PollFd) bool { return fd.Revents != 0 }
	return isReady(fds[0]), slices.ContainsFunc(fds[1:], isReady)
}

// forward sends the program a signal that reached us, unless the program has
// received it, too.
func forward(pid int, s syscall.Signal) {
	switch s {
	case unix.SIGCHLD:
		return
	case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		return // from the terminal: follow notices when the program stops
	case unix.SIGINT, unix.SIGQUIT:
		if fg, ok := foreground(); ok && fg == unix.Getpgrp() {
			return // the terminal sent it to the whole process group
		}
	}
	unix.Kill(pid, s)
}

// stop stops this process, as the program was stopped by sig. When it is
// continued, it continues the program.
func stop(pid int, sig syscall.Signal) {
	ownGroup := unix.Getpgrp()
	programGroup, _ := unix.Getpgid(pid)
	fg, terminal := foreground()
	if sig == unix.SIGSTOP && (!terminal || fg != ownGroup && fg != programGroup) {
		return // somebody stopped only the program, and will continue it
	}
	if terminal && fg == programGroup && programGroup != ownGroup {
		setForeground(ownGroup)
		raise(sig)
		setForeground(programGroup)
		unix.Kill(-programGroup, unix.SIGCONT)
		return
	}
	raise(sig)
	if !hasChanged(pid) {
		unix.Kill(pid, unix.SIGCONT)
	}
}

// hasChanged reports whether the program has left the stop that we have seen. fg
// continues the whole process group, and the program may have been stopped again
// since, which another SIGCONT would undo.
func hasChanged(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WCONTINUED|unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// raise sends this thread a signal with its default action, so that the signal
// has taken effect when raise returns. Then it restores the handler.
func raise(sig syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var dfl, old sigaction
	rtSigaction(sig, &dfl, &old)
	unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
	rtSigaction(sig, &old, nil)
}

// Die ends this process by the signal that ended the program, without a core
// dump. If the program exited, or this process survives the signal, it returns
// the status to exit with.
func Die(status unix.WaitStatus) int {
	if status.Signaled() {
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
		raise(status.Signal())
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// foreground returns the foreground process group of the controlling terminal.
// ok is false if there is no terminal.
func foreground() (pgrp int, ok bool) {
	err := onTerminal(func(fd int) (err error) {
		pgrp, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	return pgrp, err == nil
}

// setForeground makes pgrp the foreground process group. A process in the
// background may do so only while it blocks or ignores SIGTTOU.
func setForeground(pgrp int) {
	ignore, old := sigaction{handler: sigIgn}, sigaction{}
	rtSigaction(unix.SIGTTOU, &ignore, &old)
	onTerminal(func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, pgrp) })
	rtSigaction(unix.SIGTTOU, &old, nil)
}

func onTerminal(do func(fd int) error) error {
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd)
}
