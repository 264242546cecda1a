package trees

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// Place is where a new tree grows: beside its final path, and locked while its
// maker lives. A record in the directory records leads to what a killed maker has
// left (see Sweep).
type Place struct {
	Path    string // the final path
	Growing string // the directory in which the tree is made
	Temp    string // a directory for temporary files of other programs

	m    Map
	lock *os.File // the record
}

// Reserve makes the directory for a new tree at p, an absolute path whose parent
// exists. records is a directory of chrun's. The caller calls Publish or Discard.
func Reserve(m Map, records, p string) (*Place, error) {
	if err := CheckPlace(m, p); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(records, 0o700); err != nil {
		return nil, err
	}
	base := path.Join(path.Dir(p), "."+path.Base(p)+".creating")
	pl := &Place{Path: p, Growing: base, Temp: tempPrefix + rand.Text(), m: m}
	var err error
	if pl.lock, err = lockRecord(records, pl); err != nil {
		return nil, err
	}
	err = os.Mkdir(pl.Growing, 0o700)
	if errors.Is(err, os.ErrExist) { // of a maker that was killed
		if err = remove(m, pl.Growing); err == nil {
			err = os.Mkdir(pl.Growing, 0o700)
		}
	}
	if err == nil {
		err = probe(m, pl.Growing)
	}
	// Another program's root inside, to whom the caller is a stranger, enters it.
	if err == nil {
		err = os.Mkdir(pl.Temp, 0o711)
	}
	if err == nil {
		err = os.Chmod(pl.Temp, 0o711)
	}
	if err != nil {
		return nil, errors.Join(err, pl.Discard())
	}
	return pl, nil
}

// tempPrefix begins the names of directories for temporary files. A home is no place
// for them: mmdebstrap's root inside could not enter it.
const tempPrefix = "/var/tmp/chrunctl-"

// lockRecord makes and locks the record of a place.
func lockRecord(records string, p *Place) (*os.File, error) {
	name := path.Join(records, fmt.Sprintf("%x", sha256.Sum256([]byte(p.Growing)))) // a path can be longer than a name
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if err == unix.EWOULDBLOCK {
			return nil, errors.New("another chrunctl is making it right now")
		}
		return nil, err
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(p.Growing+"\x00"+p.Temp), 0)
		if err == nil {
			return f, nil
		}
	}
	f.Close()
	return nil, &os.PathError{Op: "write", Path: name, Err: err}
}

// probe returns an error if the directory cannot be given to root inside.
func probe(m Map, dir string) error {
	if m.UIDs == nil {
		return nil
	}
	tree, err := openTree(dir)
	if err != nil {
		return err
	}
	defer tree.Close()
	p, err := start(m, tree, nil, struct{}{}, "own")
	if err != nil {
		return err
	}
	var nothing any
	return p.wait(&nothing)
}

// CheckPlace refuses a place where a tree could not be used, or would harm its
// owner.
func CheckPlace(m Map, p string) error {
	if err := checkFree(p); err != nil {
		return err
	}
	parent := path.Dir(p)
	var st unix.Stat_t
	if err := unix.Stat(parent, &st); err == unix.ENOENT {
		return &noParentError{parent}
	} else if err != nil {
		return &os.PathError{Op: "use", Path: parent, Err: err}
	}
	if err := unix.Access(parent, unix.W_OK|unix.X_OK); err != nil {
		return &os.PathError{Op: "write to", Path: parent, Err: err}
	}
	var fs unix.Statfs_t
	if unix.Statfs(parent, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0 {
		return fmt.Errorf("programs cannot be run from %s: its file system is mounted with noexec", parent)
	}
	if m.UIDs == nil {
		return nil
	}
	if st.Mode&unix.S_ISVTX != 0 {
		return fmt.Errorf("%s is shared with other users (it is sticky), where a tree of subordinate IDs cannot be renamed", parent)
	}
	if !isPrivate(parent) {
		return &PublicError{Dir: parent}
	}
	return nil
}

// checkFree returns an error if a tree cannot get the path p: there is something else
// than an empty directory.
func checkFree(p string) error {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, p, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE, &st)
	entries, _ := os.ReadDir(p)
	switch {
	case err != nil:
		return nil // CheckPlace looks at the parent
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%s exists already", p)
	case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return &takenError{p, "is a mount point, which a tree cannot replace"}
	case len(entries) > 0:
		return &takenError{p, "exists already and is not empty"}
	}
	return nil
}

// takenError says that a directory cannot become a tree.
type takenError struct{ dir, why string }

func (e *takenError) Error() string { return e.dir + " " + e.why }
func (e *takenError) Hint() string {
	return "name a directory that does not exist, such as " + session.Quote(path.Join(e.dir, "chroot"))
}

// noParentError says that the directory for a tree is missing.
type noParentError struct{ dir string }

func (e *noParentError) Error() string { return e.dir + ": no such file or directory" }
func (e *noParentError) Hint() string  { return "mkdir -p -m 700 " + session.Quote(e.dir) }

// PublicError says that other users can enter the directory of a tree.
type PublicError struct{ Dir string }

func (e *PublicError) Error() string {
	return fmt.Sprintf("other users can enter %s, and could run setuid programs of the tree, which would give them its files", e.Dir)
}

