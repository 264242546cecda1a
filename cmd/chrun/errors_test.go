package main

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/launch"
	"chrun/session/rootfs"
)

// What a person reads: the thing, the cause, and what to type next.
func TestExplain(t *testing.T) {
	ls := &options{argv: []string{"ls", "-l"}, typed: []string{"-v", "ls", "-l"}}
	for _, x := range []struct {
		o      *options
		err    error
		status int
		want   string
	}{
		{ls, usageError{fs.ErrInvalid}, 125, "cannot read the command line: invalid argument\nhint: chrun --help"},
		{ls, &chrootError{"/mnt/x", &os.PathError{Op: "open", Path: "/mnt/x", Err: unix.ENOENT}}, 125,
			"cannot enter \"/mnt/x\": no such file or directory\nhint: is it mounted? ls /mnt/x"},
		{ls, &chrootError{"/mnt/a b", &os.PathError{Op: "open", Path: "/mnt/a b", Err: unix.EACCES}}, 125,
			"cannot enter \"/mnt/a b\": permission denied\nhint: you need search permission on every directory above it: namei -l '/mnt/a b'"},
		{ls, &chrootError{"/mnt/x", &rootfs.NotChrootError{Dir: "/mnt/x", Why: "it has neither /usr nor /bin"}}, 125,
			"cannot enter \"/mnt/x\": it has neither /usr nor /bin\nhint: name the directory that holds usr, etc and bin of the other system: -c DIR"},
		{ls, &launch.ExecError{Name: "ls", Reason: launch.ReasonNotFound, Why: "not found in the chroot \"x\""}, 127,
			"cannot run \"ls\": not found in the chroot \"x\"\nhint: look for it inside: chrun -v sh -c 'command -v ls'"},
		{&options{}, &launch.ExecError{Name: "zsh", Reason: launch.ReasonNotFound, Why: "not found in the chroot \"x\""}, 127,
			"cannot run \"zsh\": not found in the chroot \"x\"\nhint: that is the account's shell; name a program: chrun /bin/sh"},
		{ls, &launch.ExecError{Name: "ls", Path: "/bin/ls", Reason: launch.ReasonNotExecutable, Why: "/bin/ls: permission denied"}, 126,
			"cannot run \"ls\": /bin/ls: permission denied\nhint: is it executable? chrun -v ls -l /bin/ls"},
		{ls, &launch.SetupError{Step: launch.StepChdir, What: "change to /x", Err: unix.ENOENT}, 125,
			"cannot change to /x: no such file or directory\nhint: name a directory that is in the chroot: -C DIR"},
		{ls, &launch.SetupError{Step: launch.StepMount, What: "take the chroot /x", Err: unix.ENOSYS}, 125,
			"cannot take the chroot /x: function not implemented\nhint: " + kernelHint(release())},
		{ls, &launch.SetupError{Step: launch.StepMount, What: "share /run/user/5", Err: unix.EACCES}, 125, "cannot share /run/user/5: permission denied"},
		{ls, &launch.NamespaceError{Op: "clone", Err: unix.ENOSYS}, 125,
			"cannot make a user namespace: clone: function not implemented\nhint: " + kernelHint(release())},
		{ls, &account.NoSuchAccountError{Want: "bob"}, 125, "cannot find the account \"bob\" in the chroot"},
		{ls, &account.NoSuchAccountError{Want: "bob", Names: []string{"al", "bo"}}, 125,
			"cannot find the account \"bob\" in the chroot\nhint: accounts there: al, bo"},
		{ls, &config.NoChoiceError{}, 125, "cannot choose a chroot: none is configured\nhint: name its directory: -c DIR"},
		{ls, &config.NoChoiceError{Known: []string{"a", "b"}}, 125, "cannot choose a chroot: known are a, b\nhint: name one: -c a"},
		{ls, &config.UnknownError{Name: "c", Known: []string{"a"}, IsDir: true}, 125,
			"cannot find the chroot \"c\": known are a\nhint: for the directory: -c ./c"},
		{ls, fs.ErrClosed, 125, "cannot launch: file already closed"},
	} {
		text, status := explain(x.o, x.err)
		want := "chrun: " + strings.ReplaceAll(x.want, "\n", "\nchrun: ") + "\n"
		if text != want || status != x.status {
			t.Errorf("%d:\n%swant %d:\n%s", status, text, x.status, want)
		}
	}
}

