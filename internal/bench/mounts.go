package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// launchMounts is the number of mounts that a desktop has at least. A launch takes
// longer with more.
const launchMounts = 30

// addMounts runs in its own mount namespace. $1 is a directory to mount on, $2 the
// number of mounts to add, the rest a command.
const addMounts = `set -e
at=$1 count=$2; shift 2
[ $count = 0 ] || mount -t tmpfs tmpfs "$at"
[ $count = 0 ] || mkdir "$at/from"
while [ $count -gt 1 ]; do # the tmpfs counts too
	count=$((count - 1))
	mkdir "$at/$count"
	mount --no-mtab --bind "$at/from" "$at/$count"
done
exec "$@"
`

// countMounts returns the number of mounts in this process's namespace.
func countMounts() int {
	data, _ := os.ReadFile("/proc/self/mountinfo")
	return bytes.Count(data, []byte("\n"))
}

// mountPoint returns a directory for additional mounts that no launch shares, like
// those of containers and snaps. Directories such as /mnt are shared.
func mountPoint(chroot string) (string, error) {
	for _, dir := range []string{"/var/opt", "/opt", "/var/tmp"} {
		if st, err := os.Stat(dir); err == nil && st.IsDir() && !strings.HasPrefix(chroot+"/", dir+"/") {
			return dir, nil
		}
	}
	return "", errors.New("no directory to mount on")
}

// addLaunchMounts starts this program again in its own mount namespace with
// launchMounts if the host has fewer and root runs it. It returns if not.
func addLaunchMounts(chroot string) error {
	missing := launchMounts - countMounts()
	at, err := mountPoint(chroot)
	if err != nil || missing <= 0 || os.Getuid() != 0 {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	words := []string{"unshare", "-m", "sh", "-c", addMounts, "sh", at, strconv.Itoa(missing)}
	if exec.Command(words[0], append(words[1:], "true")...).Run() != nil {
		return nil // root without the right to mount
	}
	program, err := exec.LookPath(words[0])
	if err != nil {
		return err
	}
	words = append(words, self, "-added", strconv.Itoa(missing))
	flag.Visit(func(f *flag.Flag) { words = append(words, "-"+f.Name+"="+f.Value.String()) })
	return os.NewSyscallError("execve", syscall.Exec(program, words, os.Environ()))
}

// inNamespace returns a start function for hyperfine. root runs the script with the
// arguments in its own mount namespace. The script ends with the command, which runs
// as the session's user.
func (b *bench) inNamespace(script string, args ...string) func(words ...string) *exec.Cmd {
	u := b.session.User
	enter := []string{"unshare", "-m", "sh", "-c", script, "sh"}
	leave := []string{"setpriv", fmt.Sprintf("--reuid=%d", u.UID), fmt.Sprintf("--regid=%d", u.GID), "--init-groups"}
	if os.Getuid() != 0 {
		enter = append([]string{"unshare", "-r"}, enter[1:]...)
		leave = []string{"unshare", fmt.Sprintf("--map-user=%d", u.UID), fmt.Sprintf("--map-group=%d", u.GID)}
	}
	return func(words ...string) *exec.Cmd {
		all := append(append(append([]string{}, enter...), args...), leave...)
		return b.asRoot(append(all, words...)...)
	}
}
