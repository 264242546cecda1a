package test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"chrun/session"
)

// What cannot work is refused before anything is made, with what to type.
func TestCreateRefused(t *testing.T) {
	w := openWorkshop(t)
	system := w.makeSystem()
	if r := w.chrunctl("create", "taken", "--from", system); r.err != nil {
		t.Fatalf("%+v", r)
	}
	places := `mkdir -p "$0/noexec" "$0/sticky" && mount -t tmpfs -o noexec,mode=0700 tmpfs "$0/noexec" && mount -t tmpfs -o mode=1777 tmpfs "$0/sticky" && chown ` + w.user.Name + ` "$0/noexec"`
	if r := w.root("sh", "-c", places, w.home); r.err != nil {
		t.Fatalf("%+v", r)
	}
	// FAT has no owners. The kernel's may be missing.
	fat := fmt.Sprintf(`mkdir "$HOME/fat"; truncate -s 4M "$HOME/../fat"; mkfs.vfat "$HOME/../fat" >/dev/null
mount -o loop,uid=%[1]d,gid=%[2]d,umask=077 "$HOME/../fat" "$HOME/fat" 2>/dev/null ||
	fusefat -o rw+,allow_other,uid=%[1]d,gid=%[2]d "$HOME/../fat" "$HOME/fat" >/dev/null 2>&1
trap 'umount "$HOME/fat"; rmdir "$HOME/fat"; rm "$HOME/../fat"' EXIT`, w.user.UID, w.user.GID)
	for _, c := range []struct {
		setup string // root runs it in a mount namespace of its own
		words []string
		code  int
		want  []string
	}{
		{"", []string{"box"}, 2, []string{"--from is missing"}},
		{"", []string{"box", "--from", "https://example.org/x.tar"}, 2, []string{"chrunctl does not download"}},
		{"", []string{"box", "--from", "debian:"}, 2, []string{"is not the name of a release"}},
		{"", []string{"box", "--from", "debian:$(id)"}, 2, []string{"is not the name of a release"}},
		{"", []string{"box", "--from", system, "--packages", "vim"}, 2, []string{"--packages needs --from debian:SUITE"}},
		{"", []string{"taken", "--from", system}, 1, []string{"taken", "hint: choose another name"}},
		{"", []string{"a/b", "--from", system}, 1, []string{"a/b"}},
		{"", []string{".hidden", "--from", system}, 1, []string{".hidden"}},
		{"", []string{"box", w.tree("taken"), "--from", system}, 1, []string{"exists already"}},
		{"", []string{"", "--from", system}, 2, []string{"an argument is empty"}},
		{"", []string{"box", "", "--from", system}, 2, []string{"an argument is empty"}},
		{"", []string{"my box", "--from", system}, 1, []string{`cannot create my box: "my box" is not a valid name`}},
		{"", []string{"box", "--from", system, "--public"}, 2, []string{"--public is for root"}},
		{"", []string{"box", "--from", system, "--keyring", "/no/such"}, 1, []string{"/no/such: no such file"}},
		{"", []string{"box", "/", "--from", system}, 1, []string{"/ is a mount point", "such as /chroot"}},
		{"", []string{"box", "/usr/box", "--from", system}, 1, []string{"write to /usr: permission denied"}},
		{"", []string{"box", "--from", "debian"}, 1, []string{"no such file or directory, and the distributions are debian:SUITE"}},
		{"", []string{"box", "--from", "Debian/bookworm", "-n"}, 1, []string{"no such file or directory, and the distributions are debian:SUITE"}},
		{"", []string{"box", "--from", "/no/such.tar", "-n"}, 1, []string{"/no/such.tar: no such file"}},
		{"mkdir -p $HOME/open && chmod 755 $HOME/.. $HOME && chmod 777 $HOME/open && trap 'chmod 700 $HOME; rmdir $HOME/open' EXIT", []string{"box", w.home + "/open/box", "--from", system}, 1, []string{"other users can enter", "hint: leave out DIR"}},
		{"", []string{"box", "--from", "/no/such.tar"}, 1, []string{"/no/such.tar: no such file"}},
		{"", []string{"box", "--from", "/usr"}, 1, []string{"/usr: is a directory, not an archive", "hint: to use a chroot that exists: chrunctl add NAME /usr"}},
		{"", []string{"box", "--from", "debain:bookworm"}, 1, []string{"debain:bookworm: no such file or directory, and the distributions are debian:SUITE"}},
		{"", []string{"box", w.home + "/a/b/box", "--from", system}, 1, []string{w.home + "/a/b: no such file or directory", "hint: mkdir -p -m 700 " + w.home + "/a/b"}},
		{"", []string{"box", "--from", system, "--user", "a:b"}, 1, []string{`"a:b" cannot be the name of an account`, "hint: "}},
		{"", []string{"box", "--from", system, "--verify"}, 1, []string{"no good signature was found"}},
		{"", []string{"box", w.home + "/noexec/box", "--from", system}, 1, []string{"noexec"}},
		{"", []string{"box", w.home + "/sticky/box", "--from", system}, 1, []string{"sticky"}},
		{fat, []string{"box", w.home + "/fat/box", "--from", system}, 1, []string{"does not let files belong to your subordinate IDs", "chrunctl create NAME DIR"}},
		{fat, []string{"box", w.home + "/fat/box", "--from", "debian:bookworm"}, 1, []string{"does not let files belong to your subordinate IDs"}},
		{"echo >/etc/subuid", []string{"box", "--from", system}, 1, []string{w.user.Name + " has no subordinate IDs", w.user.Name + ":100000:65536", "hint: sudo usermod --add-subuids"}},
		{"rm -r /etc/subgid", []string{"box", "--from", system}, 1, []string{"has no subordinate IDs"}},
		{"mkdir -p /usr/share/distro-info && mount -t tmpfs tmpfs /usr/share/distro-info && printf 'series,release\nbookworm,2023-06-10\ntrixie,2025-08-09\n' >/usr/share/distro-info/debian.csv",
			[]string{"box", "--from", "debian:bokworm"}, 1, []string{"mmdebstrap failed", "hint: debian:bokworm is not known here; the latest releases are bookworm, trixie"}},
		{"mount -t tmpfs tmpfs /usr/share/keyrings", []string{"box", "--from", "debian:bookworm"}, 1, []string{"debian-archive-keyring.gpg, is missing", "hint: sudo apt-get install debian-archive-keyring"}},
		{"mount --bind /dev/null /usr/bin/mmdebstrap", []string{"box", "--from", "ubuntu:noble"}, 1, []string{"mmdebstrap, which makes Debian and Ubuntu systems, is missing", "hint: sudo apt-get install mmdebstrap"}},
	} {
		script := "set -e\n" + c.setup + "\n" + session.Quote(append(asUser(w.user), append([]string{chrunctlProgram, "create"}, c.words...)...)...)
		save := w.root("sh", "-c", "cat /etc/subuid")
		cmd := w.asRoot(t.Context(), "unshare", "--mount", "--propagation", "private", "sh", "-c", script)
		cmd.Env = append(cmd.Env, "HOME="+w.home)
		r := runCommand(cmd)
		w.root("sh", "-c", `echo "$0" >/etc/subuid; echo "$0" >/etc/subgid`, save.stdout)
		if r.code != c.code {
			t.Errorf("%q: %+v", c.words, r)
		}
		for _, text := range c.want {
			if !strings.Contains(r.stderr, text) {
				t.Errorf("%q: %q is not in\n%s", c.words, text, r.stderr)
			}
		}
		w.wantClean(strings.Join(c.words, " ") + ": " + r.stderr)
	}
	if r := w.chrunctl("list"); !strings.Contains(r.stdout, "Toy Linux 1, your subordinate IDs") {
		t.Errorf("%+v", r)
	}
	if r := w.chrunctl("create", "box", "--from", system, "-n"); r.err != nil || r.stdout != "would make box in "+w.tree("box")+", from "+system {
		t.Errorf("%+v", r)
	}
	if w.exists(w.tree("box")) {
		t.Error("--dry-run makes a tree")
	}
}

// A bar is only drawn on a terminal, and not with -q.
func TestCreateBar(t *testing.T) {
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip(err)
	}
	w := openWorkshop(t)
	system := w.makeSystem()
	for flag, want := range map[string]bool{"": true, "-q": false} {
		// The archive comes slowly enough for the bar to be drawn.
		line := "(head -c 1000000 " + system + "; sleep 1; tail -c +1000001 " + system + ") | " + chrunctlProgram + " create box" + flag + " --from - " + flag
		r := w.as("script", "-qec", line, "/dev/null")
		if r.err != nil || strings.Contains(r.stdout, "MiB/s\x1b[K") != want || strings.Contains(r.stdout, "?[K") {
			t.Errorf("%q: %v %q", flag, r.err, r.stdout)
		}
	}
	r := w.chrunctl("create", "pipe", "--from", system)
	if r.err != nil || strings.Contains(r.stdout+r.stderr, "\x1b") || r.stderr != "" {
		t.Errorf("%+v", r)
	}
}