// A call that is missing is the kernel's fault only where the kernel is old.
func TestKernelHint(t *testing.T) {
	for release, old := range map[string]bool{"4.19.0-27-amd64": true, "5.10.0-46-amd64": true, "5.11": true,
		"5.12.0": false, "5.15.0-1-generic": false, "6.1.0-56-amd64": false} {
		want := "chrun needs Linux 5.12 or newer; this is " + release
		if got := kernelHint(release); (got == want) != old || !strings.Contains(got, release) {
			t.Errorf("%s: %s", release, got)
		}
	}
}

// The same, from the command line to the status.
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
		{[]string{"-c", tree, "nosuch"}, 127, "chrun: cannot run \"nosuch\": not found in the chroot \"tree\"\nchrun: hint: look for it inside: chrun -c BOX/tree sh -c 'command -v nosuch'\n"},
		{[]string{"-c", tree, "scrpt"}, 127, "chrun: cannot run \"scrpt\": not found in the chroot \"tree\"\nchrun: hint: in the chroot there is script: chrun -c BOX/tree script\n"},
		{[]string{"-c", tree, "A=b"}, 127, "chrun: cannot run \"A=b\": not found in the chroot \"tree\"\nchrun: hint: set it before chrun: A=b chrun -c BOX/tree\n"},
		{[]string{"-c", tree, "--bind", "/nosuch", "ok"}, 125, "chrun: cannot share /nosuch: no such file or directory\n"},
		{[]string{"-c", tree, "--bind", "/", "ok"}, 125, "chrun: cannot read the command line: --bind \"/\": it would cover the whole chroot\nchrun: hint: chrun --help\n"},
		{[]string{"-c", tree, "data"}, 126, "chrun: cannot run \"data\": /bin/data: permission denied\nchrun: hint: is it executable? chrun -c BOX/tree ls -l /bin/data\n"},
		{[]string{"-c", tree, "/bin"}, 126, "chrun: cannot run \"/bin\": /bin is a directory\n"},
		{[]string{"-c", tree, "script"}, 126, "chrun: cannot run \"script\": /bin/script is there, but its interpreter /bin/nosuch is not in the chroot\nchrun: hint: install that interpreter in the chroot, as root: sudo chrun -c BOX/tree -u root\n"},
		{[]string{"-c", b.at("nosuch"), "ok"}, 125, "chrun: cannot enter \"BOX/nosuch\": no such file or directory\nchrun: hint: is it mounted? ls BOX/nosuch\n"},
		{[]string{"-c", b.at("empty"), "ok"}, 125, "chrun: cannot enter \"BOX/empty\": it has neither /usr nor /bin\nchrun: hint: name the directory that holds usr, etc and bin of the other system: -c DIR\n"},
		{[]string{"-c", b.at("closed/x"), "ok"}, 125, "chrun: cannot enter \"BOX/closed/x\": permission denied\nchrun: hint: you need search permission on every directory above it: namei -l BOX/closed/x\n"},
		{[]string{"-c", "/", "ok"}, 125, "chrun: cannot enter \"/\": it is the running system itself\nchrun: hint: name the directory that holds usr, etc and bin of the other system: -c DIR\n"},
		{[]string{"-c", tree, "-u", "bob", "ok"}, 125, "chrun: cannot find the account \"bob\" in the chroot\n"},
		{[]string{"-c", tree, "-C", "/nosuch", "ok"}, 125, "chrun: cannot change to /nosuch: no such file or directory\nchrun: hint: name a directory that is in the chroot: -C DIR\n"},
		{[]string{"-c", tree, "--home=nosuch", "ok"}, 125, "chrun: cannot read the command line: --home=nosuch: it is auto, private, host, temporary or a directory (./nosuch)\nchrun: hint: chrun --help\n"},
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
