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

// ErrUnsupported says that a socket cannot have an ACL.
var ErrUnsupported = errors.New("the file system has no ACLs")

// ErrOther says that a path no longer leads to the socket it did, and
// ErrEntry that the socket has an entry for the uid that says something else.
var (
	ErrOther = errors.New("it is another socket than before")
	ErrEntry = errors.New("it has another entry for this uid already")
)

// File is an open socket of the file system: this one, whatever becomes of
// its path. Close it.
type File struct {
	Device, Inode uint64
	Owner         int // uid

	path string
	fd   int
}

// Open opens the socket at path, which is no symlink. It does not connect.
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

// Close closes the socket.
func (f *File) Close() error { return unix.Close(f.fd) }

func (f *File) stat() (st unix.Stat_t, err error) {
	if err = unix.Fstat(f.fd, &st); err != nil {
		err = &os.PathError{Op: "stat", Path: f.path, Err: err}
	}
	return st, err
}

// name is the one by which the kernel takes attributes of a socket: its own
// descriptors have none, and a path may lead elsewhere by now.
func (f *File) name() string { return "/proc/self/fd/" + strconv.Itoa(f.fd) }

// Get returns the ACL; that of a socket without one is its mode.
func (f *File) Get() (List, error) {
	data, err := xattr.Get(f.name(), attribute)
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

// Set replaces the ACL. Take it from Get just before: there is no lock against
// other programs.
func (f *File) Set(l List) error {
	err := l.check()
	if err == nil {
		err = xattr.Set(f.name(), attribute, l.Format())
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

// Socket is how a socket is found, and by what it is known again.
type Socket struct {
	Path          string
	Device, Inode uint64
	Owner         int // uid
}

// open opens s if it still is what it was.
func (s Socket) open() (*File, error) {
	f, err := Open(s.Path)
	if err == nil && (f.Device != s.Device || f.Inode != s.Inode || f.Owner != s.Owner) {
		f.Close()
		f, err = nil, &os.PathError{Op: "open", Path: s.Path, Err: ErrOther}
	}
	return f, err
}

// Has says whether an entry for uid grants perm, and the mask lets it.
func (s Socket) Has(uid int, perm Perm) (bool, error) {
	f, err := s.open()
	if err != nil {
		return false, err
	}
	defer f.Close()
	l, err := f.Get()
	has, _ := l.Has(uid)
	return has&l.mask()&perm == perm, err
}

// Add grants perm to uid. An entry that says something else is somebody's
// own, and an error.
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
	if has, ok := l.Has(uid); ok && has != perm {
		return f.fail("change", ErrEntry)
	}
	return f.Set(l.With(uid, perm))
}

// Remove takes away what Add has done. What has changed since is left alone,
// and no error: the entry of another socket in its place, or one that says
// something else now.
func (s Socket) Remove(uid int, perm Perm) error {
	f, err := s.open()
	if errors.Is(err, ErrOther) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENOTSOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := f.Get()
	if has, ok := l.Has(uid); err != nil || !ok || has != perm {
		return err
	}
	return f.Set(l.Without(uid))
}
