// Package rootfs reads files inside a chroot as hostile data: every path is
// resolved by the kernel inside the tree (openat2(2) with RESOLVE_IN_ROOT and
// RESOLVE_NO_MAGICLINKS, Linux 5.6), only regular files are read, and reads are
// bounded. It never writes.
package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// HostPath is an absolute path on the host.
type HostPath string

// Path is an absolute, clean path inside the chroot.
type Path string

// Join appends elements to p.
func (p Path) Join(elem ...string) Path { return Path(join(string(p), elem)) }

// Join appends elements to p.
func (p HostPath) Join(elem ...string) HostPath { return HostPath(join(string(p), elem)) }

// join is path.Join with less memory for one element.
func join(p string, elem []string) string {
	if len(elem) == 1 && p != "" && elem[0] != "" {
		return path.Clean(strings.TrimSuffix(p, "/") + "/" + strings.TrimPrefix(elem[0], "/"))
	}
	return path.Join(append([]string{p}, elem...)...)
}

// IsBelow reports whether p is dir or lies below it.
func (p Path) IsBelow(dir Path) bool { return below(string(p), string(dir)) }

// IsBelow reports whether p is dir or lies below it.
func (p HostPath) IsBelow(dir HostPath) bool { return below(string(p), string(dir)) }

func below(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// Limits for reading from a tree.
const (
	MaxFile    = 4 << 20 // bytes in a file
	MaxEntries = 10000   // entries in a directory
)

// ErrNotRegular means that the file to be read is a FIFO, device or directory.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge means that a file or directory exceeds the limit.
var ErrTooLarge = errors.New("too large")

// Root is an open chroot tree. The caller closes it.
type Root struct {
	dir HostPath
	fd  int
	// raise gives this thread the rights to search the tree, or is nil.
	raise   func() (lower func())
	failure atomic.Pointer[os.PathError]
	// home has what is below at, or is nil.
	home *Root
	at   Path
}

// Failure is the first error for which IsFailure holds. What was decided from such answers, most of which only
// say whether there is a file, must not be carried out.
func (r *Root) Failure() error {
	if err := r.failure.Load(); err != nil {
		return err
	}
	return nil
}

// failed returns err as an error of op, and keeps it for Failure.
func (r *Root) failed(op string, p Path, err error) error {
	e := &os.PathError{Op: op, Path: string(p), Err: err}
	if IsFailure(err) {
		r.failure.CompareAndSwap(nil, e)
	}
	return e
}

// IsFailure reports whether an error says nothing of the file: the system lacked
// something, or could not reach it.
func IsFailure(err error) bool {
	for _, errno := range []syscall.Errno{unix.EIO, unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ESTALE, unix.ETIMEDOUT, unix.EAGAIN} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// SearchWith makes each access to the tree call raise, and afterwards lower.
func (r *Root) SearchWith(raise func() (lower func())) { r.raise = raise }

// Open opens the tree at dir, following symlinks. The tree must have a /usr or a
// /bin. Errors are *os.PathError or *NotChrootError.
func Open(dir HostPath) (*Root, error) {
	fd, err := unix.Open(string(dir), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: string(dir), Err: err}
	}
	r := &Root{fd: fd}
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		r.Close()
		return nil, err
	}
	r.dir = HostPath(real)
	if real == "/" {
		r.Close()
		return nil, &NotChrootError{Dir: dir, Why: "it is the running system itself"}
	}
	return r.check(dir)
}

// Descriptor returns the open descriptor of the tree (O_PATH), which Close closes.
func (r *Root) Descriptor() int { return r.fd }

// OpenAt opens the tree in the detached mount fd, a copy of the mount at dir.
func OpenAt(fd int, dir HostPath) (*Root, error) {
	at, err := unix.Openat(fd, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: string(dir), Err: err}
	}
	return (&Root{fd: at, dir: dir}).check(dir)
}

// check returns r if it looks like a chroot. Otherwise it closes r.
func (r *Root) check(dir HostPath) (*Root, error) {
	_, err := r.Lstat("/usr")
	if errors.Is(err, fs.ErrNotExist) {
		if _, err = r.Lstat("/bin"); err == nil && r.isUsr() {
			r.Close()
			return nil, &NotChrootError{Dir: dir, Why: "it is only the usr of a chroot, without etc and usr"}
		}
	}
	if err != nil {
		r.Close()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &NotChrootError{Dir: dir, Why: "it has neither /usr nor /bin"}
		}
		return nil, &os.PathError{Op: "open", Path: string(dir), Err: errors.Unwrap(err)}
	}
	return r, nil
}

// isUsr reports whether the tree, which has no /usr, is the usr of another one. It
// has a bin, too.
func (r *Root) isUsr() bool {
	above := path.Dir(string(r.dir))
	_, err := os.Lstat(path.Join(above, "etc"))
	return path.Base(string(r.dir)) == "usr" && err == nil
}

// NotChrootError reports why a directory is not a chroot.
type NotChrootError struct {
	Dir HostPath
	Why string
}

