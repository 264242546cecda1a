package elevate

import (
	"runtime"

	"golang.org/x/sys/unix"

	"chrun/session/account"
)

// SearchAsRoot lets this thread search all directories until lower is called,
// after TakeRights too (CAP_DAC_READ_SEARCH, capabilities(7)). Root inside may
// read its tree, even if the directory of that is closed to the desktop user.
func SearchAsRoot() (lower func()) {
	runtime.LockOSThread()
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var old [2]unix.CapUserData
	if unix.Capget(&head, &old[0]) != nil {
		return runtime.UnlockOSThread
	}
	raised := old
	raised[0].Effective |= 1 << unix.CAP_DAC_READ_SEARCH
	unix.Capset(&head, &raised[0])
	return func() {
		if err := unix.Capset(&head, &old[0]); err != nil {
			panic(&account.RightsError{Err: err}) // this thread must not continue with more rights
		}
		runtime.UnlockOSThread()
	}
}
