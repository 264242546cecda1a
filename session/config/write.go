package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// WriteError reports that a configuration file cannot be written.
type WriteError struct {
	File string
	Err  error
}

func (e *WriteError) Error() string {
	return fmt.Sprintf("cannot write configuration: %s: %v", e.File, e.Err)
}

func (e *WriteError) Unwrap() error { return e.Err }

// wrapWriteError makes a *WriteError of err, without the file names in err: the
// name of a temporary file would only confuse.
func wrapWriteError(file string, err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		err = p.Err
	case errors.As(err, &l):
		err = l.Err
	}
	return &WriteError{file, err}
}

// lock waits for the lock of the configuration directory dir, which it creates,
// so that other commands do not change its files. The kernel releases the lock
// when the process ends.
//
// The lock is on a file and not on dir, because everybody could lock a
// directory in /etc, and because NFS locks only files that are open for writing.
func (s *Source) lock(dir string) (unlock func(), err error) {
	if err := s.mkdir(dir); err != nil {
		return nil, err
	}
	file := path.Join(dir, ".lock")
	f, err := os.OpenFile(file, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, wrapWriteError(dir, err)
	}
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, &WriteError{dir, os.NewSyscallError("flock", err)}
	}
	return func() { f.Close() }, nil
}

// mkdir makes a configuration directory. Everybody can read the one in /etc; the
// one of a user has the mode of XDG Base Directory 0.8.
func (s *Source) mkdir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	mode := fs.FileMode(0o700)
	if s.isSystem(dir) {
		mode = 0o755
	}
	if err := os.MkdirAll(path.Dir(dir), mode); err != nil {
		return wrapWriteError(dir, err)
	}
	err := os.Mkdir(dir, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil // another command has just made it
	} else if err == nil && s.isSystem(dir) {
		err = os.Chmod(dir, mode) // regardless of the umask
	}
	return wrapWriteError(dir, err)
}

func (s *Source) isSystem(file string) bool {
	return file == s.System || path.Dir(file) == s.System || path.Dir(path.Dir(file)) == s.System
}

// writeFile replaces the content of file atomically, also with respect to a
// crash. The caller holds the lock. A symlink stays, and its target is replaced.
func (s *Source) writeFile(file string, data []byte) error {
	if len(data) > maxFile {
		return &WriteError{file, errors.New("larger than 1 MiB")}
	}
	if err := s.mkdir(path.Dir(file)); err != nil {
		return err
	}
	real := file
	if r, err := filepath.EvalSymlinks(file); err == nil {
		real = r
	}
	return wrapWriteError(file, s.replaceFile(real, data))
}

func (s *Source) replaceFile(file string, data []byte) error {
	// A fixed name, so that killed commands leave at most one file.
	tmp := path.Join(path.Dir(file), "."+path.Base(file)+".new")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return err
	}
	defer os.Remove(tmp) // fails after the rename
	if err = s.copyMode(f, file); err == nil {
		_, err = f.Write(data)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, file); err != nil {
		return err
	}
	return syncDir(path.Dir(file))
}

// copyMode gives f the mode, and if permitted the group, of the file that it
// will replace. A new file in /etc is readable for everybody.
func (s *Source) copyMode(f *os.File, old string) error {
	st, err := os.Stat(old)
	switch {
	case err == nil:
		f.Chown(-1, int(st.Sys().(*syscall.Stat_t).Gid))
		return f.Chmod(st.Mode().Perm())
	case s.Root || s.isSystem(old):
		return f.Chmod(0o644)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) { // the file system cannot sync directories
		return err
	}
	return nil
}
