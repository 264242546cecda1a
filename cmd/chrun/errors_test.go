package main

import (
	"os"
	"strings"
	"testing"
)

// What a person reads, from the command line to the status.
func TestErrors(t *testing.T) {
	b := newBox(t)
	b.userns()
	b.mkdir("empty")
	b.mkdir("closed")
	b.file("tree/bin/data", "x", 0o644)
	b.file("tree/bin/script", "#!/bin/nosuch\n", 0o755)
	tree := b.at("tree")
	b.check(os.Chmod(b.at("closed"), 0))
	for _, x := range []struct {
		args   []string
		status int
		want   string // BOX is the box's directory
	}{
		{[]string{"-c", tree, "nosuch"}, 127, "chrun: cannot run \"nosuch\": not found in the chroot \"tree\"\nchrun: hint: look for it inside: chrun --chroot=BOX/tree sh -c 'command -v nosuch'\n"},
		{[]string{"-c", tree, "scrpt"}, 127, "chrun: cannot run \"scrpt\": not found in the chroot \"tree\"\nchrun: hint: the chroot has script: chrun --chroot=BOX/tree script\n"},
		{[]string{"-c", tree, "A=b"}, 127, "chrun: cannot run \"A=b\": not found in the chroot \"tree\"\nchrun: hint: set it before chrun: A=b chrun --chroot=BOX/tree\n"},
		{[]string{"-c", tree, "--bind", "/nosuch", "ok"}, 125, "chrun: cannot share /nosuch: no such file or directory\n"},
		{[]string{"-c", tree, "--bind", "/", "ok"}, 125, "chrun: cannot read the command line: --bind \"/\": it would cover the whole chroot\nchrun: hint: chrun --help\n"},
		{[]string{"-c", tree, "data"}, 126, "chrun: cannot run \"data\": /bin/data: permission denied\nchrun: hint: is it executable? chrun --chroot=BOX/tree ls -l /bin/data\n"},
		{[]string{"-c", tree, "/bin"}, 126, "chrun: cannot run \"/bin\": /bin is a directory\n"},
		{[]string{"-c", tree, "script"}, 126, "chrun: cannot run \"script\": /bin/script exists, but its interpreter /bin/nosuch is not in the chroot\nchrun: hint: install that interpreter in the chroot, as root: sudo chrun --chroot=BOX/tree -u root\n"},
		{[]string{"-c", b.at("nosuch"), "ok"}, 125, "chrun: cannot enter \"BOX/nosuch\": no such file or directory\nchrun: hint: is it mounted? ls BOX/nosuch\n"},
		{[]string{"-c", b.at("empty"), "ok"}, 125, "chrun: cannot enter \"BOX/empty\": it has neither /usr nor /bin\nchrun: hint: name the directory that holds usr, etc and bin of the other system\n"},
		{[]string{"-c", b.at("closed/x"), "ok"}, 125, "chrun: cannot enter \"BOX/closed/x\": permission denied\nchrun: hint: you need search permission on every directory above it: namei -l BOX/closed/x\n"},
		{[]string{"-c", "/", "ok"}, 125, "chrun: cannot enter \"/\": it is the running system itself\nchrun: hint: name the directory that holds usr, etc and bin of the other system\n"},
		{[]string{"-c", tree, "-u", "bob", "ok"}, 125, "chrun: cannot find the account \"bob\" in the chroot\n"},
		{[]string{"-c", tree, "-C", "/nosuch", "ok"}, 125, "chrun: cannot change to /nosuch: no such file or directory\nchrun: hint: name a directory that is in the chroot: -C DIR\n"},
		{[]string{"-c", tree, "--home=nosuch", "ok"}, 125, "chrun: cannot read the command line: --home does not accept \"nosuch\": it is auto, private, host, temporary or a directory (./nosuch)\nchrun: hint: chrun --help\n"},
	} {
		got := b.chrun(x.args...)
		if want := strings.ReplaceAll(x.want, "BOX", b.dir); got.status != x.status || got.err != want || got.out != "" {
			t.Errorf("%q: %d\n%s%swant %d\n%s", x.args, got.status, got.out, got.err, x.status, want)
		}
	}
}

// Root inside is more than a name only in a tree of one's own.
func TestRootName(t *testing.T) {
	b := newBox(t)
	tree := b.at("tree")
	for _, user := range []string{"root", "0"} {
		got := b.chrun("-c", tree, "-u", user, "ok")
		if os.Getuid() != 0 { // who made the tree
			if got.status != 42 || got.err != "" {
				t.Errorf("%s: %+v", user, got)
			}
			continue
		}
		want := "chrun: cannot be root in \"tree\": " + tree + " belongs to root\nchrun: hint: sudo chrun -c " + tree + " -u root ok\n"
		if got.status != 125 || got.err != want {
			t.Errorf("%s: %+v, want %s", user, got, want)
		}
	}
}
