package account

import (
	"context"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"time"

	"chrun/session/rootfs"
)

// getentLimit is how long a directory server may take to name somebody.
const getentLimit = 2 * time.Second

// Host finds the host's record of uid: in the host's /etc/passwd, else through
// its getent(1) (LDAP, systemd-homed), which costs a process. Else the account
// is made of the numbers, with HOME and SHELL of the environment.
func Host(uid, gid int, host rootfs.HostPath, getenv func(string) string) Account {
	if passwd, err := rootfs.ReadHost(host.Join("/etc/passwd"), 64<<20, 0); err == nil {
		if a, ok := Table(passwd).ByUID(uid); ok {
			return a
		}
	}
	if a, ok := getent(strconv.Itoa(uid), host, getentLimit); ok {
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

// HostUser finds the host's record of somebody, by name or number.
func HostUser(who string, host rootfs.HostPath) (Account, bool) {
	uid, err := number(who)
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
	return getent(who, host, getentLimit)
}

// getent asks at fixed places, not along PATH: root may be asking for a caller
// who set it.
func getent(who string, host rootfs.HostPath, limit time.Duration) (Account, bool) {
	for _, dir := range []string{"/usr/bin", "/bin", "/run/current-system/sw/bin"} {
		tool := string(host.Join(dir, "getent"))
		if _, err := os.Stat(tool); err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		var out strings.Builder
		cmd := exec.CommandContext(ctx, tool, "passwd", who)
		cmd.Env = []string{"PATH=/usr/bin:/bin"}
		cmd.Dir = "/"
		cmd.Stdout = &out
		cmd.WaitDelay = limit / 4 // for what it left behind with our pipe
		if cmd.Run() != nil {
			return Account{}, false
		}
		for a := range Table(out.String()).All() {
			if a.Name == who || strconv.Itoa(a.UID) == who {
				return a, true
			}
		}
		return Account{}, false
	}
	return Account{}, false
}
