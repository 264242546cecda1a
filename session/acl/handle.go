package acl

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrLeft means that nobody can tell whether a socket still exists.
var ErrLeft = errors.New("it is not at its path, and may have been moved")

// Handle returns a text that identifies the socket in its file system for ever
// (name_to_handle_at(2)), or "" if the file system has no such handles.
func (f *File) Handle() string {
	h, _, err := unix.NameToHandleAt(f.fd, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d:%x", h.Type(), h.Bytes())
}

// openHandle opens s by its handle, which requires root. The error is ESTALE if the
// socket no longer exists, and ErrLeft if that cannot be found out.
func (s Socket) openHandle() (*File, error) {
	left := &os.PathError{Op: "open", Path: s.Path, Err: ErrLeft}
	kind, data, _ := strings.Cut(s.Handle, ":")
	number, err1 := strconv.ParseInt(kind, 10, 32)
	bytes, err2 := hex.DecodeString(data)
	if err1 != nil || err2 != nil {
		return nil, left
	}
	mount, err := s.openFileSystem()
	if err != nil {
		return nil, left
	}
	defer unix.Close(mount)
	fd, err := unix.OpenByHandleAt(mount, unix.NewFileHandle(int32(number), bytes), unix.O_PATH)
	if err == unix.ESTALE {
		return nil, err
	}
	if err != nil {
		return nil, left
	}
	unix.CloseOnExec(fd)
	f := &File{path: s.Path, fd: fd}
	st, err := f.stat()
	switch {
	case err == nil && st.Nlink == 0: // deleted, but open somewhere
		err = unix.ESTALE
	case err == nil && (st.Mode&unix.S_IFMT != unix.S_IFSOCK || st.Dev != s.Device || st.Ino != s.Inode || int(st.Uid) != s.Owner):
		err = left
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	f.Device, f.Inode, f.Owner = st.Dev, st.Ino, int(st.Uid)
	return f, nil
}

// openFileSystem opens a directory above s that is in its file system.
func (s Socket) openFileSystem() (fd int, err error) {
	for dir := path.Dir(s.Path); ; dir = path.Dir(dir) {
		var st unix.Stat_t
		if fd, err = unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
			if unix.Fstat(fd, &st) == nil && st.Dev == s.Device {
				return fd, nil
			}
			unix.Close(fd)
		}
		if dir == "/" || dir == "." {
			return -1, ErrLeft
		}
	}
}
