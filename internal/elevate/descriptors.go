package elevate

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// lastDescriptor is the highest descriptor that close_range(2) accepts.
const lastDescriptor = 1<<31 - 1

// HideDescriptors keeps the descriptors that root's shell has open, except the first
// three, from all processes that this one starts: some have the user's rights. It
// returns those that it hides, which root inside may inherit.
func HideDescriptors() (hidden []int, err error) {
	fail := func(call string, err error) ([]int, error) {
		return nil, fmt.Errorf("cannot hide the open descriptors: %w", os.NewSyscallError(call, err))
	}
	dir, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail("open", err)
	}
	defer unix.Close(dir)
	buf := make([]byte, 4096)
	for {
		n, err := unix.ReadDirent(dir, buf)
		if err != nil {
			return fail("getdents64", err)
		}
		if n == 0 {
			break
		}
		_, _, names := unix.ParseDirent(buf[:n], -1, nil)
		for _, name := range names {
			fd, _ := strconv.Atoi(name)
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); fd > 2 && err == nil && flags&unix.FD_CLOEXEC == 0 {
				hidden = append(hidden, fd)
			}
		}
	}
	if err := unix.CloseRange(3, lastDescriptor, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fail("close_range", err)
	}
	return hidden, nil
}
