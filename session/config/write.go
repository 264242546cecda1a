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

// WriteError says that a file cannot be written.
type WriteError struct {
	File string
	Err  error
}

func (e *WriteError) Error() string {
	return fmt.Sprintf("cannot write configuration: %s: %v", e.File, e.Err)
}

func (e *WriteError) Unwrap() error { return e.Err }

// writeError is err without the names of its own: a temporary file means
// nothing to anybody.
func writeError(file string, err error) error {
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

// lock keeps other commands from changing what is in dir, which it makes. It
// waits for them. The kernel lets go of it when the process ends.
//
// It is a file, not dir itself: that everybody could lock in /etc, and NFS
// locks only what is open for writing.
func (s *Source) lock(dir string) (unlock func(), err error) {
	if err := s.mkdir(dir); err != nil {
		return nil, err
	}
	file := path.Join(dir, ".lock")
	f, err := os.OpenFile(file, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, writeError(dir, err)
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

// mkdir makes a directory of configuration: /etc/chrun for everybody to read,
// that of a user as XDG Base Directory 0.8 has it.
func (s *Source) mkdir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	mode := fs.FileMode(0o700)
	if s.ofSystem(dir) {
		mode = 0o755
	}
	if err := os.MkdirAll(path.Dir(dir), mode); err != nil {
		return writeError(dir, err)
	}
	err := os.Mkdir(dir, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil // another command was quicker
	} else if err == nil && s.ofSystem(dir) {
		err = os.Chmod(dir, mode) // whatever the umask
	}
	return writeError(dir, err)
}

func (s *Source) ofSystem(file string) bool {
	return file == s.System || path.Dir(file) == s.System || path.Dir(path.Dir(file)) == s.System
}

// write puts data in the place of file, whose lock is held: whoever reads it
// sees the old content or the new, also after a crash. A symlink stays one.
func (s *Source) write(file string, data []byte) error {
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
	return writeError(file, s.replace(real, data))
}

func (s *Source) replace(file string, data []byte) error {
	// One name, so that a command that was killed leaves no more than one.
	tmp := path.Join(path.Dir(file), "."+path.Base(file)+".new")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return err
	}
	defer os.Remove(tmp) // fails once it is renamed
	if err = s.keepMode(f, file); err == nil {
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

// keepMode gives f the mode, and if it may be the group, of the file that it
// will replace. A new one is readable for everybody in /etc.
func (s *Source) keepMode(f *os.File, old string) error {
	st, err := os.Stat(old)
	switch {
	case err == nil:
		f.Chown(-1, int(st.Sys().(*syscall.Stat_t).Gid))
		return f.Chmod(st.Mode().Perm())
	case s.Root || s.ofSystem(old):
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
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) { // a file system without
		return err
	}
	return nil
}
