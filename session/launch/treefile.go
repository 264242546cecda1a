package launch

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// TreeFile is an empty file that a launch makes in a tree to mount a file on it.
type TreeFile struct {
	InTree session.Path
	Dest   session.Path // the same file inside
}

// TreeFiles returns the files that a launch makes in its tree.
func TreeFiles(plan *session.Plan) (list []TreeFile) {
	for _, p := range plan.Preparations {
		if p.IsTemporary() {
			list = append(list, TreeFile{p.InTree, p.Dest})
		}
	}
	return list
}

// lockTree keeps other launches from removing files of this launch before it has
// mounted on them. The returned function ends that. It never waits: the lock is
// not worth a hang, and anybody could hold it.
func lockTree(plan *session.Plan, root *rootfs.Root) (unlock func()) {
	if len(TreeFiles(plan)) == 0 {
		return func() {}
	}
	fd, err := root.OpenToLock()
	if err != nil {
		return func() {}
	}
	unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
	return func() {
		if fd >= 0 {
			unix.Close(fd)
		}
		fd = -1
	}
}

// removeTreeFiles removes the files that the launch has made in the tree, with the
// program's rights. It calls note with those that it could not remove.
func removeTreeFiles(plan *session.Plan, root *rootfs.Root, note func(string)) {
	files := TreeFiles(plan)
	if len(files) == 0 {
		return
	}
	asProgram(plan, func() error {
		err := RemoveTreeFiles(root, files, func(unused []session.Path) {
			if plan.Identity.NeedsNewuidmap() {
				removeMapped(plan, root, unused)
			} else {
				removeUnused(root, unused)
			}
		})
		if err != nil {
			note(fmt.Sprintf("an empty file stays in the chroot: %v", err))
		}
		return nil
	})
}

// removalAttempts is how often a removal is tried. Whatever made the first fail may
// have been temporary, and nobody else removes these files.
const removalAttempts = 3

// RemoveTreeFiles gives remove those files that are placeholders still and that no
// launch in this tree uses. removeUnused is used if remove is nil. What another
// launch uses is removed at its end.
func RemoveTreeFiles(root *rootfs.Root, files []TreeFile, remove func([]session.Path)) (err error) {
	if remove == nil {
		remove = func(unused []session.Path) { removeUnused(root, unused) }
	}
	for range removalAttempts {
		if err = tryRemoveTreeFiles(root, files, remove); err == nil {
			break
		}
	}
	return err
}

func tryRemoveTreeFiles(root *rootfs.Root, files []TreeFile, remove func([]session.Path)) error {
	lock, err := root.OpenToLock()
	if err != nil {
		return err
	}
	defer unix.Close(lock)
	if err := unix.Flock(lock, unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		return nil // a launch is starting, and finds them
	} else if err != nil {
		return os.NewSyscallError("flock", err)
	}
	tables := mountTables()
	if tables == nil {
		return errors.New("cannot read the mount tables of other programs")
	}
	mark := treeMark(root.Dir())
	for ns, table := range tables {
		if !strings.Contains(table, mark) { // nothing of the tree is mounted there
			delete(tables, ns)
		}
	}
	var unused []session.Path
	for _, f := range files {
		st, err := root.Lstat(f.InTree)
		if rootfs.IsFailure(err) {
			return err
		}
		if err == nil && st.Mode == unix.S_IFREG|session.FilePlaceholderMode && st.Size == 0 && !isMounted(f.Dest, tables) {
			unused = append(unused, f.InTree)
		}
	}
	if len(unused) == 0 {
		return nil
	}
	remove(unused)
	for _, p := range unused {
		if _, err := root.Lstat(p); err == nil {
			return fmt.Errorf("cannot remove %s", p)
		}
	}
	return nil
}

func removeUnused(root *rootfs.Root, files []session.Path) {
	for _, p := range files {
		if dir, err := root.OpenDir(session.Path(path.Dir(string(p)))); err == nil {
			unix.Unlinkat(dir, path.Base(string(p)), 0)
			unix.Close(dir)
		}
	}
}

// removeMapped removes files of a tree that belong to subordinate ids, in a user
// namespace like that of the launch.
func removeMapped(plan *session.Plan, root *rootfs.Root, files []session.Path) {
	tree, err := root.OpenDir("/")
	if err != nil {
		return
	}
	defer unix.Close(tree)
	mapper, err := newIDMapper()
	if err != nil {
		return
	}
	defer mapper.close()
	p := *plan
	p.Identity.InsideUID, p.Identity.InsideGID = 0, 0
	c := &compiled{program: &program{}, plan: &p, res: &Resources{Tree: -1}, mapped: mapper.mapped}
	c.dieWithParent()
	c.mapIDs()
	dir := c.register()
	for _, f := range files {
		parent, name := path.Split(strings.TrimPrefix(string(f), "/"))
		c.optional(func() {
			c.openInside(num(tree), path.Clean(parent), dir, func() string { return "find /" + parent })
			c.optional(func() { c.add("remove "+string(f), unix.SYS_UNLINKAT, reg(dir), c.cstring(name), num(0)) })
		})
	}
	c.add("end", unix.SYS_EXIT_GROUP, num(0))
	if pid, err := mapper.start(c.program, unix.CLONE_NEWUSER, &p.Identity); err == nil {
		unix.Wait4(pid, nil, 0, nil)
	}
}

// treeMark returns how a line of a mount table (proc(5), mountinfo) names the tree at
// dir: the device and the path in its file system. It is "" if the table does not
// tell.
func treeMark(dir session.HostPath) (mark string) {
	data, err := rootfs.ReadHost("/proc/self/mountinfo", 64<<20, 0)
	if err != nil {
		return ""
	}
	tree, best := session.HostPath(mountEscape.Replace(string(dir))), ""
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) > 4 && len(f[4]) >= len(best) && tree.IsBelow(session.HostPath(f[4])) { // later ones cover earlier ones
			best, mark = f[4], " "+f[2]+" "+path.Join(f[3], strings.TrimPrefix(string(tree), f[4]))
		}
	}
	return mark
}
