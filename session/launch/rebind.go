package launch

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// Rebind replaces the mount on dest in a running launch by the open file source of
// the host: a socket that its server has made again. It takes a descriptor because
// a path that the caller has checked may lead elsewhere by now. end is one of the
// launch's Resources.EndWatches. It requires root.
func Rebind(end, source int, dest session.Path) error {
	pid, err := findProcess(end)
	if err != nil {
		return err
	}
	return onThread(func() error { return rebind(pid, source, string(dest)) })
}

// onThread runs do on a thread that ends afterwards, because do leaves it in the
// mount namespace of the launch, and would keep that alive.
func onThread(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() { // the main thread never ends; while it is locked, do runs on another
			done <- onThread(do)
			runtime.UnlockOSThread()
			return
		}
		done <- do()
	}()
	return <-done
}

func rebind(pid, source int, dest string) error {
	tree, err := unix.OpenTree(source, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return os.NewSyscallError("open_tree", err)
	}
	defer unix.Close(tree)
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, attr); err != nil {
		return os.NewSyscallError("mount_setattr", err)
	}
	ns, err := unix.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open", err)
	}
	defer unix.Close(ns)
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("setns", err)
	}
	if err := unix.Unmount(dest, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return os.NewSyscallError("umount2", err)
	}
	at, err := unix.Openat2(unix.AT_FDCWD, dest, &unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return os.NewSyscallError("openat2", err)
	}
	defer unix.Close(at)
	return os.NewSyscallError("move_mount", unix.MoveMount(tree, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
}

// findProcess returns a process of the launch: one whose root has the file system
// that end watches.
func findProcess(end int) (pid int, err error) {
	data, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(end))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(data), " sdev:")
	hex, _, _ := strings.Cut(rest, " ")
	device, err := strconv.ParseUint(hex, 16, 32) // major number in 12 bits, minor in 20
	if err != nil {
		return 0, errors.New("the launch has not begun")
	}
	list, _ := os.ReadDir("/proc")
	for _, e := range list {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		var st unix.Stat_t
		if statEnd(pid, &st) == nil && uint64(unix.Major(st.Dev))<<20|uint64(unix.Minor(st.Dev)) == device {
			return pid, nil
		}
	}
	return 0, errors.New("no process of the launch is left")
}

// statEnd describes the directory that the launch of a process watches. A symlink in
// it would be somebody else's, and could lead to the process of another launch.
func statEnd(pid int, st *unix.Stat_t) error {
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	at, err := unix.Openat2(root, endDir[1:], &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return err
	}
	defer unix.Close(at)
	return unix.Fstat(at, st)
}
