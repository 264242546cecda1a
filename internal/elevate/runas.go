package elevate

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// runAs calls f on a thread with the effective uid of another user. It needs
// root.
func runAs(uid int, f func()) error {
	if uid == os.Geteuid() {
		f()
		return nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	root := os.Geteuid()
	if err := setEffectiveUID(uid); err != nil {
		return err
	}
	f()
	if err := setEffectiveUID(root); err != nil {
		panic(err) // this thread must not continue as another user
	}
	return nil
}

// setEffectiveUID changes the effective uid of the calling thread only, as
// unix.Setresuid does not.
func setEffectiveUID(uid int) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
		return os.NewSyscallError("setresuid", errno)
	}
	return nil
}
