package main

import (
	"os"
	"testing"

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
			hint = "only its owner may enter it; as root: sudo chrun -c " + tree + " -u root, or let everybody in: sudo chmod a+x " + tree
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
