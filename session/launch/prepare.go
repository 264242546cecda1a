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

// prepare makes what outlives a launch: the private home, once, and empty
// mount points in a tree that the caller may write.
func prepare(plan *session.Plan, root *rootfs.Root) error {
	defer unix.Umask(unix.Umask(0)) // what is made here is as it must be
	id := &plan.Identity
	for _, p := range plan.Prepare {
		if p.Home != "" {
			if err := asCaller(plan, func() error { return makeHome(p.Home, p.Skel, root) }); err != nil {
				return &SetupError{Step: StepHome, What: "make the home " + string(p.Home), Err: err}
			}
		}
		if p.InHome != "" {
			if err := asCaller(plan, func() error { return makeInHome(p.InHome, p.At, p.File) }); err != nil {
				return &SetupError{Step: StepMountPoint, What: "make the mount point " + string(p.InHome.Join(p.At)), Err: err}
			}
		}
		if p.InTree != "" && !id.Helped() { // there root inside makes it
			if err := makeInTree(root, p.InTree); err != nil {
				return &SetupError{Step: StepMountPoint, What: "make the mount point " + string(p.InTree) + " in the chroot", Err: err}
			}
		}
	}
	return nil
}

// asCaller does something in the home of the desktop's user with the rights of
// that user, for whom root mounts. The calling goroutine is locked to its thread.
func asCaller(plan *session.Plan, do func() error) error {
	if plan.Identity.Mounted() && plan.CallerUID != 0 {
		unix.Setfsgid(plan.CallerGID)
		unix.Setfsuid(plan.CallerUID)
		defer func() {
			unix.Setfsuid(0)
			unix.Setfsgid(0)
		}()
	}
	return do()
}

// makeHome makes the home 0700 with the content of skel. It is filled beside
// its place and then renamed, so that a launch that is killed, or two at once,
// leave a whole home or none.
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
	// One at a time: what is half filled now, a launch that was killed has left.
	lock, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return os.NewSyscallError("flock", err)
	}
	if _, err := os.Stat(string(home)); err == nil {
		return nil // another launch was quicker
	}
	stale, _ := filepath.Glob(filepath.Join(parent, unfinished+"*"))
	for _, dir := range stale {
		os.RemoveAll(dir)
	}
	tmp, err := os.MkdirTemp(parent, unfinished)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) // it is not there once it is renamed
	left := maxSkel
	if err := copySkel(root, skel, tmp, &left); err != nil {
		return err
	}
	return os.Rename(tmp, string(home))
}

// unfinished begins the name of a home that is being filled.
const unfinished = ".new-"

// maxSkel bounds the bytes taken from a tree's /etc/skel.
var maxSkel int64 = 64 << 20

// copySkel copies regular files, directories and symlinks (as they are: they
// mean something inside). What cannot be read is left out.
func copySkel(root *rootfs.Root, from rootfs.Path, to string, left *int64) error {
	list, err := root.List(from)
	switch {
	case errors.Is(err, rootfs.ErrTooLarge):
		return err
	case err != nil: // missing, unreadable, no directory
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
		return nil // unreadable: left out
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	if st.Size() > *left {
		return nil // no file of settings: left out
	}
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, st.Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	n, err := io.Copy(out, io.LimitReader(in, *left)) // it may be growing
	*left -= n
	return err
}

// makeInHome makes an empty directory or file below home.
func makeInHome(home rootfs.HostPath, at string, file bool) error {
	dir, err := unix.Open(string(home), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return makeBelow(dir, at, file)
}

// makeInTree makes an empty directory of the tree.
func makeInTree(root *rootfs.Root, p rootfs.Path) error {
	dir, err := root.OpenDir("/")
	if err != nil {
		return err
	}
	return makeBelow(dir, string(p), false)
}

// makeBelow makes what is missing of the path at below dir, which it closes,
// never through a symlink: a program inside may have planted one.
func makeBelow(dir int, at string, file bool) error {
	defer func() { unix.Close(dir) }()
	names := strings.Split(strings.Trim(at, "/"), "/")
	for i, name := range names {
		if file && i == len(names)-1 {
			fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
			if err == nil {
				unix.Close(fd)
			} else if err == unix.EEXIST {
				err = nil
			}
			return err
		}
		if err := unix.Mkdirat(dir, name, 0o755); err != nil && err != unix.EEXIST {
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
