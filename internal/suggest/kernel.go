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

// namespaceHints says which switch of this host keeps user namespaces from
// working. Only the launch itself decides whether they work; the switches are
// read afterwards.
func namespaceHints(e *launch.NamespaceError) []string {
	value := func(name string) string {
		data, _ := os.ReadFile("/proc/sys/" + name)
		return strings.TrimSpace(string(data))
	}
	switch {
	case errors.Is(e.Err, unix.ENOSYS), errors.Is(e.Err, unix.E2BIG):
		return []string{kernelHint(kernelRelease())}
	case value("kernel/unprivileged_userns_clone") == "0":
		return []string{"sudo sysctl kernel.unprivileged_userns_clone=1"}
	case value("user/max_mnt_namespaces") == "0":
		return []string{"sudo sysctl user.max_mnt_namespaces=15000"}
	case value("user/max_net_namespaces") == "0":
		return []string{"sudo sysctl user.max_net_namespaces=15000"}
	case value("user/max_user_namespaces") == "0" || errors.Is(e.Err, unix.ENOSPC):
		return []string{"sudo sysctl user.max_user_namespaces=15000"}
	case value("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return []string{"AppArmor requires a profile for programs that make user namespaces: sudo make install installs it, or",
			"sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"}
	}
	return []string{"inside a container or another chroot the outer one must allow user namespaces: try unshare -U true on the host"}
}
