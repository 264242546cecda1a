// Package rootfs reads files inside a chroot as hostile data: every path is
// resolved by the kernel inside the tree (openat2(2) with RESOLVE_IN_ROOT and
// RESOLVE_NO_MAGICLINKS, Linux 5.6), only regular files are read, and reads are
// bounded. It never writes.
package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// HostPath is an absolute path on the host.
type HostPath string

// Path is an absolute, clean path inside the chroot.
type Path string

// Join appends elements to p.
func (p Path) Join(elem ...string) Path {
	return Path(path.Join(append([]string{string(p)}, elem...)...))
}

// Join appends elements to p.
func (p HostPath) Join(elem ...string) HostPath {
	return HostPath(path.Join(append([]string{string(p)}, elem...)...))
}

// Below says whether p is dir or lies below it.
func (p Path) Below(dir Path) bool { return below(string(p), string(dir)) }

// Below says whether p is dir or lies below it.
func (p HostPath) Below(dir HostPath) bool { return below(string(p), string(dir)) }

func below(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// Limits of what is read from a tree.
const (
	MaxFile    = 4 << 20 // bytes of one file
	MaxEntries = 10000   // entries of one directory
)

// ErrNotRegular says that a file to be read is a FIFO, device or directory.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge says that a file or directory exceeds the limit.
var ErrTooLarge = errors.New("too large")

// Root is an open chroot tree. Close it.
type Root struct {
	dir HostPath
	fd  int
}

// Open opens the tree at dir; symlinks that lead to it are followed. The tree
// must look like a system: /usr or /bin exists. Errors are *os.PathError, or
// *NotChrootError.
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

// OpenAt opens the tree in the detached mount fd, which is that of dir.
func OpenAt(fd int, dir HostPath) (*Root, error) {
	at, err := unix.Openat(fd, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: string(dir), Err: err}
	}
	return (&Root{fd: at, dir: dir}).check(dir)
}

// check closes what is no chroot.
func (r *Root) check(dir HostPath) (*Root, error) {
	_, err := r.Lstat("/usr")
	if errors.Is(err, fs.ErrNotExist) {
		_, err = r.Lstat("/bin")
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

// NotChrootError says why a directory is no chroot.
type NotChrootError struct {
	Dir HostPath
	Why string
}

func (e *NotChrootError) Error() string { return fmt.Sprintf("%s is not a chroot: %s", e.Dir, e.Why) }

// Close closes the tree.
func (r *Root) Close() error { return unix.Close(r.fd) }

// Dir is the canonical path of the tree on the host.
func (r *Root) Dir() HostPath { return r.dir }

const inside = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// open opens p inside the tree; the caller closes the result.
func (r *Root) open(p Path, flags int) (int, error) {
	how := &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: inside}
	for range 100 { // EAGAIN: a rename or mount raced with the walk (openat2(2))
		fd, err := unix.Openat2(r.fd, rel(p), how)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, &os.PathError{Op: "open", Path: string(p), Err: err}
		}
		return fd, nil
	}
	return -1, &os.PathError{Op: "open", Path: string(p), Err: unix.EAGAIN}
}

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
	if name := rel(p); flag == unix.O_NOFOLLOW && !strings.Contains(name, "/") && name != ".." {
		// One name, no link to follow: nothing that could lead outside.
		if err := unix.Fstatat(r.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return st, &os.PathError{Op: "stat", Path: string(p), Err: err}
		}
		return st, nil
	}
	fd, err := r.open(p, unix.O_PATH|flag)
	if err != nil {
		return st, err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil {
		return st, &os.PathError{Op: "stat", Path: string(p), Err: err}
	}
	return st, nil
}

// Exists says whether p exists inside the tree, symlinks followed.
func (r *Root) Exists(p Path) bool { _, err := r.Stat(p); return err == nil }

// IsDir says whether p is a directory inside the tree, symlinks followed.
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
		return "", &os.PathError{Op: "readlink", Path: string(p), Err: err}
	}
	return string(buf[:n]), nil
}

// Access asks the kernel whether the caller's real ids may use p inside the
// tree with mode (unix.R_OK, W_OK, X_OK), symlinks followed.
func (r *Root) Access(p Path, mode uint32) bool {
	fd, err := r.open(p, unix.O_PATH)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Access("/proc/self/fd/"+strconv.Itoa(fd), mode) == nil
}

// List lists the directory p in the order of names, at most MaxEntries (else
// ErrTooLarge).
func (r *Root) List(p Path) ([]fs.DirEntry, error) {
	fd, err := r.open(p, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), string(p))
	defer f.Close()
	list, err := f.ReadDir(MaxEntries + 1)
	if err == io.EOF {
		err = nil
	}
	if err == nil && len(list) > MaxEntries {
		err = &os.PathError{Op: "list", Path: string(p), Err: ErrTooLarge}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name() < list[j].Name() })
	return list, err
}

// Glob says which paths match pattern, an absolute path whose components may
// hold path.Match wildcards. What cannot be read does not match.
func (r *Root) Glob(pattern string) []Path {
	found := []Path{"/"}
	for _, part := range strings.Split(strings.Trim(pattern, "/"), "/") {
		var next []Path
		for _, dir := range found {
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
		found = next
	}
	return found
}

// ReadOnly says whether the tree is on a file system mounted read-only.
func (r *Root) ReadOnly() bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(r.fd, &fs) == nil && fs.Flags&unix.ST_RDONLY != 0
}

// Is32 says whether the tree is that of a 32-bit system, by its shell (ELF
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

// OpenDir opens the directory p with O_PATH. The caller closes it.
func (r *Root) OpenDir(p Path) (int, error) { return r.open(p, unix.O_PATH|unix.O_DIRECTORY) }
