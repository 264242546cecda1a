// Package trees makes the trees of chroots from archives, and removes them. The
// part that touches a tree is a process of its own whose root directory is the tree,
// in the user namespace of the launches that come later: nothing outside has a name
// there, and the files get the owners that launches will see. It is this very
// program under another name.
package trees

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/account"
	"chrun/session/launch"
)

// Name is argv[0] of the process inside.
const Name = "chrunctl-tree"

// Map are the IDs of a tree. Without UIDs, root works on it without a user
// namespace.
type Map struct{ UIDs, GIDs account.IDMap }

// NewMap returns the map for a new tree of the caller's: its root is the first
// subordinate ID, and the caller's number is the caller's (session.Subid).
func NewMap(c *session.Caller, uids, gids []account.Range) (Map, error) {
	if c.UID == 0 {
		return Map{}, nil
	}
	if len(uids) == 0 || len(gids) == 0 {
		return Map{}, &NoRangeError{User: c.Account.Name}
	}
	return Map{account.MapSubordinate(uids[0], c.UID, c.UID), account.MapSubordinate(gids[0], c.GID, c.GID)}, nil
}

// NoRangeError says that a user has no subordinate IDs.
type NoRangeError struct{ User string }

func (e *NoRangeError) Error() string {
	return fmt.Sprintf("%s has no subordinate IDs, which the files of a system need (a line such as %[1]s:100000:65536 in /etc/subuid and /etc/subgid)", e.User)
}

// Hint names the command that adds them.
func (e *NoRangeError) Hint() string {
	return account.SubIDCommand(session.Quote(e.User), 0, "/")
}

// Descriptors of the process inside.
const (
	fdGo = 3 + iota // a pipe with one byte when the IDs are mapped; it closes with the parent
	fdReport
	fdTree
	fdStream
)

// process is one that works inside a tree.
type process struct {
	cmd    *exec.Cmd
	report *os.File
	alive  *os.File // closes with this process
}

// start starts the job inside the directory tree, which must have been opened by
// its absolute path. stream may be nil.
func start(m Map, tree, stream *os.File, job any, name string) (*process, error) {
	words, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	waiting, alive, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer waiting.Close()
	reading, report, err := os.Pipe()
	if err != nil {
		alive.Close()
		return nil, err
	}
	defer report.Close()
	cmd := exec.Command("/proc/self/exe", name, string(words), tree.Name())
	cmd.Args[0] = Name
	cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin"}, "/"
	cmd.ExtraFiles = []*os.File{waiting, report, tree}
	if stream != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, stream)
	}
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL, Setsid: true}
	if m.UIDs != nil {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		// The program is executed before its IDs are mapped, which drops all
		// capabilities but these.
		for c := range uintptr(unix.CAP_LAST_CAP + 1) {
			attr.AmbientCaps = append(attr.AmbientCaps, c)
		}
	}
	cmd.SysProcAttr = attr
	p := &process{cmd: cmd, report: reading, alive: alive}
	if err = cmd.Start(); err != nil {
		p.close()
		return nil, fmt.Errorf("cannot start a process in a user namespace: %w", err)
	}
	if m.UIDs != nil {
		err = launch.MapIDs(cmd.Process.Pid, m.UIDs, m.GIDs)
	}
	if err == nil {
		_, err = alive.Write([]byte{1})
	}
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *process) close() {
	p.report.Close()
	p.alive.Close()
}

// wait reads the report and waits for the end of the process. An error of the
// process comes first.
func (p *process) wait(report any) error {
	defer p.close()
	var result struct {
		Error  string
		Report json.RawMessage
	}
	err := json.NewDecoder(io.LimitReader(p.report, 64<<20)).Decode(&result)
	ended := p.cmd.Wait()
	switch {
	case result.Error != "":
		return errors.New(result.Error)
	case ended != nil:
		return fmt.Errorf("the process in the tree has failed: %w", ended)
	case err != nil:
		return fmt.Errorf("the process in the tree has not reported: %w", err)
	}
	return json.Unmarshal(result.Report, report)
}

// Main is the main function of the process inside. It returns the exit status.
func Main(words []string) int {
	if len(words) > 0 && words[0] == "supervise" {
		return supervise(words[1:])
	}
	report := os.NewFile(fdReport, "report")
	text := ""
	result, err := runJob(words)
	if err != nil {
		text = err.Error()
	}
	if json.NewEncoder(report).Encode(map[string]any{"Error": text, "Report": result}) != nil || err != nil {
		return 1
	}
	return 0
}

