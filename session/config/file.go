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

// maxFile is the size of a configuration file, in bytes.
const maxFile = 1 << 20

// Error is a mistake in a file, or a file that cannot be read.
type Error struct {
	File    string
	Line    int // 0 if the mistake is not in a line
	Err     error
	Allowed []string // the keys that such a file may have; nil if it could not be read
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

// UntrustedError says why a file does not count for root.
type UntrustedError struct {
	File string // the file that does not count
	At   string // it, or the directory above it that is the reason
	Why  string
}

func (e *UntrustedError) Error() string {
	if e.At == e.File {
		return fmt.Sprintf("cannot trust configuration %s as root: %s", e.File, e.Why)
	}
	return fmt.Sprintf("cannot trust configuration %s as root: %s: %s", e.File, e.At, e.Why)
}

// read reads a regular file, at most maxFile bytes; a FIFO does not block it.
// Errors are *Error or *UntrustedError; fs.ErrNotExist is kept.
func (s *Source) read(file string) ([]byte, error) {
	f, err := os.OpenFile(file, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &Error{File: file, Err: errors.Unwrap(err)}
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, &Error{File: file, Err: errors.New("not a regular file")}
	}
	if s.Root {
		if err := trusted(f, file); err != nil {
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

// trusted says why an open file does not count for root, called file in
// errors: root alone must be able to change it, and every directory in which
// it really lies. The open file is asked, so that no symlink or rename between
// check and use matters.
func trusted(f *os.File, file string) error {
	st, err := f.Stat()
	if err != nil {
		return &UntrustedError{file, file, err.Error()}
	}
	if why := changeable(st); why != "" {
		return &UntrustedError{file, file, why}
	}
	inDir := st.IsDir() // what lies in the directory looked at is one itself
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil {
		return &UntrustedError{file, file, err.Error()}
	}
	for dir := path.Dir(real); ; dir = path.Dir(dir) {
		st, err := os.Lstat(dir)
		if err != nil {
			return &UntrustedError{file, dir, err.Error()}
		}
		why := changeable(st)
		// In a sticky directory (/tmp) others cannot replace a directory of
		// root's; they can link a file of root's into it.
		if why == othersWrite && inDir && st.Mode()&fs.ModeSticky != 0 {
			why = ""
		}
		if why != "" {
			return &UntrustedError{file, dir, why}
		}
		if dir == "/" {
			return nil
		}
		inDir = true
	}
}

const othersWrite = "others than root can write it"

// changeable says why others than root may change a file, or "". An ACL that
// lets somebody write shows in the group's bits.
func changeable(st fs.FileInfo) string {
	if uid := st.Sys().(*syscall.Stat_t).Uid; uid != 0 {
		return fmt.Sprintf("it is owned by uid %d, not by root", uid)
	}
	if st.Mode().Perm()&0o022 != 0 {
		return othersWrite
	}
	return ""
}
