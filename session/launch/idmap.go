package launch

import (
	"errors"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"chrun/session/account"
	"chrun/session/rootfs"
)

// CloneIdmapped returns a detached copy of the open tree in which the owners of
// files are mapped (mount_setattr(2), MOUNT_ATTR_IDMAP, Linux 5.12; the file
// system must support it). Mounts below the tree are included but not mapped. It
// requires root. The caller closes the result.
func CloneIdmapped(tree *rootfs.Root, uids, gids account.IDMap) (fd int, err error) {
	ns, err := userNamespace(uids, gids)
	if err != nil {
		return -1, err
	}
	defer unix.Close(ns)
	if fd, err = unix.OpenTree(tree.Descriptor(), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH); err != nil {
		return -1, os.NewSyscallError("open_tree", err)
	}
	// The user gets the descriptor on the host, where setuid files in it would
	// have an effect.
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV, Userns_fd: uint64(ns)}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, attr); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("mount_setattr", err)
	}
	return fd, nil
}

// userNamespace makes a user namespace with these maps, by a child that only
// waits.
func userNamespace(uids, gids account.IDMap) (fd int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var wait [2]int
	if err := unix.Pipe2(wait[:], unix.O_CLOEXEC); err != nil {
		return -1, os.NewSyscallError("pipe2", err)
	}
	p := &program{}
	one := make([]byte, 1)
	p.add("close", unix.SYS_CLOSE, num(wait[1]))
	p.add("wait", unix.SYS_READ, num(wait[0]), p.bytes(one), num(1))
	pid, err := p.start(unix.CLONE_NEWUSER)
	defer func() {
		unix.Close(wait[0])
		unix.Close(wait[1]) // so that the child ends
		if pid > 0 {
			unix.Wait4(pid, nil, 0, nil)
		}
		runtime.KeepAlive(p)
	}()
	if err != nil {
		return -1, os.NewSyscallError("clone3", err)
	}
	dir := "/proc/" + strconv.Itoa(pid)
	if err := errors.Join(os.WriteFile(dir+"/uid_map", []byte(uids.String()), 0), os.WriteFile(dir+"/gid_map", []byte(gids.String()), 0)); err != nil {
		return -1, err
	}
	if fd, err = unix.Open(dir+"/ns/user", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return -1, os.NewSyscallError("open", err)
	}
	return fd, nil
}

// Probe finds out whether the caller can make a user namespace in which a launch
// is possible. It makes one with id maps, a mount namespace and a file system.
// Errors are *NamespaceError.
func Probe() error {
	return probe(func(c *compiled) { c.mountTmpfs(0, "", c.register()) })
}

// ProbeOverlay finds out the same about a read-only overlay of two directories, whose
// paths must not contain any of ":,\\".
func ProbeOverlay(upper, lower string) error {
	return probe(func(c *compiled) {
		fs := c.register()
		c.add("make an overlay", unix.SYS_FSOPEN, c.cstring("overlay"), num(unix.FSOPEN_CLOEXEC)).into(fs)
		c.configure(fs, unix.FSCONFIG_SET_STRING, "lowerdir", upper+":"+lower)
		c.configure(fs, unix.FSCONFIG_CMD_CREATE, "", "")
		c.add("mount the overlay", unix.SYS_FSMOUNT, reg(fs), num(unix.FSMOUNT_CLOEXEC), num(unix.MOUNT_ATTR_RDONLY)).into(c.register())
	})
}

// probe makes a user namespace and a mount namespace in which a child does something.
func probe(do func(*compiled)) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := &compiled{program: &program{}}
	c.writeMaps(account.MapOne(os.Getuid(), os.Getuid()), account.MapOne(os.Getgid(), os.Getgid()))
	do(c)
	c.add("exit", unix.SYS_EXIT_GROUP, num(0))
	pid, err := c.startAndWait(unix.CLONE_NEWUSER | unix.CLONE_NEWNS)
	if err != nil {
		return &NamespaceError{Op: "clone", Err: err}
	}
	unix.Wait4(pid, nil, 0, nil)
	if i := c.failed(); i >= 0 {
		return &NamespaceError{Op: c.ops[i].what(), Err: c.errno(i)}
	}
	return nil
}
