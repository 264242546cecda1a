package acl

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"
)

const attribute = "system.posix_acl_access"

var (
	// ErrUnsupported means that the socket cannot have an ACL.
	ErrUnsupported = errors.New("the file system does not support ACLs")
	// ErrReplaced means that the path leads to another socket now.
	ErrReplaced = errors.New("another socket has replaced it")
	// ErrConflict means that the ACL has an entry for the uid with different
	// permissions.
	ErrConflict = errors.New("it already has a different entry for this uid")
)

// File is an open socket in the file system. It refers to the same socket even
// if its path changes. The caller closes it.
type File struct {
	Device, Inode uint64
	Owner         int // uid

	path string
	fd   int
}

// Open opens the socket at path without connecting to it. It does not follow a
// symlink at the end of path.
func Open(path string) (*File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := &File{path: path, fd: fd}
	st, err := f.stat()
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		err = &os.PathError{Op: "open", Path: path, Err: unix.ENOTSOCK}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	f.Device, f.Inode, f.Owner = st.Dev, st.Ino, int(st.Uid)
	return f, nil
}

// Descriptor returns the open descriptor (O_PATH), which Close closes.
func (f *File) Descriptor() int { return f.fd }

// Close closes the socket.
func (f *File) Close() error { return unix.Close(f.fd) }

func (f *File) stat() (st unix.Stat_t, err error) {
	if err = unix.Fstat(f.fd, &st); err != nil {
		err = &os.PathError{Op: "stat", Path: f.path, Err: err}
	}
	return st, err
}

// attrPath returns a path for system calls on attributes: those on descriptors
// refuse O_PATH, and f.path may lead elsewhere by now.
func (f *File) attrPath() string { return "/proc/self/fd/" + strconv.Itoa(f.fd) }

// Get returns the ACL. If the socket has none, the result stands for its mode.
func (f *File) Get() (List, error) {
	data, err := xattr.Get(f.attrPath(), attribute)
	if errors.Is(err, xattr.ENOATTR) {
		st, err := f.stat()
		return fromMode(st.Mode), err
	}
	if err != nil {
		return nil, f.fail("read", err)
	}
	l, err := Parse(data)
	if err != nil {
		return nil, f.fail("read", err)
	}
	return l, nil
}

// Set replaces the ACL. Nothing locks out other programs, so call it soon after
// Get.
func (f *File) Set(l List) error {
	err := l.validate()
	if err == nil {
		err = xattr.Set(f.attrPath(), attribute, l.Format())
	}
	if err != nil {
		return f.fail("change", err)
	}
	return nil
}

func (f *File) fail(verb string, err error) error {
	var attr *xattr.Error
	if errors.As(err, &attr) {
		err = attr.Err
	}
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = ErrUnsupported
	}
	return fmt.Errorf("cannot %s the ACL of %s: %w", verb, f.path, err)
}

// Socket identifies a socket that may have been replaced since.
type Socket struct {
	Path          string
	Device, Inode uint64
	Owner         int    // uid
	Handle        string // of File.Handle: finds the socket wherever it was moved
}

// open opens s, unless it was replaced.
func (s Socket) open() (*File, error) {
	f, err := Open(s.Path)
	if err == nil && (f.Device != s.Device || f.Inode != s.Inode || f.Owner != s.Owner) {
		f.Close()
		f, err = nil, &os.PathError{Op: "open", Path: s.Path, Err: ErrReplaced}
	}
	return f, err
}

// Has reports whether an entry for uid grants perm after the mask is applied.
func (s Socket) Has(uid int, perm Perm) (bool, error) {
	f, err := s.open()
	if err != nil {
		return false, err
	}
	defer f.Close()
	l, err := f.Get()
	has, _ := l.UserPerm(uid)
	return has&l.mask()&perm == perm, err
}

// Add grants perm to uid. An entry for uid with other permissions is somebody
// else's: the error is then ErrConflict.
func (s Socket) Add(uid int, perm Perm) error {
	f, err := s.open()
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := f.Get()
	if err != nil {
		return err
	}
	if has, ok := l.UserPerm(uid); ok && has != perm {
		return f.fail("change", ErrConflict)
	}
	return f.Set(l.With(uid, perm))
}

// Remove undoes Add, wherever the socket was moved. It changes nothing, and returns
// nil, if the socket no longer exists, or if its entry has other permissions now. The
// error is ErrLeft if the socket is not at its path, but may still exist.
func (s Socket) Remove(uid int, perm Perm) error {
	f, err := s.open()
	if err != nil {
		f, err = s.openHandle()
	}
	if errors.Is(err, unix.ESTALE) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := f.Get()
	if has, ok := l.UserPerm(uid); err != nil || !ok || has != perm {
		return err
	}
	return f.Set(l.Without(uid))
}
