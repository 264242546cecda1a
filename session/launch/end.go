package launch

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The end of a launch is that of its mount namespace: the kernel unmounts what
// is in it when its last process has gone, detached ones and those in nested
// namespaces included, and tells who watches a file of a file system that is
// nowhere mounted any more (inotify(7), IN_UNMOUNT). Nobody has to be the
// parent of anything, and no process can leave.

// NewEnd returns an inotify instance for Services.Ends. The caller closes it.
func NewEnd() (fd int, err error) {
	fd, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	return fd, os.NewSyscallError("inotify_init1", err)
}

// Ended says whether the launch has ended, or has not begun.
func Ended(fd int) bool {
	return readEnd(fd) || !watching(fd)
}

// WaitEnd waits for the end of a launch, or until it is certain that none has
// begun: chrun is the other end of the pipe at its program's start, or its own.
// event is called when the descriptor other, if not -1, can be read.
func WaitEnd(fd, chrun, other int, event func()) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(other), Events: unix.POLLIN}, {Fd: int32(chrun)}}
	for !readEnd(fd) {
		unix.Poll(fds, -1)
		if fds[1].Revents != 0 {
			event()
		}
		if fds[2].Revents != 0 {
			if !watching(fd) { // the end has come meanwhile, or there was no beginning
				return
			}
			fds[2].Fd = -1
		}
	}
}

// readEnd says whether the watched file system has gone.
func readEnd(fd int) bool {
	buf := make([]byte, 4096)
	n, err := unix.Read(fd, buf)
	return err == nil && n > 0 || err != nil && err != unix.EAGAIN && err != unix.EINTR
}

// watching says whether an instance has a watch (proc(5), fdinfo).
func watching(fd int) bool {
	data, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	return err == nil && strings.Contains(string(data), "inotify wd:")
}
