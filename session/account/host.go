package account

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// getentLimit is how long getent(1) may wait for a directory server.
const getentLimit = 2 * time.Second

// LookUpHostUID finds the host's account of uid in the host's /etc/passwd, else
// with getent(1) (LDAP, systemd-homed), which costs a process. If neither has
// it, the account consists of the numbers, and HOME and SHELL of the environment.
func LookUpHostUID(uid, gid int, host rootfs.HostPath, getenv func(string) string) Account {
	if passwd, err := rootfs.ReadHost(host.Join("/etc/passwd"), 64<<20, 0); err == nil {
		if a, ok := Table(passwd).ByUID(uid); ok {
			return a
		}
	}
	if a, ok := Table(getent("passwd", strconv.Itoa(uid), host, getentLimit)).ByUID(uid); ok {
		return a
	}
	a := Account{Name: strconv.Itoa(uid), UID: uid, GID: gid, Home: "/", Shell: "/bin/sh"}
	if home := getenv("HOME"); path.IsAbs(home) {
		a.Home = path.Clean(home)
	}
	if shell := getenv("SHELL"); path.IsAbs(shell) {
		a.Shell = shell
	}
	return a
}

// LookUpHostUser finds an account of the host by name or number.
func LookUpHostUser(who string, host rootfs.HostPath) (Account, bool) {
	uid, err := parseID(who)
	if passwd, err2 := rootfs.ReadHost(host.Join("/etc/passwd"), 64<<20, 0); err2 == nil {
		if a, ok := Table(passwd).ByName(who); ok {
			return a, true
		}
		if a, ok := Table(passwd).ByUID(uid); ok && err == nil {
			return a, true
		}
	}
	if !validName(who) {
		return Account{}, false
	}
	for a := range Table(getent("passwd", who, host, getentLimit)).All() {
		if a.Name == who || strconv.Itoa(a.UID) == who {
			return a, true
		}
	}
	return Account{}, false
}

// HostHasGroup reports whether the host has a group with the number gid. It
// also returns true if /etc/group cannot be read.
func HostHasGroup(gid int, host rootfs.HostPath) bool {
	data, err := rootfs.ReadHost(host.Join("/etc/group"), 64<<20, 0)
	if _, ok := Groups(data).ByGID(gid); ok || err != nil {
		return true
	}
	_, ok := Groups(getent("group", strconv.Itoa(gid), host, getentLimit)).ByGID(gid)
	return ok
}

// getent runs getent(1) for one line of a database, and returns nil if there is
// none. It does not search PATH, which the caller may have set for root. If root has
// taken a user's rights, it asks as root: the user could answer instead of a process
// of the user's (ptrace(2)).
func getent(database, who string, host rootfs.HostPath, limit time.Duration) []byte {
	for _, dir := range []string{"/usr/bin", "/bin", "/run/current-system/sw/bin"} {
		tool := string(host.Join(dir, "getent"))
		if _, err := os.Stat(tool); err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		cmd := exec.CommandContext(ctx, tool, database, who)
		cmd.Env = []string{"PATH=/usr/bin:/bin"}
		cmd.Dir = "/"
		cmd.WaitDelay = limit / 4 // for children that keep the pipe open
		cmd.Cancel = func() error { defer becomeSavedRoot()(); return cmd.Process.Kill() }
		var out bytes.Buffer
		cmd.Stdout = &out
		back := becomeSavedRoot()
		err := cmd.Start()
		back()
		if err != nil || cmd.Wait() != nil {
			return nil
		}
		return out.Bytes()
	}
	return nil
}

// becomeSavedRoot makes this thread root until back is called, if the process has
// taken a user's rights for a while.
func becomeSavedRoot() (back func()) {
	uid, euid, suid := unix.Getresuid()
	if suid != 0 || euid == 0 {
		return func() {}
	}
	const keep = -1
	runtime.LockOSThread()
	if setThreadUIDs(0, 0, keep) != 0 {
		return runtime.UnlockOSThread
	}
	return func() {
		if errno := setThreadUIDs(uid, euid, keep); errno != 0 {
			panic(&RightsError{errno}) // this thread must not continue as root
		}
		runtime.UnlockOSThread()
	}
}

// A RightsError is what panics if a thread could not give up rights that it has taken
// for a while. The process must end at once.
type RightsError struct{ Err error }

func (e *RightsError) Error() string {
	return fmt.Sprintf("cannot give up the rights of root: %v", e.Err)
}

// setThreadUIDs is setresuid(2) for this thread only, as unix.Setresuid is not.
func setThreadUIDs(uid, euid, suid int) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(euid), uintptr(suid))
	return errno
}
