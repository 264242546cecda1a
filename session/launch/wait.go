package launch

import (
	"os"
	"os/signal"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watch begins to receive the signals that concern the program. A signal that
// comes before has its default effect on us, and PR_SET_PDEATHSIG hands it on.
//
// Terminal signals reach the program by themselves, since it stays in our
// process group; we must survive them, and stop and continue with it. Signals
// inherited as ignored (nohup) stay ignored: Notify would undo that.
func watch() chan os.Signal {
	c := make(chan os.Signal, 16)
	for _, s := range []os.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU,
		unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2} {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
	return c
}

// follow waits for the program like a shell's job: its signals are forwarded,
// we stop when it stops, and continue it when we continue. The calling
// goroutine must be locked to its thread.
func follow(pid int) unix.WaitStatus {
	go func() { forward(pid, watch()) }() // beside the wait: it costs ten thread switches
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(pid, &status, unix.WUNTRACED, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return unix.WaitStatus(125 << 8)
		case status.Stopped():
			stop(pid, status.StopSignal())
		default:
			return status
		}
	}
}

func forward(pid int, signals chan os.Signal) {
	for s := range signals {
		switch s {
		case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
			continue // it has them too; we follow when it stops
		case unix.SIGINT, unix.SIGQUIT:
			if fg, ok := foreground(); ok && fg == unix.Getpgrp() {
				continue // the terminal sent it to the whole group
			}
		}
		unix.Kill(pid, s.(syscall.Signal))
	}
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
	unix.Kill(pid, unix.SIGCONT)
}

// raise delivers a signal with its default action to this very thread, so that
// it has taken effect when raise returns. The Go runtime's handler is put back.
func raise(sig syscall.Signal) {
	var dfl, old [16]uint64 // struct sigaction of the kernel; all zero is SIG_DFL
	const setSize = 8
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&dfl)), uintptr(unsafe.Pointer(&old)), setSize, 0, 0)
	unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&old)), 0, setSize, 0, 0)
}

// Die ends this process as the program ended: with its status, or by its
// signal, leaving no core of ours.
func Die(status unix.WaitStatus) {
	if status.Signaled() {
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
		raise(status.Signal())
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(status.ExitStatus())
}

// foreground returns the foreground process group of the controlling terminal.
func foreground() (pgrp int, ok bool) {
	err := onTerminal(func(fd int) (err error) {
		pgrp, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	return pgrp, err == nil
}

func setForeground(pgrp int) {
	signal.Ignore(unix.SIGTTOU) // a background process may set it only so
	onTerminal(func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, pgrp) })
}

func onTerminal(do func(fd int) error) error {
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd)
}
