package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxFile is the largest size of a configuration file, in bytes.
const maxFile = 1 << 20

// Error is a mistake in a file, or a file that cannot be read.
type Error struct {
	File    string
	Line    int // 0 if the error concerns the whole file
	Err     error
	Allowed []string // the valid keys; nil if the file could not be read
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("cannot read configuration: " + e.File)
	if e.Line > 0 {
		b.WriteString(":" + strconv.Itoa(e.Line))
	}
	b.WriteString(": " + e.Err.Error())
	if e.Allowed != nil {
		b.WriteString(" (allowed: " + strings.Join(e.Allowed, ", ") + ")")
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// UntrustedError says why root does not trust a file.
type UntrustedError struct {
	File string
	At   string // the file or parent directory that others can change
	Why  string
}

func (e *UntrustedError) Error() string {
	if e.At == e.File {
		return fmt.Sprintf("cannot trust configuration %s as root: %s", e.File, e.Why)
	}
	return fmt.Sprintf("cannot trust configuration %s as root: %s: %s", e.File, e.At, e.Why)
}

// readFile reads a regular file of at most maxFile bytes. It does not block on
// a FIFO. Errors are *Error or *UntrustedError, and may wrap fs.ErrNotExist.
func (s *Source) readFile(file string) ([]byte, error) {
	f, err := os.OpenFile(file, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &Error{File: file, Err: errors.Unwrap(err)}
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, &Error{File: file, Err: errors.New("not a regular file")}
	}
	if s.Root {
		if err := checkTrust(f, file); err != nil {
			return nil, err
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errors.New("larger than 1 MiB")
	}
	if err != nil {
		return nil, &Error{File: file, Err: err}
	}
	return data, nil
}

// checkTrust returns an error unless only root can change the open file f and
// every directory above it. It examines the open file, so that a symlink or a
// rename between check and use does not matter. Errors call f file.
func checkTrust(f *os.File, file string) error {
	st, err := f.Stat()
	if err != nil {
		return &UntrustedError{file, file, err.Error()}
	}
	if err := checkOnlyRootWrites(st); err != nil {
		return &UntrustedError{file, file, err.Error()}
	}
	childIsDir := st.IsDir()
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil {
		return &UntrustedError{file, file, err.Error()}
	}
	for dir := path.Dir(real); ; dir = path.Dir(dir) {
		st, err := os.Lstat(dir)
		if err != nil {
			return &UntrustedError{file, dir, err.Error()}
		}
		err = checkOnlyRootWrites(st)
		// In a sticky directory (/tmp) others cannot replace a directory that
		// belongs to root. They can create hard links to root's files there.
		if err == errOthersWrite && childIsDir && st.Mode()&fs.ModeSticky != 0 {
			err = nil
		}
		if err != nil {
			return &UntrustedError{file, dir, err.Error()}
		}
		if dir == "/" {
			return nil
		}
		childIsDir = true
	}
}

var errOthersWrite = errors.New("users other than root can write to it")

// checkOnlyRootWrites returns why users other than root can change a file. An
// ACL that permits writing shows in the permission bits of the group.
func checkOnlyRootWrites(st fs.FileInfo) error {
	if uid := st.Sys().(*syscall.Stat_t).Uid; uid != 0 {
		return fmt.Errorf("it is owned by uid %d, not by root", uid)
	}
	if st.Mode().Perm()&0o022 != 0 {
		return errOthersWrite
	}
	return nil
}
