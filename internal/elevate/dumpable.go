package elevate

import (
	"fmt"
	"strings"

	"chrun/internal/cli"
	"chrun/session/account"
	"chrun/session/rootfs"
)

// dumpableFile is 1 if processes that have changed their uid may be traced
// (proc_sys_fs(5), suid_dumpable).
const dumpableFile = rootfs.HostPath("/proc/sys/fs/suid_dumpable")

// refuseTracing returns an error if u could trace the children of root that get the
// rights of u. Until such a child executes a file it shares root's memory (clone(2),
// CLONE_VM, as in vfork(2)), and u could write to that.
func refuseTracing(u account.Account, file rootfs.HostPath) error {
	if value, err := rootfs.ReadHost(file, 32, 0); err != nil || strings.TrimSpace(string(value)) != "1" {
		return nil
	}
	return cli.WithHint(fmt.Errorf("cannot start a process of %s's as root: fs.suid_dumpable is 1, so that %[1]s could write to root's memory", u.Name),
		"sudo sysctl fs.suid_dumpable=0")
}
