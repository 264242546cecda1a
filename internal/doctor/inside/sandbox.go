package inside

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
	"chrun/internal/suggest"
)

// probeSandbox makes a user namespace as browsers do for the processes that show pages
// (Chromium, sandbox/linux/services/credentials.cc): first the namespace and its maps,
// then others in it, which AppArmor may refuse although it has allowed the first.
func probeSandbox(_ context.Context, in *Input, add func(...report.Check)) {
	if nnp, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && nnp == 1 {
		add(report.Notice("sandbox", report.Reachable, "no-new-privileges", "programs cannot gain rights (no_new_privs): no sudo or su"))
	}
	err := nest(syscall.CLONE_NEWPID | syscall.CLONE_NEWNET)
	if err == nil {
		add(report.Good("sandbox", report.Answers, "browsers can make their sandboxes"))
		return
	}
	step := "namespaces in it"
	if nest(0) != nil {
		step = "user namespace"
	}
	text := fmt.Sprintf("browsers cannot make a sandbox (%s): %v", step, err)
	fault := suggest.NamespaceSwitch(err)
	if fault == "" {
		fault = "sandbox-refused"
	}
	add(report.Bad("sandbox", report.Answers, fault, text))
}

// nest makes a user namespace, others in it, and changes its root directory, in a child
// that ends there.
func nest(flags uintptr) error {
	uid, gid := unix.Getuid(), unix.Getgid()
	sys := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, Unshareflags: flags, Chroot: "/proc/self",
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}}
	// Nothing is below the program's own file, and so the last step always fails.
	_, err := syscall.ForkExec("/exe/none", []string{"none"}, &syscall.ProcAttr{Sys: sys})
	if errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
}
