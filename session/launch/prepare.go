package launch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// prepare makes what has to exist before the launch: the private home, once, and
// empty mount points in homes and in a tree that the program may write.
func prepare(plan *session.Plan, root *rootfs.Root) error {
	defer unix.Umask(unix.Umask(0)) // modes are given exactly
	id := &plan.Identity
	for _, p := range plan.Preparations {
		if p.Home != "" {
			if err := asCaller(plan, func() error { return makeHome(p.Home, p.Skel, root) }); err != nil {
				return &SetupError{Step: StepHome, What: "make the home " + string(p.Home), Err: err}
			}
		}
		if p.InHome != "" {
			if err := asCaller(plan, func() error { return makeInHome(&p) }); err != nil && !p.Placeholder && p.Link == "" {
				return &SetupError{Step: StepMountPoint, What: "make the mount point " + string(p.InHome.Join(p.At)), Err: err}
			}
		}
		if p.InTree != "" && !id.NeedsNewuidmap() { // otherwise see compiled.makeInTree
			err := asProgram(plan, func() error { return makeInTree(root, &p) })
			if err != nil && !p.Placeholder && !p.IsTemporary() { // without a file, only what is mounted on it is missing
				return &SetupError{Step: StepMountPoint, What: "make the mount point " + string(p.InTree) + " in the chroot", Err: err}
			}
		}
	}
	return nil
}

// asCaller runs do. Where root mounts, do has the file system rights of the
// desktop user. The calling goroutine must be locked to its thread.
func asCaller(plan *session.Plan, do func() error) error {
	if !plan.Identity.RootMounts() || plan.CallerUID == 0 {
		return do()
	}
	err := setFSIDs(plan.CallerUID, plan.CallerGID)
	if err == nil {
		err = do()
	}
	return errors.Join(err, setFSIDs(0, 0))
}

// setFSIDs sets the ids with which this thread opens files. These calls do not
// report errors, but return the former id, so it asks again.
func setFSIDs(uid, gid int) error {
	unix.Setfsgid(gid)
	unix.Setfsuid(uid)
	const none = -1
	if now, err := unix.SetfsgidRetGid(none); err != nil || now != gid {
		return os.NewSyscallError("setfsgid", unix.EPERM)
	}
	if now, err := unix.SetfsuidRetUid(none); err != nil || now != uid {
		return os.NewSyscallError("setfsuid", unix.EPERM)
	}
	return nil
}

// asProgram runs do with the rights of the program. Root itself has those of every
// program with another uid.
func asProgram(plan *session.Plan, do func() error) error {
	if plan.Identity.UID == plan.CallerUID {
		return asCaller(plan, do)
	}
	return do()
}

// makeHome makes a home with mode 0700 and the content of skel. It fills a
// temporary directory and renames it, so that the home is either complete or
// missing, even if launches are killed or run concurrently.
func makeHome(home rootfs.HostPath, skel rootfs.Path, root *rootfs.Root) error {
	if st, err := os.Stat(string(home)); err == nil {
		if !st.IsDir() {
			return fmt.Errorf("%w", unix.ENOTDIR)
		}
		return nil
	}
	parent := path.Dir(string(home))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	// While we hold the lock, any unfinished home is from a launch that was killed.
	lock, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return os.NewSyscallError("flock", err)
	}
	if _, err := os.Stat(string(home)); err == nil {
		return nil // another launch has made it
	}
	stale, _ := filepath.Glob(filepath.Join(parent, unfinishedPrefix+"*"))
	for _, dir := range stale {
		os.RemoveAll(dir)
	}
	tmp, err := os.MkdirTemp(parent, unfinishedPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) // does nothing after the rename
	left := maxSkel
	if err := copySkel(root, skel, tmp, &left); err != nil {
		return err
	}
	return os.Rename(tmp, string(home))
}

// unfinishedPrefix begins the names of homes that are being filled.
const unfinishedPrefix = ".new-"

// maxSkel is how many bytes may be copied from a tree's /etc/skel.
var maxSkel int64 = 64 << 20

