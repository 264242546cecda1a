package session

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Connect connects to the stream socket at name, a path or "@" and an abstract
// name. The caller closes fd, which blocks; sending to it fails with EAGAIN after as
// much time as was left. While the server's queue is full Connect waits until
// deadline, and fails with EAGAIN after it: net.Dial's sockets do not block, and fail
// at once. Errors are *os.SyscallErrors.
func Connect(name string, deadline time.Time) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	for {
		// A zero timeout would mean none.
		left := time.Until(deadline)
		limit := unix.NsecToTimeval(max(left, time.Millisecond).Nanoseconds())
		if err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err == nil {
			err = unix.Connect(fd, &unix.SockaddrUnix{Name: name})
		}
		// With a timeout, connect(2) is not continued after a signal (signal(7)), such
		// as those of the Go runtime; the socket is then as it was before.
		if err != unix.EINTR {
			break
		}
		if left <= 0 {
			err = unix.EAGAIN
			break
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("connect", err)
	}
	return fd, nil
}
