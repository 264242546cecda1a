package rootfs

import (
	"encoding/binary"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ListHost returns the entries of a directory of the host, sorted by name, as
// os.ReadDir does.
func ListHost(p HostPath) ([]fs.DirEntry, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(string(p), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: string(p), Err: err}
	}
	defer unix.Close(fd)
	return list(fd, string(p), math.MaxInt, func(name string) (fs.FileInfo, error) { return os.Lstat(string(p.Join(name))) })
}

// List returns the entries of the directory p, sorted by name. The error is
// ErrTooLarge if there are more than MaxEntries.
func (r *Root) List(p Path) ([]fs.DirEntry, error) {
	fd, err := r.open(p, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	entries, err := list(fd, string(p), MaxEntries, func(name string) (fs.FileInfo, error) { return r.info(p.Join(name)) })
	if IsFailure(err) {
		err = r.failed("list", p, cause(err))
	}
	return entries, err
}

// info describes p as os.Lstat does.
func (r *Root) info(p Path) (fs.FileInfo, error) {
	fd, err := r.open(p, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), string(p))
	defer f.Close()
	return f.Stat()
}

// list reads a directory without an os.File, which costs a launch more than the
// system calls. info describes an entry.
func list(fd int, name string, limit int, info func(name string) (fs.FileInfo, error)) (entries []fs.DirEntry, err error) {
	var buffer [4096]byte
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(fd, buffer[:]) })
		if err != nil {
			return entries, &os.PathError{Op: "readdirent", Path: name, Err: err}
		}
		if n == 0 {
			break
		}
		for data := buffer[:n]; len(data) > 0; {
			var e *dirEntry
			e, data = parseEntry(fd, data)
			if e.info = info; e.name != "." && e.name != ".." {
				entries = append(entries, e)
			}
		}
		if len(entries) > limit {
			return entries, &os.PathError{Op: "list", Path: name, Err: ErrTooLarge}
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// parseEntry parses one struct linux_dirent64 (getdents(2)) and returns what follows.
func parseEntry(fd int, data []byte) (e *dirEntry, rest []byte) {
	const (
		length = unsafe.Offsetof(unix.Dirent{}.Reclen)
		kind   = unsafe.Offsetof(unix.Dirent{}.Type)
		start  = unsafe.Offsetof(unix.Dirent{}.Name)
	)
	size := binary.NativeEndian.Uint16(data[length:])
	e = &dirEntry{name: unix.ByteSliceToString(data[start:size])}
	var st unix.Stat_t
	format := data[kind]
	if format == unix.DT_UNKNOWN && unix.Fstatat(fd, e.name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil { // the file system does not tell
		format = byte(st.Mode & unix.S_IFMT >> 12)
	}
	switch format {
	case unix.DT_REG:
	case unix.DT_DIR:
		e.mode = fs.ModeDir
	case unix.DT_LNK:
		e.mode = fs.ModeSymlink
	case unix.DT_SOCK:
		e.mode = fs.ModeSocket
	case unix.DT_FIFO:
		e.mode = fs.ModeNamedPipe
	case unix.DT_BLK:
		e.mode = fs.ModeDevice
	case unix.DT_CHR:
		e.mode = fs.ModeDevice | fs.ModeCharDevice
	default:
		e.mode = fs.ModeIrregular
	}
	return e, data[size:]
}

// dirEntry is an entry as the directory tells it.
type dirEntry struct {
	name string
	mode fs.FileMode
	info func(name string) (fs.FileInfo, error)
}

func (e *dirEntry) Name() string               { return e.name }
func (e *dirEntry) IsDir() bool                { return e.mode.IsDir() }
func (e *dirEntry) Type() fs.FileMode          { return e.mode }
func (e *dirEntry) Info() (fs.FileInfo, error) { return e.info(e.name) }
