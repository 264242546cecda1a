package suggest

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/launch"
)

// kernelRelease is the release of the running kernel, as "6.1.0-56-amd64".
func kernelRelease() string {
	var u unix.Utsname
	unix.Uname(&u)
	return unix.ByteSliceToString(u.Release[:])
}

// kernelHint says why a system call is missing. Linux 5.12 added mount_setattr,
// the newest call that every launch makes.
func kernelHint(release string) string {
	var major, minor int
	fmt.Sscanf(release, "%d.%d", &major, &minor)
	if major < 5 || major == 5 && minor < 12 {
		return "chrun needs Linux 5.12 or newer; this is " + release
	}
	return "Linux " + release + " has that call, but something denies it here, such as a container's seccomp filter: grep Seccomp: /proc/self/status"
}

// NamespaceSwitch returns the switch of this kernel that has refused a user namespace
// with err (sysctl(8)), "" if none is known. Only trying decides whether user
// namespaces work; the switches are read afterwards.
func NamespaceSwitch(err error) string {
	value := func(name string) string {
		data, _ := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
		return strings.TrimSpace(string(data))
	}
	for _, name := range []string{"kernel.unprivileged_userns_clone", "user.max_mnt_namespaces", "user.max_net_namespaces", "user.max_user_namespaces"} {
		if value(name) == "0" {
			return name
		}
	}
	switch name := "kernel.apparmor_restrict_unprivileged_userns"; {
	case errors.Is(err, unix.ENOSPC):
		return "user.max_user_namespaces"
	case value(name) == "1":
		return name
	}
	return ""
}

// InChroot reports whether this process was started in a directory that somebody has
// made its root with chroot(2): the table of mounts has no root then
// (proc_pid_mountinfo(5)), except where that directory is a mount point. The kernel lets
// nobody make user namespaces there, and not even root change the mounts.
func InChroot() bool {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == "/" {
			return false
		}
	}
	return true
}

// namespaceHints says how user namespaces can be allowed on this host.
func namespaceHints(e *launch.NamespaceError) []string {
	if errors.Is(e.Err, unix.ENOSYS) || errors.Is(e.Err, unix.E2BIG) {
		return []string{kernelHint(kernelRelease())}
	}
	switch name := NamespaceSwitch(e); name {
	case "":
		return []string{"inside a container or another chroot the outer one must allow user namespaces: try unshare -U true on the host"}
	case "kernel.unprivileged_userns_clone":
		return []string{"sudo sysctl " + name + "=1"}
	case "kernel.apparmor_restrict_unprivileged_userns":
		return []string{"AppArmor requires a profile for programs that make user namespaces: sudo make install installs it, or", "sudo sysctl " + name + "=0"}
	default:
		return []string{"sudo sysctl " + name + "=15000"}
	}
}