func runJob(words []string) (any, error) {
	if len(words) != 3 {
		return nil, errors.New("no job")
	}
	job := words[1]
	if err := enter(words[2]); err != nil {
		return nil, err
	}
	switch words[0] {
	case "unpack":
		var u unpacking
		if err := json.Unmarshal([]byte(job), &u); err != nil {
			return nil, err
		}
		err := u.run(os.NewFile(fdStream, "archive"))
		return u.report, err
	case "own":
		if err := unix.Chown("/", 0, 0); err != nil {
			return nil, &ownError{err}
		}
		return nil, nil
	case "clear":
		return nil, clearTree()
	}
	return nil, errors.New("unknown job " + words[0])
}

// ownError says that a file system does not take the owners of a tree.
type ownError struct{ err error }

func (e *ownError) Error() string {
	return fmt.Sprintf("its file system does not let files belong to your subordinate IDs (%v), as with NFS, FAT and some FUSE; choose a directory on a local disk: chrunctl create NAME DIR", e.err)
}

// enter waits until the IDs are mapped, becomes root inside, and makes the directory
// dir the root directory.
func enter(dir string) error {
	one := make([]byte, 1)
	if n, _ := unix.Read(fdGo, one); n != 1 {
		return errors.New("the IDs were not mapped")
	}
	// The caller may enter the directories above, whose group may not be mapped; the
	// capabilities open the tree, which may be closed to the caller.
	if err := unix.Chdir(dir); err != nil {
		return &os.PathError{Op: "enter", Path: dir, Err: err}
	}
	if unix.Getuid() != 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(0, 0, 0), syscall.Setresuid(0, 0, 0)); err != nil {
			return fmt.Errorf("cannot become root inside: %w", err)
		}
	}
	// setresuid(2) has cleared this. If the parent has ended before, the pipe is
	// closed.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	if isHungUp(fdGo) {
		return errors.New("chrunctl has ended")
	}
	unix.Umask(0)
	return pivot()
}

// isHungUp reports whether the other end of a pipe is closed. A signal, such as the
// Go runtime's own, interrupts poll(2) even if that does not wait.
func isHungUp(fd int) bool {
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd)}}, 0)
	return n > 0
}

// pivot makes the working directory the root directory. No other file has a name afterwards.
func pivot() error {
	fail := func(what string, err error) error {
		return fmt.Errorf("cannot make the tree the root directory: %s: %w", what, err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fail("mount", err)
	}
	// The parent's descriptor belongs to the parent's mount namespace, so that it
	// cannot be mounted here. It tells that the working directory is the tree.
	var want, got unix.Stat_t
	if err := errors.Join(unix.Fstat(fdTree, &want), unix.Stat(".", &got)); err != nil {
		return fail("stat", err)
	}
	if want.Dev != got.Dev || want.Ino != got.Ino {
		return fail("stat", errors.New("the directory has been replaced"))
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, ".", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fail("open_tree", err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, ".", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fail("move_mount", err)
	}
	if err := unix.Fchdir(tree); err != nil {
		return fail("fchdir", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fail("pivot_root", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fail("umount", err)
	}
	for _, fd := range []int{tree, fdTree} {
		unix.Close(fd)
	}
	return unix.Chdir("/")
}

// clearTree removes everything in the root directory. It does not follow symlinks,
// and fails at a mount point before it removes anything below it.
func clearTree() error {
	root, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return clearDir(root, "/")
}

// clearDir removes the entries of the directory fd, and closes fd. name is for
// errors.
func clearDir(fd int, name string) error {
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(1000)
		if err != nil && err != io.EOF {
			return err
		}
		for _, e := range entries {
			if err := removeEntry(fd, name, e); err != nil {
				return err
			}
		}
		if len(entries) == 0 {
			return nil
		}
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
}

func removeEntry(dir int, parent string, e os.DirEntry) error {
	name := strings.TrimSuffix(parent, "/") + "/" + e.Name()
	fail := func(err error) error { return fmt.Errorf("cannot remove %s: %w", session.Printable(name), err) }
	if !e.IsDir() {
		if err := unix.Unlinkat(dir, e.Name(), 0); err != nil && err != unix.ENOENT {
			return fail(err)
		}
		return nil
	}
	fd, err := unix.Openat2(dir, e.Name(), &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV})
	if err == unix.EXDEV {
		return fail(errors.New("something is mounted on it"))
	}
	if err != nil {
		return fail(err)
	}
	if err := clearDir(fd, name); err != nil {
		return err
	}
	if err := unix.Unlinkat(dir, e.Name(), unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
		return fail(err)
	}
	return nil
}
