package rootfs

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ReadHost reads a small regular file of the host, at most limit bytes (else
// ErrTooLarge; 0 means MaxFile); flags may add unix.O_NOFOLLOW. It never blocks
// on a FIFO or device. A launch reads a dozen files: package os would double
// the system calls by offering each to the network poller.
func ReadHost(p HostPath, limit int, flags int) ([]byte, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(string(p), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC|flags, 0)
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: string(p), Err: err}
	}
	defer unix.Close(fd)
	return readRegular(fd, string(p), limit)
}

// Read reads the regular file p of the tree, at most MaxFile bytes (else
// ErrTooLarge). A FIFO or device is not even opened.
func (r *Root) Read(p Path) ([]byte, error) {
	fd, err := r.openRegular(p, nil)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return readRegular(fd, string(p), 0)
}

// ReadIf is Read for a file whose state wanted says yes to; else data is nil.
func (r *Root) ReadIf(p Path, wanted func(*unix.Stat_t) bool) (data []byte, err error) {
	fd, err := r.openRegular(p, wanted)
	if err != nil || fd < 0 {
		return nil, err
	}
	defer unix.Close(fd)
	return readRegular(fd, string(p), 0)
}

// Open opens the regular file p of the tree for reading. The caller closes it.
func (r *Root) Open(p Path) (*os.File, error) {
	fd, err := r.openRegular(p, nil)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), string(p)), nil
}

// openRegular opens a regular file, or gives -1 for one that is not wanted.
func (r *Root) openRegular(p Path, wanted func(*unix.Stat_t) bool) (int, error) {
	at, err := r.open(p, unix.O_PATH)
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return -1, &os.PathError{Op: "stat", Path: string(p), Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return -1, &os.PathError{Op: "open", Path: string(p), Err: ErrNotRegular}
	}
	if wanted != nil && !wanted(&st) {
		return -1, nil
	}
	// The inode is known to be regular; open exactly it.
	fd, err := retry(func() (int, error) {
		return unix.Open("/proc/self/fd/"+strconv.Itoa(at), unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: string(p), Err: err}
	}
	return fd, nil
}

// readRegular reads fd to its end.
func readRegular(fd int, name string, limit int) ([]byte, error) {
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
	size := int(st.Size) + 1 // one more, to see the end in the same read
	if st.Size == 0 {
		size = 4096 // a file of /proc
	}
	data := make([]byte, 0, size)
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

// RealHost is the path at which the links from p on the host end.
func RealHost(p HostPath) (HostPath, error) {
	fd, err := unix.Open(string(p), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: string(p), Err: err}
	}
	defer unix.Close(fd)
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	return HostPath(real), err
}

func retry(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}

// LibDirs are where distributions keep libraries. They are tried one by one:
// listing a /usr/lib of thousands of entries would cost more than a launch.
var LibDirs = []Path{
	"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", // Debian, by architecture
	"/usr/lib/i386-linux-gnu", "/usr/lib/arm-linux-gnueabihf", "/usr/lib/riscv64-linux-gnu",
	"/usr/lib/powerpc64le-linux-gnu", "/usr/lib/s390x-linux-gnu", "/usr/lib/loongarch64-linux-gnu",
	"/usr/lib64", // Fedora, Gentoo, openSUSE
	"/usr/lib",   // Arch, Alpine, Void
}
