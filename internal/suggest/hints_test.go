package suggest

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/cli"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/launch"
	"chrun/session/rootfs"
)

// What a person reads: the thing, the cause, and what to type next.
func TestExplain(t *testing.T) {
	parse := func(args ...string) *Context {
		flags, err := cli.ParseFlags(args)
		if err != nil {
			t.Fatal(err)
		}
		return &Context{Flags: flags, Args: args}
	}
	ls := parse("-v", "ls", "-l")
	for _, x := range []struct {
		context *Context
		err     error
		want    string
	}{
		{ls, &cli.UsageError{Err: fs.ErrInvalid}, "cannot read the command line: invalid argument\nhint: chrun --help"},
		{ls, &cli.ChrootError{Verb: "enter", Dir: "/mnt/x", Err: &os.PathError{Op: "open", Path: "/mnt/x", Err: unix.ENOENT}},
			"cannot enter \"/mnt/x\": no such file or directory\nhint: is it mounted? ls /mnt/x"},
		{ls, &cli.ChrootError{Verb: "enter", Dir: "/mnt/a b", Err: &os.PathError{Op: "open", Path: "/mnt/a b", Err: unix.EACCES}},
			"cannot enter \"/mnt/a b\": permission denied\nhint: you need search permission on every directory above it: namei -l '/mnt/a b'"},
		{ls, &cli.ChrootError{Verb: "enter", Dir: "/mnt/x", Err: &rootfs.NotChrootError{Dir: "/mnt/x", Why: "it has neither /usr nor /bin"}},
			"cannot enter \"/mnt/x\": it has neither /usr nor /bin\nhint: name the directory that holds usr, etc and bin of the other system"},
		{ls, &launch.ExecError{Name: "ls", Reason: launch.ReasonNotFound, Why: "not found in the chroot \"x\""},
			"cannot run \"ls\": not found in the chroot \"x\"\nhint: look for it inside: chrun --verbose sh -c 'command -v ls'"},
		{parse(), &launch.ExecError{Name: "zsh", Reason: launch.ReasonNotFound, Why: "not found in the chroot \"x\""},
			"cannot run \"zsh\": not found in the chroot \"x\"\nhint: that is the account's shell; name a program: chrun /bin/sh"},
		{ls, &launch.ExecError{Name: "ls", Path: "/bin/ls", Reason: launch.ReasonNotExecutable, Why: "/bin/ls: permission denied"},
			"cannot run \"ls\": /bin/ls: permission denied\nhint: is it executable? chrun --verbose ls -l /bin/ls"},
		{ls, &launch.SetupError{Step: launch.StepChdir, What: "change to /x", Err: unix.ENOENT},
			"cannot change to /x: no such file or directory\nhint: name a directory that is in the chroot: -C DIR"},
		{ls, &launch.SetupError{Step: launch.StepMount, What: "take the chroot /x", Err: unix.ENOSYS},
			"cannot take the chroot /x: function not implemented\nhint: " + kernelHint(kernelRelease())},
		{ls, &launch.SetupError{Step: launch.StepMount, What: "share /run/user/5", Err: unix.EACCES}, "cannot share /run/user/5: permission denied"},
		{ls, &launch.NamespaceError{Op: "clone", Err: unix.ENOSYS},
			"cannot make a user namespace: clone: function not implemented\nhint: " + kernelHint(kernelRelease())},
		{ls, &account.NoSuchAccountError{Name: "bob"}, "cannot find the account \"bob\" in the chroot"},
		{ls, &account.NoSuchAccountError{Name: "bob", Names: []string{"al", "bo"}},
			"cannot find the account \"bob\" in the chroot\nhint: accounts in the chroot: al, bo"},
		{ls, &config.NoChoiceError{}, "cannot choose a chroot: no chroot is configured\nhint: name its directory: chrun -c DIR --verbose ls -l\nhint: or give it a name once: chrunctl add NAME DIR, then: chrun --verbose ls -l"},
		{ls, &config.NoChoiceError{Known: []string{"a", "b"}}, "cannot choose a chroot: configured chroots are a, b\nhint: name one: -c a"},
		{ls, &config.UnknownError{Name: "c", Known: []string{"a"}, IsDir: true},
			"cannot find the chroot \"c\": the only configured chroot is a\nhint: for the directory: -c ./c"},
		{ls, fs.ErrClosed, "cannot finish: file already closed"},
	} {
		text := cli.ErrorText("chrun", x.err, Hints(x.context, x.err))
		want := "chrun: " + strings.ReplaceAll(x.want, "\n", "\nchrun: ") + "\n"
		if text != want {
			t.Errorf("%swant\n%s", text, want)
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

func TestFlagHints(t *testing.T) {
	for word, want := range map[string]string{"--hlep": "did you mean --help?", "--rm": "leave it out: nothing is left behind", "--unset-evn": "did you mean --unset-env?",
		"-e": "--env NAME=VALUE", "--no-gpu": "to turn a feature off: --deny gpu", "--zzz": "chrun --help",
		"--deny=waylnd": "did you mean wayland?", "--allow=dispaly": "did you mean display?", "--deny=zzz": "chrun --help",
		"--gpu": "gpu is shared by default: leave --gpu out; to turn it off: --deny gpu"} {
		_, err := cli.ParseFlags([]string{word, "x"})
		if got := Hints(&Context{}, err); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
