package grant

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"

	"golang.org/x/sys/unix"
)

// Launch is one launch in a journal. It is alive as long as some process has its
// file open.
type Launch struct {
	j    *Journal
	name string
	file *os.File
}

// Begin adds a launch to the journal. The caller calls End, or Close if another
// process resumes the launch.
func (j *Journal) Begin() (*Launch, error) {
	dir, err := j.lock() // so that no sweep sees the file before it is locked
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	name := fmt.Sprintf("%s%016x", filePrefix, rand.Uint64())
	f, err := j.create(name)
	if err == nil {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			f.Close()
		}
	}
	if err != nil {
		unix.Unlinkat(j.fd, name, 0)
		return nil, fmt.Errorf("cannot write the journal %s: %w", j.dir, err)
	}
	j.reached("begun")
	return &Launch{j, name, f}, nil
}

func (j *Journal) create(name string) (*os.File, error) {
	fd, err := unix.Openat(j.fd, name, unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err == nil {
		err = unix.Fchmod(fd, 0o600) // independent of the umask
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// File is for a helper process, which inherits it and calls Resume. No other
// process may inherit it, because an open file keeps the launch alive.
func (l *Launch) File() *os.File { return l.file }

// Close leaves the launch to the process that has inherited File. If there is
// none the launch is dead, and the next sweep revokes its grants.
func (l *Launch) Close() error { return l.file.Close() }

// Resume continues the launch whose inherited File is f. The result owns f.
func (j *Journal) Resume(f *os.File) (*Launch, error) {
	dir, err := j.lock()
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	l := &Launch{j: j, file: f}
	var own unix.Stat_t
	err = unix.Fstat(int(f.Fd()), &own)
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		unix.CloseOnExec(int(f.Fd()))
		var names []string
		names, err = dir.Readdirnames(-1)
		for _, name := range names {
			var st unix.Stat_t
			if unix.Fstatat(j.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Dev == own.Dev && st.Ino == own.Ino && isLaunch(name) {
				l.name = name
			}
		}
	}
	if err == nil && l.name == "" {
		err = errEnded
	}
	if err != nil {
		return nil, fmt.Errorf("cannot continue in the journal %s: %w", j.dir, err)
	}
	return l, nil
}

var errEnded = errors.New("the launch has ended")

// Grant applies the change g, or shares it if another launch has applied it. A
// change that is in place but not in the journal is the user's own: it is not
// recorded, and so never revoked.
func (l *Launch) Grant(table Table, g Grant) error {
	fail := func(err error) error { return fmt.Errorf("cannot grant %s: %w", g, err) }
	line, err := g.line()
	if err != nil {
		return fail(err)
	}
	// A line that cannot be read again, such as one with a path that is not
	// UTF-8, would never be revoked.
	if again, err := parse(line[:len(line)-1], table); err != nil {
		return fail(err)
	} else if !reflect.DeepEqual(again, g) {
		return fail(errors.New("the journal cannot store its name"))
	}
	dir, err := l.j.lock()
	if err != nil {
		return fail(err)
	}
	defer dir.Close()
	list, _ := l.j.readAll(dir, table) // sweep reports files that chrun did not write
	self := slices.IndexFunc(list, func(r record) bool { return r.name == l.name })
	if self < 0 {
		return fail(errEnded)
	}
	same := func(other Grant) bool { return other.target() == g.target() }
	recorded := slices.ContainsFunc(list, func(r record) bool { return slices.ContainsFunc(r.grants, same) })
	applied, err := table[g.Kind].IsApplied(g)
	if err != nil {
		return fail(err)
	}
	if applied && !recorded {
		return nil
	}
	if !slices.ContainsFunc(list[self].grants, same) {
		if err := l.write(line); err != nil {
			return fail(err)
		}
	}
	l.j.reached("recorded")
	if !applied {
		if err := table[g.Kind].Apply(g); err != nil {
			return fail(err)
		}
	}
	l.j.reached("applied")
	return nil
}

// write appends a line with one system call. It replaces an unfinished last line.
func (l *Launch) write(line []byte) error {
	data, err := io.ReadAll(io.NewSectionReader(l.file, 0, maxFile))
	if err != nil {
		return err
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	if end+len(line) > maxFile {
		return errors.New("the journal is full")
	}
	if end < len(data) {
		if err := unix.Ftruncate(int(l.file.Fd()), int64(end)); err != nil {
			return err
		}
	}
	_, err = l.file.Write(line)
	return err
}

// End revokes the grants that no other launch shares, in reverse order, and those
// of dead launches. It always closes the file. Grants that it cannot revoke stay
// in the journal for the next sweep.
func (l *Launch) End(table Table) error {
	return errors.Join(l.j.sweep(table, l.name), l.Close())
}
