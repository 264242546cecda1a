package account

import (
	"context"
	"os"
	"os/exec"
	"path"
	"strconv"
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
	for a := range Table(getent("passwd", who, host, getentLimit)).All() {
		if a.Name == who || strconv.Itoa(a.UID) == who {
			return a, true
		}
	}
	return Account{}, false
}

// HostGroup says whether the host has a group of that number.
func HostGroup(gid int, host rootfs.HostPath) bool {
	data, err := rootfs.ReadHost(host.Join("/etc/group"), 64<<20, 0)
	if _, ok := Groups(data).ByGID(gid); ok || err != nil {
		return true
	}
	_, ok := Groups(getent("group", strconv.Itoa(gid), host, getentLimit)).ByGID(gid)
	return ok
}

// getent asks for one line of a database, nil if there is none: at fixed places,
// not along PATH, since root may be asking for a caller who set it.
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
		cmd.WaitDelay = limit / 4 // for what it left behind with our pipe
		out, err := cmd.Output()
		if err != nil {
			return nil
		}
		return out
	}
	return nil
}
