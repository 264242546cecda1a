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

// Launch is one launch's part of a journal. It lives as long as some process
// has its descriptor open.
type Launch struct {
	j    *Journal
	name string
	file *os.File
}

// Begin makes the file of a launch. End it.
func (j *Journal) Begin() (*Launch, error) {
	dir, err := j.lock() // else a sweep takes it for dead before it has its lock
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	name := fmt.Sprintf("%s%016x", prefix, rand.Uint64())
	f, err := j.create(name)
	if err == nil {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			f.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot write the journal %s: %w", j.dir, err)
	}
	j.at("begun")
	return &Launch{j, name, f}, nil
}

func (j *Journal) create(name string) (*os.File, error) {
	fd, err := unix.Openat(j.fd, name, unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err == nil {
		err = unix.Fchmod(fd, 0o600) // whatever the umask
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// File is what a keeper inherits to continue the launch with Resume. Nobody
// else may: whoever has it open keeps the launch alive.
func (l *Launch) File() *os.File { return l.file }

// Close leaves the launch to whoever has inherited it; without such a process
// it is dead, and the next sweep ends it.
func (l *Launch) Close() error { return l.file.Close() }

// Resume continues the launch whose inherited File is f. It takes f over.
func (j *Journal) Resume(f *os.File) (*Launch, error) {
	dir, err := j.lock()
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	l := &Launch{j: j, file: f}
	var here unix.Stat_t
	err = unix.Fstat(int(f.Fd()), &here)
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		unix.CloseOnExec(int(f.Fd()))
		var names []string
		names, err = dir.Readdirnames(-1)
		for _, name := range names {
			var st unix.Stat_t
			if unix.Fstatat(j.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Dev == here.Dev && st.Ino == here.Ino && isLaunch(name) {
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

// Grant makes the change g, or shares one that another launch has made. One
// that was there before is the person's own: it is not written down, and so
// never undone.
func (l *Launch) Grant(table Table, g Grant) error {
	fail := func(err error) error { return fmt.Errorf("cannot grant %s: %w", g, err) }
	line, err := g.line()
	if err != nil {
		return fail(err)
	}
	// What cannot be read again, such as a path that is not UTF-8, would stay.
	if again, err := parse(line[:len(line)-1], table); err != nil {
		return fail(err)
	} else if !reflect.DeepEqual(again, g) {
		return fail(errors.New("the journal cannot hold its name"))
	}
	dir, err := l.j.lock()
	if err != nil {
		return fail(err)
	}
	defer dir.Close()
	list, _ := l.j.entries(dir, table) // a bad file is the sweep's business
	self := slices.IndexFunc(list, func(e entry) bool { return e.name == l.name })
	if self < 0 {
		return fail(errEnded)
	}
	same := func(other Grant) bool { return other.target() == g.target() }
	ours := slices.ContainsFunc(list, func(e entry) bool { return slices.ContainsFunc(e.grants, same) })
	has, err := table[g.Kind].Has(g)
	if err != nil {
		return fail(err)
	}
	if has && !ours {
		return nil
	}
	if !slices.ContainsFunc(list[self].grants, same) {
		if err := l.write(line); err != nil {
			return fail(err)
		}
	}
	l.j.at("written")
	if !has {
		if err := table[g.Kind].Do(g); err != nil {
			return fail(err)
		}
	}
	l.j.at("done")
	return nil
}

// write appends a line as one system call, over one that was never finished.
func (l *Launch) write(line []byte) error {
	data, err := io.ReadAll(io.NewSectionReader(l.file, 0, maxFile))
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	if whole+len(line) > maxFile {
		return errors.New("the journal is full")
	}
	if whole < len(data) {
		if err := unix.Ftruncate(int(l.file.Fd()), int64(whole)); err != nil {
			return err
		}
	}
	_, err = l.file.Write(line)
	return err
}

// End undoes what no other launch has a part in, the last change first, and
// what dead launches have left. The descriptor is closed in any case; what
// could not be undone stays in the journal, for the next sweep.
func (l *Launch) End(table Table) error {
	return errors.Join(l.j.sweep(table, l.name), l.Close())
}