// copySkel copies regular files, directories and symlinks. It copies symlinks
// unchanged, because their targets are paths inside, and skips what it cannot
// read. left counts the bytes that may still be copied.
func copySkel(root *rootfs.Root, from rootfs.Path, to string, left *int64) error {
	list, err := root.List(from)
	switch {
	case errors.Is(err, rootfs.ErrTooLarge):
		return err
	case err != nil: // missing, unreadable, not a directory
		return nil
	}
	for _, e := range list {
		src, dst := from.Join(e.Name()), filepath.Join(to, e.Name())
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			if target, err := root.Readlink(src); err == nil {
				err = os.Symlink(target, dst)
				if err != nil {
					return err
				}
			}
		case e.IsDir():
			if strings.Count(string(src), "/") > 32 {
				continue
			}
			if err := os.Mkdir(dst, 0o700); err != nil {
				return err
			}
			if err := copySkel(root, src, dst, left); err != nil {
				return err
			}
		case e.Type().IsRegular():
			if err := copyFile(root, src, dst, left); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyFile(root *rootfs.Root, src rootfs.Path, dst string, left *int64) error {
	in, err := root.Open(src)
	if err != nil {
		return nil // unreadable: skipped
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	if st.Size() > *left {
		return nil // too large for a settings file: skipped
	}
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, st.Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	n, err := io.Copy(out, io.LimitReader(in, *left)) // the file may be growing
	*left -= n
	return err
}

// directoryMode is the mode of a mount point that is made. Nothing is saved into
// a placeholder by mistake when its directory is no longer shared.
func directoryMode(placeholder bool) uint32 {
	if placeholder {
		return 0o555
	}
	return 0o755
}

// makeInHome makes an empty directory or file, or a symlink, below a home.
func makeInHome(p *session.Preparation) error {
	dir, err := unix.Open(string(p.InHome), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if p.Link != "" {
		defer unix.Close(dir)
		return makeLink(dir, p.At, p.Link)
	}
	return makeBelow(dir, p.At, directoryMode(p.Placeholder), fileMode(p.File, 0o600))
}

// fileMode returns mode for a file, and 0 for a directory.
func fileMode(isFile bool, mode uint32) uint32 {
	if isFile {
		return mode
	}
	return 0
}

// makeLink makes a symlink in the directory dir. Only an empty regular file gives
// way to it.
func makeLink(dir int, name, target string) error {
	err := unix.Symlinkat(target, dir, name)
	if err != unix.EEXIST {
		return err
	}
	aside := ".chrun-" + name
	if err := unix.Renameat2(dir, name, dir, aside, unix.RENAME_NOREPLACE); err != nil {
		return err
	}
	var st unix.Stat_t
	err = unix.Fstatat(dir, aside, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0 {
		if err = unix.Symlinkat(target, dir, name); err == nil {
			return unix.Unlinkat(dir, aside, 0)
		}
	}
	return errors.Join(err, unix.Renameat2(dir, aside, dir, name, unix.RENAME_NOREPLACE))
}

// makeInTree makes an empty directory or file in the tree.
func makeInTree(root *rootfs.Root, p *session.Preparation) error {
	dir, err := root.OpenDir("/")
	if err != nil {
		return err
	}
	return makeBelow(dir, string(p.InTree), directoryMode(p.Placeholder), fileMode(p.File, session.FilePlaceholderMode))
}

// makeBelow makes the missing components of the path at below dir and closes dir.
// They are directories, but the last is a file unless fileMode is 0. It never
// follows a symlink, which a program inside may have planted.
func makeBelow(dir int, at string, dirMode, fileMode uint32) error {
	defer func() { unix.Close(dir) }()
	names := strings.Split(strings.Trim(at, "/"), "/")
	for i, name := range names {
		if fileMode != 0 && i == len(names)-1 {
			fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, fileMode)
			if err == nil {
				unix.Close(fd)
			} else if err == unix.EEXIST {
				err = nil
			}
			return err
		}
		if err := unix.Mkdirat(dir, name, dirMode); err != nil && err != unix.EEXIST {
			return err
		}
		next, err := unix.Openat(dir, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		unix.Close(dir)
		dir = next
	}
	return nil
}
