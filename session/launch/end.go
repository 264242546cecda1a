package launch

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A launch ends when its mount namespace does. When the last process in that
// namespace has ended, including detached processes and those in nested
// namespaces, the kernel unmounts everything in it. Watchers of a file system
// that is no longer mounted anywhere get an event (inotify(7), IN_UNMOUNT). So it
// does not matter who is the parent of the processes, and none can escape.

// NewEndWatch returns an inotify instance for Resources.EndWatches. The caller closes it.
func NewEndWatch() (fd int, err error) {
	fd, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	return fd, os.NewSyscallError("inotify_init1", err)
}

// HasEnded reports whether the launch has ended or has not begun.
func HasEnded(fd int) bool {
	return readEnd(fd) || !isWatching(fd)
}

// WaitEnd waits until a launch has ended, or until it is certain that it will not
// begin. chrun is the reading end of a pipe. Its writing end closes when chrun ends
// or becomes the program. WaitEnd calls event when the descriptor other, unless
// -1, can be read.
func WaitEnd(fd, chrun, other int, event func()) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(other), Events: unix.POLLIN}, {Fd: int32(chrun)}}
	for !readEnd(fd) {
		unix.Poll(fds, -1)
		if fds[1].Revents != 0 {
			event()
		}
		if fds[2].Revents != 0 {
			if !isWatching(fd) { // the launch has ended by now, or never began
				return
			}
			fds[2].Fd = -1
		}
	}
}

// readEnd reports whether the watched file system is gone. An error says nothing of
// that, unless there is nothing to read from.
func readEnd(fd int) bool {
	buf := make([]byte, 4096)
	n, err := unix.Read(fd, buf)
	return err == nil && n > 0 || err == unix.EBADF || err == unix.EINVAL
}

// isWatching reports whether an inotify instance has a watch (proc(5), fdinfo). It
// tries again after an error, because whoever asks gives up a launch without a watch.
func isWatching(fd int) bool {
	for range 3 {
		data, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
		if err == nil {
			return strings.Contains(string(data), "inotify wd:")
		}
	}
	return false
}
