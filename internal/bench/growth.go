package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"chrun/session"
)

// rivals are the commands whose growth is compared, chrun's first.
func (b *bench) rivals() (names []string, commands [][]string) {
	names, commands = []string{"chrun"}, [][]string{b.launch("/bin/true")}
	if b.bwrap != nil {
		names, commands = append(names, "bwrap"), append(commands, b.bwrap.run("/bin/true"))
	}
	if b.works(b.bare("/bin/true")...) == nil {
		names, commands = append(names, "unshare"), append(commands, b.bare("/bin/true"))
	}
	return names, commands
}

// crowded is run in a mount namespace of its own: $1 a directory to cover, $2
// how many mounts to add, the rest a command.
const crowded = `set -e
at=$1 count=$2; shift 2
mount -t tmpfs tmpfs "$at"
mkdir "$at/from"
while [ $count -gt 1 ]; do # the tmpfs is one too
	count=$((count - 1))
	mkdir "$at/$count"
	mount --no-mtab --bind "$at/from" "$at/$count"
done
exec "$@"
`

// mounts measures how a launch grows with the mounts of the host. They are made
// in a namespace that only the measurement is in, in a directory that no launch
// shares, as those of containers and snaps are.
func (b *bench) mounts(t *table) error {
	at := ""
	for _, dir := range []string{"/mnt", "/media", "/srv", "/opt"} {
		if st, err := os.Stat(dir); err == nil && st.IsDir() && at == "" && !strings.HasPrefix(b.chroot+"/", dir+"/") {
			at = dir
		}
	}
	if at == "" {
		return fmt.Errorf("no directory to mount on")
	}
	u := b.session.User
	enter := []string{"unshare", "-m", "sh", "-c", crowded, "sh", at}
	leave := []string{"setpriv", fmt.Sprintf("--reuid=%d", u.UID), fmt.Sprintf("--regid=%d", u.GID), "--init-groups"}
	if os.Getuid() != 0 {
		enter = append([]string{"unshare", "-r"}, enter[1:]...)
		leave = []string{"unshare", fmt.Sprintf("--map-user=%d", u.UID), fmt.Sprintf("--map-group=%d", u.GID)}
	}
	names, commands := b.rivals()
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
			return fmt.Errorf("%d more: %w", count, err)
		}
		t.grow("launch, with so many more mounts on the host", count, names, times)
		if b.ctx.Err() != nil {
			return b.ctx.Err()
		}
	}
	return nil
}

// atOnce measures how long many launches take that are started together, until
// the last has ended.
func (b *bench) atOnce(t *table) error {
	names, commands := b.rivals()
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
		t.grow("so many launches at once, until the last has ended", count, names, times)
	}
	return nil
}