// Hint names the command that prevents it.
func (e *PublicError) Hint() string {
	var st unix.Stat_t
	if unix.Stat(e.Dir, &st) != nil || int(st.Uid) != os.Getuid() {
		return "leave out DIR"
	}
	return "leave out DIR, or only if nothing else in it is for others: chmod go-x " + session.Quote(e.Dir)
}

// isPrivate reports whether only the caller can enter dir, because of the mode of it
// or of a directory above it.
func isPrivate(dir string) bool {
	for ; ; dir = path.Dir(dir) {
		var st unix.Stat_t
		if unix.Stat(dir, &st) == nil && int(st.Uid) == os.Getuid() && st.Mode&0o001 == 0 && (st.Mode&0o010 == 0 || isOwnGroup(dir, int(st.Gid))) {
			return true
		}
		if dir == "/" {
			return false
		}
	}
}

// isOwnGroup reports whether only the caller is in the group of a directory, as in
// those that useradd makes for each user, and no ACL lets others in.
func isOwnGroup(dir string, gid int) bool {
	if n, _ := unix.Getxattr(dir, "system.posix_acl_access", nil); n > 0 || gid != os.Getgid() {
		return false
	}
	group, err := user.LookupGroupId(strconv.Itoa(gid))
	if err != nil {
		return false
	}
	self, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil || group.Name != self.Username {
		return false
	}
	data, err := os.ReadFile("/etc/group")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) == 4 && f[2] == group.Gid && f[3] != "" && f[3] != self.Username {
			return false
		}
	}
	return true
}

// Publish gives the tree its name.
func (p *Place) Publish() error {
	if err := remove(p.m, p.Temp); err != nil {
		return err
	}
	unix.Rmdir(p.Path) // if it is an empty directory
	if err := unix.Renameat2(unix.AT_FDCWD, p.Growing, unix.AT_FDCWD, p.Path, unix.RENAME_NOREPLACE); err != nil {
		return &os.LinkError{Op: "rename", Old: p.Growing, New: p.Path, Err: err}
	}
	return p.forget()
}

// patience is how long Discard waits for processes that end and still write.
const patience = 2 * time.Second

// Discard removes everything again.
func (p *Place) Discard() (err error) {
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err = errors.Join(remove(p.m, p.Growing), remove(p.m, p.Temp))
		if err == nil || time.Since(begin) > patience {
			break
		}
	}
	if err != nil {
		p.lock.Close()
		return err
	}
	return p.forget()
}

// forget removes the record.
func (p *Place) forget() error {
	return errors.Join(os.Remove(p.lock.Name()), p.lock.Close())
}

// remove removes a directory with all that it holds. It may be missing.
func remove(m Map, dir string) error {
	err := os.Remove(dir)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := Clear(m, dir); err != nil {
		return err
	}
	return os.Remove(dir)
}

// FindLeft returns the paths of what killed makers and removers have left, which Sweep
// removes.
func FindLeft(records string) (left []string) {
	entries, _ := os.ReadDir(records)
	for _, e := range entries {
		f, dir, _, _ := openRecord(path.Join(records, e.Name()))
		if f == nil {
			continue
		}
		if _, err := os.Lstat(dir); err == nil && isGrowing(dir) {
			left = append(left, dir)
		}
		f.Close()
	}
	return left
}

// openRecord opens the record of a place whose maker has ended; nil if it lives.
func openRecord(name string) (f *os.File, dir, temp string, err error) {
	if f, err = os.OpenFile(name, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0); err != nil {
		return nil, "", "", err
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		f.Close()
		return nil, "", "", nil
	}
	data := make([]byte, 2*unix.PathMax)
	n, _ := f.ReadAt(data, 0)
	dir, temp, _ = strings.Cut(string(data[:n]), "\x00")
	return f, dir, temp, nil
}

// Sweep removes what killed makers and removers have left, and returns the paths.
func Sweep(m Map, records string) (removed []string, err error) {
	entries, err := os.ReadDir(records)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, e := range entries {
		growing, err := sweepRecord(m, path.Join(records, e.Name()))
		if growing != "" {
			removed = append(removed, growing)
		}
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

// sweepRecord returns "" if there was nothing to remove, or its maker lives.
func sweepRecord(m Map, name string) (growing string, err error) {
	f, dir, temp, err := openRecord(name)
	if f == nil {
		return "", err
	}
	defer f.Close()
	if !isGrowing(dir) {
		return "", os.Remove(name)
	}
	_, missing := os.Lstat(dir)
	if err = remove(m, dir); err == nil && isTemp(temp) {
		err = remove(m, temp)
	}
	if err != nil {
		return "", fmt.Errorf("cannot remove %s: %w", session.Printable(dir), err)
	}
	if missing == nil {
		growing = dir
	}
	return growing, os.Remove(name)
}

// isGrowing reports whether a path is of the form that Reserve and Remove make.
func isGrowing(dir string) bool {
	base := path.Base(dir)
	return path.IsAbs(dir) && path.Clean(dir) == dir && strings.HasPrefix(base, ".") && len(base) > len("..creating") &&
		(strings.HasSuffix(base, ".creating") || strings.HasSuffix(base, ".removing"))
}

// isTemp reports whether a path is of the form that Reserve makes.
func isTemp(dir string) bool {
	return path.Clean(dir) == dir && strings.HasPrefix(dir, tempPrefix) && path.Dir(dir) == path.Dir(tempPrefix)
}
