package elevate

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"chrun/session/account"
)

// runAs calls f on a thread with the effective uid and gid, and the groups, of
// another user. It needs root.
func runAs(u account.Account, groups []int, f func()) error {
	if u.UID == os.Geteuid() {
		f()
		return nil
	}
	root, rootGroup := os.Geteuid(), os.Getegid()
	own, err := unix.Getgroups()
	if err != nil {
		return os.NewSyscallError("getgroups", err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer func() {
		// Only the effective uid of root may set groups.
		for _, err := range []error{setEffective(unix.SYS_SETRESUID, root), setEffective(unix.SYS_SETRESGID, rootGroup), setThreadGroups(own)} {
			if err != nil {
				panic(&account.RightsError{Err: err}) // this thread must not continue as another user
			}
		}
	}()
	if err := setThreadGroups(groups); err != nil {
		return err
	}
	if err := setEffective(unix.SYS_SETRESGID, u.GID); err != nil {
		return err
	}
	if err := setEffective(unix.SYS_SETRESUID, u.UID); err != nil {
		return err
	}
	f()
	return nil
}

// setEffective changes the effective uid or gid of the calling thread only, as
// unix.Setresuid and unix.Setresgid do not.
func setEffective(call uintptr, id int) error {
	if _, _, errno := unix.RawSyscall(call, ^uintptr(0), uintptr(id), ^uintptr(0)); errno != 0 {
		return os.NewSyscallError("setresuid", errno)
	}
	return nil
}

// setThreadGroups changes the supplementary groups of the calling thread only.
func setThreadGroups(groups []int) error {
	list := make([]uint32, max(1, len(groups)))
	for i, g := range groups {
		list[i] = uint32(g)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&list[0])), 0); errno != 0 {
		return os.NewSyscallError("setgroups", errno)
	}
	return nil
}
