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
	prefix  = "launch-" // of the names of files, before 16 digits
	fresh   = ".new"    // after them: what is being written
	maxFile = 1 << 20   // bytes

	// patience is how long others may have the journal: one that asks an X
	// server which does not answer, or was stopped.
	patience = 15 * time.Second
)

// Journal is an open directory with a file for each launch. Whoever holds the
// lock of such a file is that launch; without a lock it is dead. Close it.
type Journal struct {
	dir  string
	fd   int
	hook func(step string) // for tests; nil
}

// Open opens the journal of the effective uid at dir, 0700 and its own, and
// makes it where it is missing. Anything else at dir is an error: somebody has
// planted it.
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

// Close closes the journal. Launches go on.
func (j *Journal) Close() error { return unix.Close(j.fd) }

func (j *Journal) at(step string) {
	if j.hook != nil {
		j.hook(step)
	}
}

// lock opens the directory once more, for this process alone until it is closed.
func (j *Journal) lock() (*os.File, error) {
	fd, err := unix.Openat(j.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot use the journal %s: %w", j.dir, err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return os.NewFile(uintptr(fd), j.dir), nil
		}
		if err == unix.EWOULDBLOCK && time.Now().After(end) {
			err = errors.New("another chrun holds it")
		} else if err == unix.EWOULDBLOCK || err == unix.EINTR {
			continue
		}
		unix.Close(fd)
		return nil, fmt.Errorf("cannot lock the journal %s: %w", j.dir, err)
	}
}

// entry is what the journal holds of one launch.
type entry struct {
	name   string
	live   bool
	grants []Grant
}

// entries reads the journal, whose lock is dir. A file that is not as chrun
// makes and writes it is left out whole, and named in the error.
func (j *Journal) entries(dir *os.File, table Table) (list []entry, err error) {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("cannot read the journal %s: %w", j.dir, err)
	}
	var errs []error
	for _, name := range names {
		if launch, ok := strings.CutSuffix(name, fresh); ok && isLaunch(launch) {
			unix.Unlinkat(j.fd, name, 0) // its writer was killed, we have the lock
			continue
		}
		e, err := j.entry(name, table)
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot use %s of the journal: %w", path.Join(j.dir, name), err))
			continue
		}
		list = append(list, e)
	}
	return list, errors.Join(errs...)
}

func isLaunch(name string) bool {
	digits, ok := strings.CutPrefix(name, prefix)
	return ok && len(digits) == 16 && strings.Trim(digits, "0123456789abcdef") == ""
}

func (j *Journal) entry(name string, table Table) (entry, error) {
	e := entry{name: name}
	if !isLaunch(name) {
		return e, errors.New("it has no name of ours")
	}
	fd, err := unix.Openat(j.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return e, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if err := check(fd); err != nil {
		return e, err
	}
	switch err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err {
	case nil: // until it is closed; the journal's own lock keeps others away
	case unix.EWOULDBLOCK:
		e.live = true
	default:
		return e, os.NewSyscallError("flock", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return e, err
	}
	lines := bytes.Split(data, []byte("\n"))
	// Whoever wrote the last was killed at it: its change was never made.
	for i, line := range lines[:len(lines)-1] {
		g, err := parse(line, table)
		if err != nil {
			return e, fmt.Errorf("line %d: %w", i+1, err)
		}
		e.grants = append(e.grants, g)
	}
	return e, nil
}

// check says whether an open file is one that we have made.
func check(fd int) error {
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
		return errors.New("it has another name elsewhere")
	case st.Size > maxFile:
		return errors.New("it is too large")
	}
	return nil
}
