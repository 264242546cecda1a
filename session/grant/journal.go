package grant

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	filePrefix = "launch-" // file names continue with 16 hexadecimal digits
	newSuffix  = ".new"    // of a file that is being written
	maxFile    = 1 << 20   // bytes

	// lockTimeout is how long to wait for the journal. Its holder may itself be
	// waiting for an X server that does not answer, or may have been stopped.
	lockTimeout = 15 * time.Second
)

// Journal is an open directory with one file for each launch. A launch holds a
// lock on its file as long as it lives. The caller closes the journal.
type Journal struct {
	dir  string
	fd   int
	hook func(step string) // called at each step, in tests
}

// Open opens the journal at dir, or makes it. It must be a directory of the
// effective uid with mode 0700; anything else was planted and is an error.
func Open(dir string) (*Journal, error) {
	fail := func(err error) (*Journal, error) {
		return nil, fmt.Errorf("cannot use the journal %s: %w", dir, err)
	}
	if err := os.MkdirAll(path.Dir(dir), 0o700); err != nil {
		return fail(err)
	}
	if err := unix.Mkdir(dir, 0o700); err != nil && err != unix.EEXIST {
		return fail(err)
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	switch {
	case err != nil:
	case int(st.Uid) != unix.Geteuid():
		err = fmt.Errorf("it belongs to uid %d", st.Uid)
	case st.Mode&0o777 != 0o700:
		err = fmt.Errorf("its mode is %#o, not 0700", st.Mode&0o777)
	}
	if err != nil {
		unix.Close(fd)
		return fail(err)
	}
	return &Journal{dir: dir, fd: fd}, nil
}

// Close closes the journal, which does not end any launch.
func (j *Journal) Close() error { return unix.Close(j.fd) }

func (j *Journal) reached(step string) {
	if j.hook != nil {
		j.hook(step)
	}
}

// lock locks the journal. Closing the result unlocks it.
func (j *Journal) lock() (*os.File, error) {
	fd, err := unix.Openat(j.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot use the journal %s: %w", j.dir, err)
	}
	for end := time.Now().Add(lockTimeout); ; time.Sleep(2 * time.Millisecond) {
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return os.NewFile(uintptr(fd), j.dir), nil
		}
		if err == unix.EWOULDBLOCK && time.Now().After(end) {
			err = errors.New("another chrun process holds the lock")
		} else if err == unix.EWOULDBLOCK || err == unix.EINTR {
			continue
		}
		unix.Close(fd)
		return nil, fmt.Errorf("cannot lock the journal %s: %w", j.dir, err)
	}
}

// record is the content of a launch's file.
type record struct {
	name   string // of the file
	live   bool   // the launch has not ended
	grants []Grant
}

// readAll reads every launch's file. dir is the result of lock. A file that
// chrun did not write is skipped as a whole and named in the error.
func (j *Journal) readAll(dir *os.File, table Table) (list []record, err error) {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("cannot read the journal %s: %w", j.dir, err)
	}
	var errs []error
	for _, name := range names {
		if launch, ok := strings.CutSuffix(name, newSuffix); ok && isLaunch(launch) {
			unix.Unlinkat(j.fd, name, 0) // its writer was killed: we hold the lock
			continue
		}
		r, err := j.read(name, table)
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot use %s of the journal: %w", path.Join(j.dir, name), err))
			continue
		}
		list = append(list, r)
	}
	return list, errors.Join(errs...)
}

// isLaunch reports whether name is that of a launch's file.
func isLaunch(name string) bool {
	digits, ok := strings.CutPrefix(name, filePrefix)
	return ok && len(digits) == 16 && strings.Trim(digits, "0123456789abcdef") == ""
}

func (j *Journal) read(name string, table Table) (record, error) {
	r := record{name: name}
	if !isLaunch(name) {
		return r, errors.New("its name is not that of a launch")
	}
	fd, err := unix.Openat(j.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return r, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if err := checkFile(fd); err != nil {
		return r, err
	}
	switch err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err {
	case nil: // its launch is dead; closing the file unlocks it again
	case unix.EWOULDBLOCK:
		r.live = true
	default:
		return r, os.NewSyscallError("flock", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return r, err
	}
	lines := bytes.Split(data, []byte("\n"))
	// A last line without newline is from a launch that was killed while it wrote
	// it, so the change was never made.
	for i, line := range lines[:len(lines)-1] {
		g, err := parse(line, table)
		if err != nil {
			return r, fmt.Errorf("line %d: %w", i+1, err)
		}
		r.grants = append(r.grants, g)
	}
	return r, nil
}

// checkFile returns an error if an open file cannot be one that chrun made.
func checkFile(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("it is not a regular file")
	case int(st.Uid) != unix.Geteuid():
		return fmt.Errorf("it belongs to uid %d", st.Uid)
	case st.Mode&0o7777 != 0o600:
		return fmt.Errorf("its mode is %#o, not 0600", st.Mode&0o7777)
	case st.Nlink != 1:
		return errors.New("it has a second hard link")
	case st.Size > maxFile:
		return errors.New("it is too large")
	}
	return nil
}
