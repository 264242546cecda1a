package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"chrun/session"
)

// growthCommands returns the commands whose growth is compared, chrun's first.
func (b *bench) growthCommands() (names []string, commands [][]string) {
	names, commands = []string{"chrun"}, [][]string{b.launch("/bin/true")}
	if b.bwrap != nil {
		names, commands = append(names, "bwrap"), append(commands, b.bwrap.run("/bin/true"))
	}
	if b.try(b.unshare("/bin/true")...) == nil {
		names, commands = append(names, "unshare"), append(commands, b.unshare("/bin/true"))
	}
	return names, commands
}

// addMounts runs in its own mount namespace. $1 is a directory to mount on, $2 the
// number of mounts to add, the rest a command.
const addMounts = `set -e
at=$1 count=$2; shift 2
mount -t tmpfs tmpfs "$at"
mkdir "$at/from"
while [ $count -gt 1 ]; do # the tmpfs counts too
	count=$((count - 1))
	mkdir "$at/$count"
	mount --no-mtab --bind "$at/from" "$at/$count"
done
exec "$@"
`

// mounts measures how the time of a launch grows with the host's mounts. They are
// made in the measurement's own mount namespace, in a directory that no launch
// shares, like those of containers and snaps.
func (b *bench) mounts(t *table) error {
	at := ""
	for _, dir := range []string{"/mnt", "/media", "/srv", "/opt"} {
		if st, err := os.Stat(dir); err == nil && st.IsDir() && at == "" && !strings.HasPrefix(b.chroot+"/", dir+"/") {
			at = dir
		}
	}
	if at == "" {
		return errors.New("no directory to mount on")
	}
	u := b.session.User
	enter := []string{"unshare", "-m", "sh", "-c", addMounts, "sh", at}
	leave := []string{"setpriv", fmt.Sprintf("--reuid=%d", u.UID), fmt.Sprintf("--regid=%d", u.GID), "--init-groups"}
	if os.Getuid() != 0 {
		enter = append([]string{"unshare", "-r"}, enter[1:]...)
		leave = []string{"unshare", fmt.Sprintf("--map-user=%d", u.UID), fmt.Sprintf("--map-group=%d", u.GID)}
	}
	names, commands := b.growthCommands()
	for _, count := range []int{0, 10, 100, 1000} {
		start := b.asUser
		if count > 0 {
			start = func(words ...string) *exec.Cmd {
				prefix := append(append([]string{}, enter...), strconv.Itoa(count))
				return b.asRoot(append(append(prefix, leave...), words...)...)
			}
		}
		times, err := b.hyperfine(start, max(turns, b.runs*2/5), commands...)
		if err != nil {
			return fmt.Errorf("%d mounts: %w", count, err)
		}
		t.grow("mounts added on the host, one launch", count, names, times)
		if b.ctx.Err() != nil {
			return b.ctx.Err()
		}
	}
	return nil
}

// parallelLaunches measures the time until the last of many launches that start
// together has ended.
func (b *bench) parallelLaunches(t *table) error {
	names, commands := b.growthCommands()
	for _, count := range []int{1, 10, 50} {
		var scripts [][]string
		for i, command := range commands {
			file := filepath.Join(b.dir, fmt.Sprintf("%s-%d.sh", names[i], count))
			line := session.Quote(command...) + " &\n"
			if err := os.WriteFile(file, []byte(strings.Repeat(line, count)+"wait\n"), 0o644); err != nil {
				return err
			}
			scripts = append(scripts, []string{"sh", file})
		}
		times, err := b.hyperfine(b.asUser, max(turns, b.runs/max(6, count/4)), scripts...)
		if err != nil {
			return err
		}
		t.grow("launches at once, until the last has ended", count, names, times)
	}
	return nil
}
