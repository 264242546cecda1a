package launch

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The signals that concern the program. They come through a handler of our own
// and a pipe instead of os/signal, which would start three threads for them.
var watched = []syscall.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU,
	unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGCHLD}

// In assembly: where the handler writes, the handler, and sa_restorer.
var (
	signalPipe        int32
	handler, restorer uintptr
)

// Of <asm/signal.h>, the same on amd64 and arm64.
const (
	sigIgn     = 1
	saOnStack  = 0x08000000
	saRestart  = 0x10000000
	saRestorer = 0x04000000
)

// sigaction is the kernel's struct, on amd64 and arm64.
type sigaction struct {
	handler, flags, restorer, mask uintptr
}

func rtSigaction(sig syscall.Signal, set, old *sigaction) {
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(set.mask), 0, 0)
}

// watch begins to receive signals, whose numbers can be read from the result.
// It comes right before the program's start, so that no signal finds us without
// it while the program has begun; the child has default dispositions again.
//
// Terminal signals reach the program by themselves, since it stays in our
// process group; we must survive them, and stop and continue with it. Signals
// inherited as ignored (nohup) stay ignored.
func watch() (signals int, err error) {
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

// follow waits for the program like a shell's job: its signals, from watch, are
// forwarded, we stop when it stops, and continue it when we continue. The
// calling goroutine must be locked to its thread. svc hears of the bus's first
// client meanwhile.
func follow(pid, signals int, svc *Services) unix.WaitStatus {
	clients := svc.Clients != nil

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
		if clients {
			fds := []unix.PollFd{{Fd: int32(signals), Events: unix.POLLIN}}
			for _, bus := range svc.Buses {
				fds = append(fds, unix.PollFd{Fd: int32(bus), Events: unix.POLLIN})
			}
			unix.Poll(fds, -1)
			for _, bus := range fds[1:] {
				if bus.Revents != 0 && clients {
					svc.Clients()
					clients = false
				}
			}
			if fds[0].Revents == 0 {
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

func forward(pid int, s syscall.Signal) {
	switch s {
	case unix.SIGCHLD:
		return
	case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		return // it has them too; we follow when it stops
	case unix.SIGINT, unix.SIGQUIT:
		if fg, ok := foreground(); ok && fg == unix.Getpgrp() {
			return // the terminal sent it to the whole group
		}
	}
	unix.Kill(pid, s)
}

// stop stops us as the program was stopped, and continues it afterwards.
func stop(pid int, sig syscall.Signal) {
	ours := unix.Getpgrp()
	theirs, _ := unix.Getpgid(pid)
	fg, terminal := foreground()
	if sig == unix.SIGSTOP && (!terminal || fg != ours && fg != theirs) {
		return // somebody stopped the program alone, and will continue it
	}
	if terminal && fg == theirs && theirs != ours {
		setForeground(ours)
		raise(sig)
		setForeground(theirs)
		unix.Kill(-theirs, unix.SIGCONT)
		return
	}
	raise(sig)
	if !moved(pid) {
		unix.Kill(pid, unix.SIGCONT)
	}
}

// moved says whether the program is no longer in the stop that we have seen: fg
// continues the whole group, and the program may have been stopped again since,
// which another SIGCONT would undo.
func moved(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WCONTINUED|unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// raise delivers a signal with its default action to this very thread, so that
// it has taken effect when raise returns. The handler is put back.
func raise(sig syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var dfl, old sigaction
	rtSigaction(sig, &dfl, &old)
	unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
	rtSigaction(sig, &old, nil)
}

// Die ends this process by the signal that ended the program, leaving no core
// of ours. Else, or if we survive, it returns the status to exit with.
func Die(status unix.WaitStatus) int {
	if status.Signaled() {
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
		raise(status.Signal())
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// foreground returns the foreground process group of the controlling terminal.
func foreground() (pgrp int, ok bool) {
	err := onTerminal(func(fd int) (err error) {
		pgrp, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	return pgrp, err == nil
}

// setForeground gives the terminal to a process group. A process that is in
// the background itself may do so only while it blocks or ignores SIGTTOU.
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
