package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"chrun/session"
)

// launch returns a chrun command line for the chroot.
func (b *bench) launch(argv ...string) []string {
	return append([]string{b.chrun, "-c", b.chroot}, argv...)
}

// unshare returns chroot(1) in a user and a mount namespace, which shares nothing
// of the desktop.
func (b *bench) unshare(argv ...string) []string {
	return append([]string{"unshare", "-r", "-m", "chroot", b.chroot}, argv...)
}

// competitor is a command that chrun's launch is compared with.
type competitor struct {
	name  string
	limit float64 // target for the ratio; 0: none
	words []string
}

// launches measures a launch with all features, its parts, and `chrun --version`.
func (b *bench) launches(t *table) error {
	if err := b.try(b.launch("/bin/true")...); err != nil {
		return fmt.Errorf("chrun -c %s /bin/true %w", b.chroot, err)
	}
	competitors, err := b.competitors(t)
	if err != nil {
		return err
	}
	parts := []struct {
		name  string
		words []string
	}{
		{"a whole launch", b.launch("/bin/true")},
		{"the same with `--deny all --allow network`", b.launch("--deny", "all", "--allow", "network", "/bin/true")},
		{"only facts and plan (`-n`, printed)", b.launch("-n", "/bin/true")},
		{"start of the program (`--version`)", []string{b.chrun, "--version"}},
		{"start of Go (an empty program)", []string{b.empty}},
	}
	var commands [][]string
	for _, p := range parts {
		commands = append(commands, p.words)
	}
	for _, c := range competitors {
		commands = append(commands, c.words)
	}
	commands = append(commands, b.launch("--app", "org.example.App", "/bin/true"))
	times, err := b.hyperfine(b.asUser, b.runs, commands...)
	if err != nil {
		return err
	}
	for i, c := range competitors {
		t.ratio("launch with all features", c.name, c.limit, times[0], times[len(parts)+i])
	}
	t.ratio("launch with all features", "an empty Go program", 3.8, times[0], times[4])
	t.ratio("`chrun --version`", "an empty Go program", 1.25, times[3], times[4])
	t.ratio("launch from the menu (`--app`), no systemd manager", "launch", 1.1, times[len(times)-1], times[0])
	t.launch = times[0]
	for i, p := range parts {
		t.part(p.name, times[i])
	}
	return nil
}

// competitors returns those that run here; the others become rows without numbers.
func (b *bench) competitors(t *table) (list []competitor, err error) {
	plan, err := b.plan()
	if err != nil {
		return nil, err
	}
	add := func(c competitor) {
		if err := b.try(c.words...); err != nil {
			t.skip("launch with all features", c.name, formatLimit("≤ %v", c.limit), err)
			return
		}
		list = append(list, c)
	}
	if b.bwrap, err = b.newSandbox(plan); err != nil {
		b.bwrap = nil
		t.skip("launch with all features", "bwrap with the same binds", "≤ 1", err)
	} else {
		b.note("bwrap: %s.", b.bwrap.how)
		add(competitor{fmt.Sprintf("bwrap with the same binds (%d)", b.bwrap.binds), 1, b.bwrap.run("/bin/true")})
		add(competitor{"bwrap with the directories, but without the single files", 0, b.bwrap.runBare("/bin/true")})
	}
	add(competitor{"`unshare -r -m chroot`, which shares nothing", 0, b.unshare("/bin/true")})
	b.note("`unshare -r -m chroot /bin/true` has no target: it is three programs of the C library that start, and what such a start costs differs twofold between processors.")
	add(competitor{"proot, which traces all system calls", 0, []string{"proot", "-R", b.chroot, "/bin/true"}})
	return list, nil
}

// plan reads the plan of a launch from `chrun -n=json`.
func (b *bench) plan() (*session.Plan, error) {
	out, err := b.asUser(append([]string{b.chrun, "-n=json"}, b.launch("/bin/true")[1:]...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("cannot read chrun's plan: %w", err)
	}
	p := new(session.Plan)
	if err := json.Unmarshal(out, p); err != nil {
		return nil, fmt.Errorf("cannot read chrun's plan: %w", err)
	}
	return p, nil
}

// onOverlay is run by root in its own mount namespace. $1 is an empty directory, $2
// the chroot, $3 schroot's configuration, the rest a command. The chroot is only
// the lower layer of an overlay, because these tools write to it.
const onOverlay = `set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
if [ -d /etc/schroot/chroot.d ]; then
	mount -t tmpfs tmpfs /etc/schroot/chroot.d
	printf %s "$3" >/etc/schroot/chroot.d/chrun-bench
fi
for covered in /var/lib/schroot/session /run/schroot/mount; do
	[ ! -d $covered ] || mount -t tmpfs tmpfs $covered
done
shift 3
exec "$@"
`

// rootTools measures the installed tools that need root. They do not alternate with
// the launch, which another user makes.
func (b *bench) rootTools(t *table) error {
	const what = "launch with all features"
	at := filepath.Join(b.dir, "tree")
	tree := filepath.Join(at, "root")
	config := "[chrun-bench]\ntype=directory\ndirectory=" + tree + "\nroot-users=root\n"
	// These tools leave directories of their own.
	for _, made := range []string{"/run/schroot", "/run/systemd/nspawn"} {
		if _, err := os.Lstat(made); err != nil {
			defer os.RemoveAll(made)
		}
	}
	if err := os.Mkdir(at, 0o700); err != nil {
		return err
	}
	for _, tool := range [][]string{
		{"arch-chroot", tree, "/bin/true"},
		{"systemd-nspawn", "-q", "--register=no", "--keep-unit", "-D", tree, "/bin/true"},
		{"schroot", "-c", "chroot:chrun-bench", "-d", "/", "--", "/bin/true"},
	} {
		if _, err := exec.LookPath(tool[0]); err != nil {
			t.skip(what, tool[0], "", errors.New("not installed"))
			continue
		}
		if os.Getuid() != 0 {
			t.skip(what, tool[0], "", errors.New("needs root"))
			continue
		}
		inNamespace := func(words ...string) *exec.Cmd {
			return b.asRoot(append([]string{"unshare", "-m", "sh", "-c", onOverlay, "sh", at, b.chroot, config}, words...)...)
		}
		var stderr bytes.Buffer
		once := inNamespace(tool...)
		once.Stderr = &stderr
		if err := once.Run(); err != nil {
			t.skip(what, tool[0], "", fmt.Errorf("does not run here: %s", firstLine(err, stderr.String())))
			continue
		}
		times, err := b.hyperfine(inNamespace, max(fewest, b.runs/12), tool)
		if err != nil {
			return err
		}
		t.ratio(what, tool[0]+", as root, measured separately", 0, t.launch, times[0])
	}
	return nil
}