func (e *NotChrootError) Error() string { return fmt.Sprintf("%s is not a chroot: %s", e.Dir, e.Why) }

// Close closes the tree.
func (r *Root) Close() error {
	if r.home != nil {
		r.home.Close()
	}
	return unix.Close(r.fd)
}

// Dir returns the canonical path of the tree on the host.
func (r *Root) Dir() HostPath { return r.dir }

// resolveInside makes openat2(2) resolve paths as if the tree were the root.
const resolveInside = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// open opens p inside the tree; the caller closes the result.
func (r *Root) open(p Path, flags int) (int, error) {
	if home, at := r.inHome(p); home != r {
		return home.open(at, flags)
	}
	if r.raise != nil {
		defer r.raise()()
	}
	how := &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolveInside}
	for range 100 { // openat2(2) returns EAGAIN if a rename or mount races with it
		fd, err := unix.Openat2(r.fd, rel(p), how)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, r.failed("open", p, err)
		}
		return fd, nil
	}
	return -1, r.failed("open", p, unix.EAGAIN)
}

// rel returns p relative to the root of the tree.
func rel(p Path) string {
	if s := strings.TrimLeft(string(p), "/"); s != "" {
		return s
	}
	return "."
}

// Stat describes p inside the tree; symlinks are followed inside it.
func (r *Root) Stat(p Path) (unix.Stat_t, error) { return r.stat(p, 0) }

// Lstat describes p inside the tree; a symlink at the end is not followed.
func (r *Root) Lstat(p Path) (unix.Stat_t, error) { return r.stat(p, unix.O_NOFOLLOW) }

func (r *Root) stat(p Path, flag int) (st unix.Stat_t, err error) {
	if name := rel(p); flag == unix.O_NOFOLLOW && !strings.Contains(name, "/") && name != ".." && r.raise == nil {
		// A single name without symlinks to follow cannot lead outside.
		if err := unix.Fstatat(r.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return st, r.failed("stat", p, err)
		}
		return st, nil
	}
	fd, err := r.open(p, unix.O_PATH|flag)
	if err != nil {
		return st, err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil {
		return st, r.failed("stat", p, err)
	}
	return st, nil
}

// Exists reports whether p exists inside the tree, following symlinks.
func (r *Root) Exists(p Path) bool { _, err := r.Stat(p); return err == nil }

// IsDir reports whether p is a directory inside the tree, following symlinks.
func (r *Root) IsDir(p Path) bool {
	st, err := r.Stat(p)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// Readlink reads the symlink at p.
func (r *Root) Readlink(p Path) (string, error) {
	fd, err := r.open(p, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return "", r.failed("readlink", p, err)
	}
	return string(buf[:n]), nil
}

// CanAccess reports whether this process's real ids have access to p inside the
// tree, following symlinks. mode is of unix.R_OK, W_OK and X_OK.
func (r *Root) CanAccess(p Path, mode uint32) bool {
	fd, err := r.open(p, unix.O_PATH)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if err := unix.Access("/proc/self/fd/"+strconv.Itoa(fd), mode); err != nil {
		r.failed("access", p, err)
		return false
	}
	return true
}

// Glob returns the paths that match pattern, an absolute path whose components
// may contain wildcards of path.Match. It skips directories that it cannot read.
func (r *Root) Glob(pattern string) []Path {
	matches := []Path{"/"}
	for _, part := range strings.Split(strings.Trim(pattern, "/"), "/") {
		var next []Path
		for _, dir := range matches {
			if !strings.ContainsAny(part, "*?[") {
				if p := dir.Join(part); r.Exists(p) {
					next = append(next, p)
				}
				continue
			}
			list, err := r.List(dir)
			if err != nil {
				continue
			}
			for _, e := range list {
				if ok, _ := path.Match(part, e.Name()); ok {
					next = append(next, dir.Join(e.Name()))
				}
			}
		}
		matches = next
	}
	return matches
}

// IsOpenToAll reports whether everybody may search the directory of the tree.
func (r *Root) IsOpenToAll() bool {
	st, err := r.Stat("/")
	return err == nil && st.Mode&0o001 != 0
}

// IsReadOnly reports whether the tree is on a file system mounted read-only.
func (r *Root) IsReadOnly() bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(r.fd, &fs) == nil && fs.Flags&unix.ST_RDONLY != 0
}

// Is32 reports whether the tree is a 32-bit system, judging by its /bin/sh (ELF
// specification, e_ident[EI_CLASS]).
func (r *Root) Is32() bool {
	fd, err := r.openRegular("/bin/sh", nil)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	head := make([]byte, 5)
	n, _ := unix.Read(fd, head)
	return n == len(head) && string(head) == "\x7fELF\x01"
}

// OpenToLock opens the directory of the tree for flock(2). The caller closes it.
func (r *Root) OpenToLock() (int, error) { return r.open("/", unix.O_RDONLY|unix.O_DIRECTORY) }

// OpenDir opens the directory p with O_PATH. The caller closes it.
func (r *Root) OpenDir(p Path) (int, error) { return r.open(p, unix.O_PATH|unix.O_DIRECTORY) }
