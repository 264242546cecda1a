package trees

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/internal/processes"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/rootfs"
)

// BusyError says why a tree cannot be removed now.
type BusyError struct {
	Tree      string
	Mounts    []string
	Processes []processes.Process
}

func (e *BusyError) Error() string {
	var why []string
	if len(e.Mounts) > 0 {
		why = append(why, "something is mounted on "+session.Printable(strings.Join(e.Mounts, ", ")))
	}
	for _, p := range e.Processes {
		why = append(why, fmt.Sprintf("process %d of uid %d runs there (%s)", p.PID, p.UID, session.Printable(p.Program)))
	}
	return e.Tree + " is in use: " + strings.Join(why, "; ")
}

// CheckUnused returns a *BusyError if something is mounted at or below a tree, or a
// process lives in it.
func CheckUnused(tree string) error {
	mounts, err := processes.MountPoints(rootfs.HostPath(tree))
	if err != nil {
		return err
	}
	busy := &BusyError{Tree: tree, Mounts: mounts}
	found, err := processes.Scan([]rootfs.HostPath{rootfs.HostPath(tree)})
	if err != nil {
		return err
	}
	busy.Processes = found.In[rootfs.HostPath(tree)]
	if len(busy.Mounts)+len(busy.Processes) > 0 {
		return busy
	}
	return nil
}

// MapOf returns the map of an existing tree: that of its launches, or for a tree of
// the caller's own a map of the caller alone.
func MapOf(c *session.Caller, tree string, uids, gids []account.Range) (Map, error) {
	var st unix.Stat_t
	if err := unix.Stat(tree, &st); errors.Is(err, unix.EACCES) && c.UID != 0 {
		return Map{}, &OwnerError{Tree: tree} // in a directory of root's
	} else if err != nil {
		return Map{}, &os.PathError{Op: "use", Path: tree, Err: err}
	}
	switch {
	case c.UID == 0:
		return Map{}, nil
	case int(st.Uid) == c.UID:
		return Map{account.MapOne(0, c.UID), account.MapOne(0, c.GID)}, nil
	}
	for _, r := range uids {
		if r.First == int(st.Uid) {
			return NewMap(c, []account.Range{r}, gids)
		}
	}
	return Map{}, &OwnerError{Tree: tree, UID: int(st.Uid)}
}

// OwnerError says that a tree belongs to somebody else.
type OwnerError struct {
	Tree string
	UID  int
	// Name is the tree's, if only the caller's configuration has it, which root's
	// chrunctl does not read.
	Name string
}

func (e *OwnerError) Error() string {
	return fmt.Sprintf("%s belongs to uid %d, so only root can remove it", e.Tree, e.UID)
}

// ID identifies the directory of a tree. A path may lead to another one later,
// because somebody else may own a directory of it.
type ID struct{ device, inode uint64 }

// Identify returns the ID of the tree at a path.
func Identify(tree string) (ID, error) {
	var st unix.Stat_t
	if err := unix.Stat(tree, &st); err != nil {
		return ID{}, &os.PathError{Op: "use", Path: tree, Err: err}
	}
	return ID{st.Dev, st.Ino}, nil
}

// Remove removes the tree id, at the path tree, which nothing uses. It is first
// renamed, and looked at again: if it is another one, or somebody has come in
// meanwhile, it gets its name back. records is as for Reserve.
func Remove(m Map, records, tree string, id ID) error {
	if err := CheckUnused(tree); err != nil {
		return err
	}
	if err := os.MkdirAll(records, 0o700); err != nil {
		return err
	}
	base := path.Base(tree)
	p := &Place{Path: tree, Growing: path.Join(path.Dir(tree), "."+base+".removing"), m: m}
	parent, err := unix.Open(path.Dir(tree), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path.Dir(tree), Err: err}
	}
	defer unix.Close(parent)
	if p.lock, err = lockRecord(records, p); err != nil {
		return err
	}
	aside := path.Base(p.Growing)
	if err := unix.Renameat2(parent, base, parent, aside, unix.RENAME_NOREPLACE); err != nil {
		return errors.Join(&os.LinkError{Op: "rename", Old: tree, New: p.Growing, Err: err}, p.forget())
	}
	dir, err := openRenamed(parent, p.Growing, id)
	if err == nil {
		defer dir.Close()
		err = CheckUnused(p.Growing)
	}
	if err != nil {
		back := unix.Renameat2(parent, aside, parent, base, unix.RENAME_NOREPLACE)
		return errors.Join(err, back, p.forget())
	}
	if err = clearOpen(m, dir); err == nil {
		err = unix.Unlinkat(parent, aside, unix.AT_REMOVEDIR)
	}
	if err != nil {
		p.lock.Close()
		return err
	}
	return p.forget()
}

// openRenamed opens the directory that was renamed to p in the directory parent, if it
// is the tree id.
func openRenamed(parent int, p string, id ID) (*os.File, error) {
	fd, err := unix.Openat(parent, path.Base(p), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: p, Err: err}
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && id != (ID{st.Dev, st.Ino}) {
		err = errors.New("another directory has replaced it")
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), p), nil
}

// MarkCreated records that chrunctl has made a tree, by its device and inode: a path
// may lead to another one later.
func MarkCreated(dir, tree string) error {
	id, err := Identify(tree)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(markOf(dir, id), []byte(tree), 0o600)
}

// FindMark returns the record that chrunctl has made the tree id at the path tree, ""
// if it has not. When the tree is removed the caller removes the record too.
func FindMark(dir, tree string, id ID) string {
	name := markOf(dir, id)
	if data, err := os.ReadFile(name); err != nil || string(data) != tree {
		return ""
	}
	return name
}

func markOf(dir string, id ID) string {
	return path.Join(dir, strconv.FormatUint(id.inode, 10)) // the number of a device may change with a restart
}
