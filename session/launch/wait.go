package launch

import (
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// follow waits for the program as a shell waits for a job. It forwards signals,
// read from the result of watchSignals, stops when the program stops, and
// continues the program when it is continued itself. It calls res.OnFirstClient when
// the first client connects.
func follow(pid, signals int, res *Resources) unix.WaitStatus {
	onFirstClient, failures, fresh := res.OnFirstClient, 0, true
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(pid, &status, unix.WUNTRACED|unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil && failures < 3: // the program may be running still
			failures++
			continue
		case err != nil:
			return unix.WaitStatus(125 << 8)
		case got == pid && status.Stopped():
			forwardUnread(pid, signals)
			stop(pid, status.StopSignal())
			continue
		case got == pid:
			return status
		}
		if fresh { // a program that ends at once must not wait for pages that come back
			if signal, client := pollSockets(signals, res.RelaySockets, 200); !signal && !client {
				giveBackText()
			}
			fresh = false
		}
		if onFirstClient != nil {
			signal, client := pollSockets(signals, res.RelaySockets, -1)
			if client {
				onFirstClient()
				onFirstClient = nil
			}
			if !signal {
				continue
			}
		}
		for _, s := range readSignals(signals) {
			forward(pid, s)
		}
	}
}

// pollSockets waits for signals and clients, and reports which have come. A
// timeout in milliseconds of -1 is none.
func pollSockets(signals int, sockets []int, timeout int) (signal, client bool) {
	fds := []unix.PollFd{{Fd: int32(signals), Events: unix.POLLIN}}
	for _, s := range sockets {
		fds = append(fds, unix.PollFd{Fd: int32(s), Events: unix.POLLIN})
	}
	for {
		if _, err := unix.Poll(fds, timeout); err != unix.EINTR { // a signal is then in the pipe
			break
		}
	}
	isReady := func(fd unix.PollFd) bool { return fd.Revents != 0 }
	return isReady(fds[0]), slices.ContainsFunc(fds[1:], isReady)
}

// stop stops this process, as the program was stopped by sig. When it is
// continued, it continues the program. It does nothing if the program has been
// continued already, by fg immediately after bg.
func stop(pid int, sig syscall.Signal) {
	ownGroup := unix.Getpgrp()
	programGroup, _ := unix.Getpgid(pid)
	fg, terminal := foreground()
	if sig == unix.SIGSTOP && (!terminal || fg != ownGroup && fg != programGroup) {
		return // somebody stopped only the program, and will continue it
	}
	// The SIGCONT that continues us must not be forwarded: the program may have
	// been stopped again.
	defer setDefault(unix.SIGCONT)()
	if hasChanged(pid) { // immediately before the stop: a SIGCONT in between would be lost
		return
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
