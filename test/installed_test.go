package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"chrun/internal/headless"
)

// overlayScript returns script lines that mount an overlay over lower at the mount
// point at. Changes go to dir/name.
func overlayScript(dir, lower, at, name string) string {
	return fmt.Sprintf("mkdir -p %[1]s/%[4]s/up %[1]s/%[4]s/work %[3]s\nmount -t overlay -o lowerdir=%[2]s,upperdir=%[1]s/%[4]s/up,workdir=%[1]s/%[4]s/work overlay %[3]s\n", dir, lower, at, name)
}

// After `make install` on this machine, completion works in every shell, and man(1)
// finds the pages.
func TestInstalled(t *testing.T) {
	headless.Root(t)
	buildBin(t)
	tree, dir := headless.Chroot(t), t.TempDir()
	for _, program := range []string{"bash", "zsh", "fish", "man", "script", "/usr/share/bash-completion/bash_completion"} {
		_, err := os.Stat(program)
		if !filepath.IsAbs(program) {
			_, err = exec.LookPath(program)
		}
		headless.Must(t, "desktop", err)
	}
	m := newMachine(t, "mount -t tmpfs tmpfs "+dir+"\n"+
		overlayScript(dir, "/usr/local", "/usr/local", "local")+overlayScript(dir, "/etc", "/etc", "etc")+overlayScript(dir, "/home", "/home", "home")+`
mount -t tmpfs tmpfs /mnt
mkdir /mnt/tree
mount --bind -o ro `+tree+` /mnt/tree
make install PATH=/usr/sbin:/usr/bin:/sbin:/bin
echo CREATE_MAIL_SPOOL=no >>/etc/default/useradd
useradd --no-log-init --create-home --shell /bin/bash chrunnew
echo 'autoload -U compinit && compinit' >/home/chrunnew/.zshrc
`)
	user := "chrunnew"
	m.runAs(user, "chrunctl add tree /mnt/tree")
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) { (&machine{t, m.pid}).checkCompletion(user, shell) })
	}
	// The host has chrunctl and the tree does not, so COMMAND must not complete to it.
	if got := m.runAs(user, `fish -c "complete -C 'chrun chrunct'"`); got != "" {
		t.Errorf("COMMAND completes to programs of the host: %q", got)
	}
	for page, text := range map[string]string{"chrun": "run a program in a chroot", "chrunctl": "manage chroots", "chrun.toml": "names and settings of chroots"} {
		if got := m.runAs(user, "man "+page+" 2>&1"); !strings.Contains(got, text) {
			t.Errorf("man %s: %s", page, got)
		}
	}
	out, err := m.command("make", "-C", mustAbs(t, ".."), "uninstall").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "~/.config/chrun") {
		t.Errorf("uninstall: %v: %s", err, out)
	}
	if got := m.runAs("root", "find /usr/local /etc -path /usr/local/go -prune -o -name '*chrun*' -print"); got != "" {
		t.Errorf("uninstall leaves %s", got)
	}
}

// On a plain Debian, a new user adds a chroot and uses it. After uninstall, only the
// files that it lists are left.
func TestInstalledElsewhere(t *testing.T) {
	headless.Root(t)
	buildBin(t)
	tree, dir := headless.Chroot(t), t.TempDir()
	root := dir + "/root"
	m := newMachine(t, "mount -t tmpfs tmpfs "+dir+"\n"+overlayScript(dir, tree, root, "system")+`
make install PATH=/usr/sbin:/usr/bin:/sbin:/bin PREFIX=/usr DESTDIR=`+root+`
cd `+root+`
mkdir mnt/tree mnt/old
mount --bind -o ro `+tree+` mnt/tree
mount --rbind /proc proc
mount --rbind /dev dev
pivot_root . mnt/old
umount -l /mnt/old
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
useradd --create-home --shell /bin/bash new
`)
	if got := m.runAs("new", "chrunctl add tree /mnt/tree"); got != "tree is /mnt/tree: chrun -c tree\n" {
		t.Errorf("add: %q", got)
	}
	if got := m.runAs("new", "chrun -q -c tree sh -c 'id -un; test ! -d /run/host || echo inside; echo kept >~/note'; chrun -q cat note"); got != "new\ninside\nkept\n" {
		t.Errorf("chrun: %q", got)
	}
	if got := m.runAs("new", `fish -c "complete -C 'chrun localed'"`); strings.TrimSpace(got) != "localedef" {
		t.Errorf("fish: %q", got)
	}

	// DESTDIR is the root of the machine as seen from here.
	out := runMake(t, "uninstall", "PREFIX=/usr", fmt.Sprintf("DESTDIR=/proc/%d/root", m.pid))
	const find = "find / -xdev -name '*chrun*' | sort"
	want := "/home/new/.config/chrun\n/home/new/.local/share/chrun\n/home/new/.local/state/chrun\n/home/new/.local/state/chrun/home-entries/-home-new-.local-share-chrun-homes-tree\n"
	if got := m.runAs("root", find); got != want {
		t.Errorf("uninstall leaves\n%swant\n%s", got, want)
	}
	for line := range strings.Lines(out) {
		if _, command, ok := strings.Cut(line, "  rm -r "); ok {
			m.runAs("new", "rm -r "+command)
		}
	}
	if got := m.runAs("root", find); got != "" {
		t.Errorf("the commands that uninstall prints leave\n%s", got)
	}
}

func mustAbs(t *testing.T, p string) string {
	t.Helper()
	abs, err := filepath.Abs(p)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
