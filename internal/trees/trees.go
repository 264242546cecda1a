package trees

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Unpack unpacks a root file system, a tar archive in any of the usual compressions,
// into the empty directory dir, an absolute path. A directory with an error is left
// as it is: see Clear.
func Unpack(ctx context.Context, m Map, dir string, archive io.Reader, a *Account) (Report, error) {
	var report Report
	content, err := decompress(archive)
	if err != nil {
		return report, err
	}
	tree, err := openTree(dir)
	if err != nil {
		return report, err
	}
	defer tree.Close()
	if m.UIDs == nil {
		if err := checkFresh(tree); err != nil {
			return report, err
		}
	}
	reading, writing, err := os.Pipe()
	if err != nil {
		return report, err
	}
	unix.FcntlInt(writing.Fd(), unix.F_SETPIPE_SZ, 1<<20) // fewer switches; it may be refused
	p, err := start(m, tree, reading, &unpacking{Account: a, Devices: m.UIDs == nil}, "unpack")
	reading.Close()
	if err != nil {
		writing.Close()
		return report, err
	}
	stop := context.AfterFunc(ctx, func() { p.cmd.Process.Kill() })
	defer stop()
	// In larger pieces than io.Copy takes.
	_, copied := io.CopyBuffer(struct{ io.Writer }{writing}, struct{ io.Reader }{content}, make([]byte, 1<<18))
	// Only if the whole archive is good may the process see its end.
	if !errors.Is(copied, syscall.EPIPE) {
		copied = errors.Join(copied, content.Close())
		if copied != nil {
			p.cmd.Process.Kill()
		}
	}
	writing.Close()
	failed := p.wait(&report)
	switch {
	case ctx.Err() != nil:
		return report, context.Cause(ctx)
	case copied != nil && !errors.Is(copied, syscall.EPIPE):
		return report, readError(copied)
	}
	return report, failed
}

// checkFresh returns an error if a directory is not the one that Reserve has made. In
// a directory of another user that user can put one of the same name in its place, and
// root would give root's ownership and modes, such as setuid, to what is put there while
// it unpacks.
func checkFresh(dir *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: dir.Name(), Err: err}
	}
	list, err := os.ReadDir("/proc/self/fd/" + strconv.Itoa(int(dir.Fd())))
	if err == nil && (int(st.Uid) != os.Geteuid() || st.Mode&0o7777 != 0o700 || len(list) > 0) {
		err = fmt.Errorf("somebody has replaced %s", dir.Name())
	}
	return err
}

// Clear removes everything in the directory dir, an absolute path, but not dir.
func Clear(m Map, dir string) error {
	tree, err := openTree(dir)
	if err != nil {
		return err
	}
	defer tree.Close()
	return clearOpen(m, tree)
}

// clearOpen does the same with a directory that was opened by the absolute path that
// is its name.
func clearOpen(m Map, tree *os.File) error {
	p, err := start(m, tree, nil, struct{}{}, "clear")
	if err != nil {
		return err
	}
	var nothing any
	return p.wait(&nothing)
}

// openTree opens a directory, which may be closed to the caller.
func openTree(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return os.NewFile(uintptr(fd), dir), nil
}
