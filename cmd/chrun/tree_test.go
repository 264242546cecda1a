package main

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// A tree with mode 0700, as in /var/lib/machines, is root's. Nobody else enters it,
// and the hint does not blame the directories above it.
func TestClosedTree(t *testing.T) {
	headless.Root(t)
	for _, above := range []bool{false, true} {
		b := newBox(t)
		closed := b.at("tree")
		if above {
			b.mkdir("above")
			b.check(os.Rename(b.at("tree"), b.at("above/tree")))
			closed = b.at("above")
		}
		b.check(os.Chmod(closed, 0o700))
		tree := closed
		if above {
			tree += "/tree"
		}
		got := b.chrun("-c", tree, "ok")
		hint := "you need search permission on every directory above it: namei -l " + tree
		if !above {
			hint = "only its owner may enter it; as root: sudo chrun -c " + tree + " -u root, or let everybody in: sudo chmod a+rx " + tree
		}
		if want := "chrun: cannot enter \"" + tree + "\": permission denied\nchrun: hint: " + hint + "\n"; got.status != 125 || got.err != want {
			t.Errorf("%+v, want %s", got, want)
		}
		b.env = append(b.env, "SUDO_UID=1")
		if got := b.as(0, 0, "-q", "-c", tree, "-u", "root", "ok"); got.status != 42 || got.err != "" {
			t.Errorf("root inside: %+v", got)
		}
	}
}

// A tree that root cannot write, such as a mounted image, gets what it lacks by an
// overlay.
func TestReadOnlyTree(t *testing.T) {
	headless.Root(t)
	b := newBox(t)
	b.remove("tree/etc/resolv.conf")
	b.mkdir("image")
	image := b.at("image")
	b.check(unix.Mount(b.at("tree"), image, "", unix.MS_BIND, ""))
	t.Cleanup(func() { b.check(unix.Unmount(image, unix.MNT_DETACH)) })
	b.check(unix.Mount("", image, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	if got := b.as(0, 0, "-q", "-c", image, "ok"); got.status != 42 || got.err != "" {
		t.Errorf("%+v", got)
	}
	got := b.as(0, 0, "-n", "-c", image, "ok")
	if !strings.Contains(got.out, "\n  /etc                         <- overlay") || strings.Contains(got.out, "removed afterwards") {
		t.Errorf("%s%s", got.out, got.err)
	}
}
