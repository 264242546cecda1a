package rootfs

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ReadHost reads a regular file of the host. The error is ErrTooLarge if it has
// more than limit bytes, or MaxFile if limit is 0. flags may add unix.O_NOFOLLOW.
// It never blocks on a FIFO or device.
//
// A launch reads a dozen files; package os would double the number of system
// calls, because it tries to register each with the network poller.
func ReadHost(p HostPath, limit int, flags int) ([]byte, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(string(p), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC|flags, 0)
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: string(p), Err: err}
	}
	defer unix.Close(fd)
	return readRegular(fd, string(p), limit, nil)
}

// Read reads the regular file p of the tree. The error is ErrTooLarge if it has
// more than MaxFile bytes. Read never opens a FIFO or device.
func (r *Root) Read(p Path) ([]byte, error) { return r.ReadInto(nil, p, nil) }

// ReadIf is like Read, but returns nil if accept rejects the file's status.
func (r *Root) ReadIf(p Path, accept func(*unix.Stat_t) bool) ([]byte, error) {
	return r.ReadInto(nil, p, accept)
}

// ReadInto is like ReadIf, and uses the memory of buffer if it is large enough.
// accept may be nil.
func (r *Root) ReadInto(buffer []byte, p Path, accept func(*unix.Stat_t) bool) ([]byte, error) {
	fd, err := r.openRegular(p, accept)
	if err != nil || fd < 0 {
		return nil, err
	}
	defer unix.Close(fd)
	data, err := readRegular(fd, string(p), 0, buffer)
	if IsFailure(err) {
		err = r.failed("read", p, cause(err))
	}
	return data, err
}

// cause returns the errno of an *os.PathError.
func cause(err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// Open opens the regular file p of the tree for reading. The caller closes it.
func (r *Root) Open(p Path) (*os.File, error) {
	fd, err := r.openRegular(p, nil)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), string(p)), nil
}

// OpenFile is like Open and returns the descriptor.
func (r *Root) OpenFile(p Path) (int, error) { return r.openRegular(p, nil) }

// openRegular opens a regular file. It returns -1 if accept, unless nil, rejects
// the file.
func (r *Root) openRegular(p Path, accept func(*unix.Stat_t) bool) (int, error) {
	at, err := r.open(p, unix.O_PATH)
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return -1, r.failed("stat", p, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return -1, &os.PathError{Op: "open", Path: string(p), Err: ErrNotRegular}
	}
	if accept != nil && !accept(&st) {
		return -1, nil
	}
	// Open this very inode, which is known to be a regular file.
	fd, err := retry(func() (int, error) {
		return unix.Open("/proc/self/fd/"+strconv.Itoa(at), unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, r.failed("open", p, err)
	}
	return fd, nil
}

// readRegular reads a regular file to its end, into buffer if that is large enough.
func readRegular(fd int, name string, limit int, buffer []byte) ([]byte, error) {
	if limit == 0 {
		limit = MaxFile
	}
	fail := func(err error) ([]byte, error) {
		return nil, &os.PathError{Op: "read", Path: name, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fail(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fail(ErrNotRegular)
	}
	if st.Size > int64(limit) {
		return fail(ErrTooLarge)
	}
	size := int(st.Size) + 1 // one more byte, so that the same read finds the end
	if st.Size == 0 {
		size = 4096 // probably a file in /proc
	}
	data := buffer[:0]
	if cap(data) < size {
		data = make([]byte, 0, size)
	}
	for {
		n, err := retry(func() (int, error) { return unix.Read(fd, data[len(data):cap(data)]) })
		if err != nil {
			return fail(err)
		}
		data = data[:len(data)+n]
		switch {
		case n == 0 || len(data) < cap(data) && st.Size > 0:
			return data, nil
		case len(data) > limit:
			return fail(ErrTooLarge)
		case len(data) == cap(data):
			data = append(data, make([]byte, cap(data)*3)...)[:len(data)]
		}
	}
}

// IsSameFile reports whether two paths of the host lead to the same file.
func IsSameFile(a, b HostPath) bool {
	x, err := os.Stat(string(a))
	if err != nil {
		return false
	}
	y, err := os.Stat(string(b))
	return err == nil && os.SameFile(x, y)
}

// ResolveHost returns the path of the file on the host to which p leads after all
// symlinks.
func ResolveHost(p HostPath) (HostPath, error) {
	fd, err := unix.Open(string(p), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: string(p), Err: err}
	}
	defer unix.Close(fd)
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	return HostPath(real), err
}

// retry repeats a system call as long as a signal interrupts it.
func retry(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}

// LibDirs are the directories in which distributions keep libraries. Trying each
// is faster than listing /usr/lib, which may have thousands of entries.
var LibDirs = []Path{
	"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", // Debian, by architecture
	"/usr/lib/i386-linux-gnu", "/usr/lib/arm-linux-gnueabihf", "/usr/lib/riscv64-linux-gnu",
	"/usr/lib/powerpc64le-linux-gnu", "/usr/lib/s390x-linux-gnu", "/usr/lib/loongarch64-linux-gnu",
	"/usr/lib64", // Fedora, Gentoo, openSUSE
	"/usr/lib",   // Arch, Alpine, Void
}
