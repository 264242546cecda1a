package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// account is the uid of an account that every Debian chroot has. It is not the
// session's user.
const account = "1"

// identities measures the kinds of identity against match. Those that need root are
// run by root for the session's user, as under sudo.
func (b *bench) identities(t *table) error {
	kinds := []struct {
		name  string
		limit float64
		words []string
	}{
		{"`match`", 0, b.launch("/bin/true")},
		{"`remap`", 1.15, b.launch("-u", account, "--identity=remap", "/bin/true")},
	}
	var commands [][]string
	for _, k := range kinds {
		if err := b.try(k.words...); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		commands = append(commands, k.words)
	}
	times, err := b.hyperfine(b.asUser, b.runs, commands...)
	if err != nil {
		return err
	}
	for i, k := range kinds[1:] {
		t.ratio(k.name+", without using the bus", "`match`", k.limit, times[i+1], times[0])
	}
	if os.Getuid() != 0 {
		return errors.New("the other kinds need root")
	}
	u := b.session.User
	sudo := func(words ...string) []string {
		return append([]string{"env", "SUDO_UID=" + strconv.Itoa(u.UID), "SUDO_GID=" + strconv.Itoa(u.GID)}, words...)
	}
	commands = [][]string{
		sudo(b.launch("/bin/true")...),
		sudo(b.launch("-u", account, "--identity=idmap", "/bin/true")...),
		sudo(b.launch("-u", account, "--identity=grant", "/bin/true")...),
		sudo(b.launch("-u", "root", "/bin/true")...),
	}
	for _, c := range commands {
		if out, err := b.asRoot(c...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", c, err, out)
		}
	}
	if times, err = b.hyperfine(b.asRoot, max(fewest, b.runs/2), commands...); err != nil {
		return err
	}
	t.ratio("`idmap`, by root for the user", "`match`, where root becomes the user", 1.3, times[1], times[0])
	t.ratio("`grant`, by root for the user", "`match`, where root becomes the user", 0, times[2], times[0])
	t.ratio("`-u root` with a desktop", "`match`, where root becomes the user", 0, times[3], times[0])
	return b.subordinate(t)
}

// subordinateTree makes a tree in $1 from the chroot $2, owned by uid $3.
const subordinateTree = `set -e
mount -t tmpfs -o mode=0755 tmpfs "$1"
cp -a "$2/etc" "$2/bin" "$2/sbin" "$2"/lib* "$1"
cd "$1"
mkdir usr root home tmp run proc sys dev
chown -hR "$3:$3" .
mount --bind "$2/usr" usr
mount -o remount,bind,ro usr
`

// subordinate measures a launch in a tree that the user's subordinate IDs own. It
// needs newuidmap(1) and newgidmap(1), whose cost is also measured for unshare.
func (b *bench) subordinate(t *table) error {
	u := b.session.User
	out, err := exec.CommandContext(b.ctx, "getsubids", u.Name).Output() // "0: NAME FIRST COUNT"
	f := strings.Fields(string(out))
	if err != nil || len(f) < 4 {
		return fmt.Errorf("%s has no subordinate IDs: %w", u.Name, err)
	}
	tree := filepath.Join(b.dir, "subid")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	defer func() {
		syscall.Unmount(tree+"/usr", syscall.MNT_DETACH)
		syscall.Unmount(tree, syscall.MNT_DETACH)
	}()
	if out, err := b.asRoot("sh", "-c", subordinateTree, "sh", tree, b.chroot, f[2]).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot make a tree: %w: %s", err, out)
	}
	commands := [][]string{
		{b.chrun, "-c", tree, "/bin/true"},
		{b.chrun, "-c", tree, "--identity=match", "/bin/true"},
		{"unshare", "--map-auto", "--map-root-user", "true"},
		{"unshare", "--map-root-user", "true"},
	}
	for _, c := range commands {
		if err := b.try(c...); err != nil {
			return fmt.Errorf("%v: %w", c, err)
		}
	}
	times, err := b.hyperfine(b.asUser, b.runs, commands...)
	if err != nil {
		return err
	}
	t.ratio("`subid`", "`match` in the same tree", 0, times[0], times[1])
	var adds [2][2]float64 // chrun's and unshare's, of medians and of minima
	for i := range adds {
		with, without := times[2*i], times[2*i+1]
		adds[i] = [2]float64{with.median() - without.median(), with.min() - without.min()}
	}
	pair := func(a [2]float64) string { return fmt.Sprintf("%s (%s)", formatTime(a[0]), formatTime(a[1])) }
	t.add("what newuidmap and newgidmap add", "to `unshare`, by `--map-auto`",
		fmt.Sprintf("%.2f (%.2f)", adds[0][0]/adds[1][0], adds[0][1]/adds[1][1]), "", "", pair(adds[0]), pair(adds[1]))
	return nil
}
