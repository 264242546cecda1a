package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// visibleDirs is the number of visible directories in the home of all launches, and
// moreDirs how many more another home has.
const (
	visibleDirs = 12
	moreDirs    = 40
)

// makeHome makes a home with visible directories for the session's user. It is in
// /home if possible, because a home in /tmp takes one more mount.
func (b *bench) makeHome(count int) (home string, err error) {
	for _, parent := range []string{"/home", b.own} {
		if home, err = os.MkdirTemp(parent, "chrun-bench-"); err == nil {
			break
		}
	}
	if err != nil {
		return "", err
	}
	b.made = append(b.made, home)
	all := []string{home}
	for i := range count {
		all = append(all, filepath.Join(home, fmt.Sprintf("Directory %d", i+1)))
		if err := os.Mkdir(all[i+1], 0o755); err != nil {
			return "", err
		}
	}
	return home, b.giveAway(all...)
}

// giveAway makes the session's user the owner of directories.
func (b *bench) giveAway(dirs ...string) error {
	for _, dir := range dirs {
		if err := os.Chown(dir, b.session.User.UID, b.session.User.GID); err != nil {
			return err
		}
	}
	return nil
}

// homes measures a launch with more visible directories in the home.
func (b *bench) homes(t *table) error {
	wide, err := b.makeHome(visibleDirs + moreDirs)
	if err != nil {
		return err
	}
	launch := func(home string) []string { return append([]string{"env", "HOME=" + home}, b.launch("/bin/true")...) }
	times, err := b.hyperfine(b.asUser, b.runs, launch(wide), launch(b.home))
	if err != nil {
		return err
	}
	t.later(fmt.Sprintf("launch with %d more visible directories in the home", moreDirs),
		fmt.Sprintf("a home with %d", visibleDirs), 0.4e-3, times[0], times[1])
	return nil
}

// accountLines is the number of lines in passwd and group of a large tree.
const accountLines = 50_000

// mountTrees mounts $2/large and $2/small over the chroot $1, each at a path of the
// same name with "-tree". The rest is a command.
const mountTrees = `set -e
chroot=$1 dir=$2; shift 2
for name in large small; do
	mount -t overlay -o "lowerdir=$dir/$name:$chroot" overlay "$dir/$name-tree"
done
exec "$@"
`

// accounts measures a launch in a tree whose passwd and group are long, against the
// same tree with short ones. Both are overlays.
func (b *bench) accounts(t *table) error {
	for _, name := range []string{"large", "small"} {
		for _, dir := range []string{name + "/etc", name + "-tree"} {
			if err := os.MkdirAll(filepath.Join(b.dir, dir), 0o755); err != nil {
				return err
			}
		}
		for file, format := range map[string]string{
			"/etc/passwd": "user%[1]d:x:%[1]d:%[1]d::/home/user%[1]d:/bin/sh\n",
			"/etc/group":  "user%[1]d:x:%[1]d:\n",
		} {
			data, err := os.ReadFile(filepath.Join(b.chroot, file))
			if err != nil {
				return err
			}
			if name == "large" {
				data = appendLines(data, format, accountLines)
			}
			if err := os.WriteFile(filepath.Join(b.dir, name, file), data, 0o644); err != nil {
				return err
			}
		}
	}
	launch := func(name string) []string {
		return []string{b.chrun, "-c", filepath.Join(b.dir, name+"-tree"), "/bin/true"}
	}
	start := b.inNamespace(mountTrees, b.chroot, b.dir)
	times, err := b.hyperfine(start, b.runs, launch("large"), launch("small"))
	if err != nil {
		return err
	}
	t.later(fmt.Sprintf("launch in a tree with %d lines in passwd and in group", accountLines),
		"the same tree with short ones", 2e-3, times[0], times[1])
	return nil
}

// appendLines appends lines of format, whose only argument is an ID, until data has
// total lines.
func appendLines(data []byte, format string, total int) []byte {
	for i := bytes.Count(data, []byte("\n")); i < total; i++ {
		data = fmt.Appendf(data, format, 100_000+i)
	}
	return data
}
