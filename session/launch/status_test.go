package launch

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// chrun exits with the program's status, or dies of the same signal.
func TestStatus(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		tree := newTree(t)
		for _, n := range []string{"0", "1", "42", "125", "127", "255"} {
			got := perform(t, setup{Caller: c, Request: tree.request("probe", "exit", n)})
			if want := map[string]int{"0": 0, "1": 1, "42": 42, "125": 125, "127": 127, "255": 255}[n]; got.status != want || got.err != "" {
				t.Errorf("exit %s: %+v", n, got)
			}
		}
		for _, s := range []unix.Signal{unix.SIGKILL, unix.SIGTERM, unix.SIGHUP} {
			got := perform(t, setup{Caller: c, Request: tree.request("probe", "die", itoa(int(s)))})
			if got.signal != s || got.status != 128+int(s) {
				t.Errorf("%v: %+v", s, got)
			}
		}
	})
}

// No client has connected to the relay of a launch that fails. Its helper processes
// would start, and another plan could not be tried, as without the overlay.
func TestFailureIsNoClient(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		r := newTree(t).request("probe", "exit", "0")
		r.Relay = "/missing/socket"
		for range 30 {
			got := perform(t, setup{Caller: c, Request: r})
			if got.status != 125 || !strings.Contains(got.err, "bind /missing/socket") || strings.Contains(got.err, "a client") {
				t.Fatalf("%+v", got)
			}
		}
	})
}

// The error says why a program cannot be executed.
func TestCannotRun(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		tree := newTree(t)
		machine, code := pause(t)
		other := uint16(62 + 183 - machine)
		name := machines()[other]
		tree.file("bin/plain", "data", 0o644)
		tree.mkdir("bin/directory")
		tree.file("bin/elf", elf(machine, code, "/lib/ld-missing.so.1"), 0o755)
		tree.file("bin/script", "#!/usr/bin/missing -x\n", 0o755)
		tree.file("bin/foreign", elf(other, code, ""), 0o755)
		tree.file("bin/noise", "\x00\x01\x02\x03", 0o755)
		tree.file("bin/empty", "", 0o755)
		tree.file("usr/bin/twice", "data", 0o644) // found first, but not executable
		tree.check(os.Symlink("loop", filepath.Join(tree.at, "bin/loop")))
		tree.check(os.Symlink("/nowhere", filepath.Join(tree.at, "bin/dangling")))
		for _, x := range []struct {
			name   string
			status int
			err    string
		}{
			{"missing", 127, `cannot run "missing": not found in the chroot "test"`},
			{"/bin/missing", 127, `cannot run "/bin/missing": not found in the chroot "test"`},
			{"/bin/probe/x", 127, `cannot run "/bin/probe/x": not found in the chroot "test"`},
			{"dangling", 127, `cannot run "dangling": not found in the chroot "test"`},
			{"plain", 126, `cannot run "plain": /bin/plain: permission denied`},
			{"twice", 126, `cannot run "twice": /usr/bin/twice: permission denied`},
			{"/bin/directory", 126, `cannot run "/bin/directory": /bin/directory is a directory`},
			{"/bin", 126, `cannot run "/bin": /bin is a directory`},
			{"elf", 126, `cannot run "elf": /bin/elf exists, but its interpreter /lib/ld-missing.so.1 is not in the chroot`},
			{"script", 126, `cannot run "script": /bin/script exists, but its interpreter /usr/bin/missing is not in the chroot`},
			{"foreign", 126, `cannot run "foreign": /bin/foreign is a program for another machine (` + name + `)`},
			{"noise", 126, `cannot run "noise": /bin/noise is not a program`},
			{"loop", 126, `cannot run "loop": too many levels of symbolic links`},
		} {
			got := perform(t, setup{Caller: c, Request: tree.request(x.name, "arg")})
			if got.status != x.status || got.err != "chrun-test: "+x.err+"\n" || got.out != "" {
				t.Errorf("%s: status %d, %q%q; want %d, %q", x.name, got.status, got.out, got.err, x.status, x.err)
			}
		}
		// A file along PATH that is not executable is passed over.
		tree.check(os.Link(filepath.Join(tree.at, "bin/probe"), filepath.Join(tree.at, "bin/twice")))
		perform(t, setup{Caller: c, Request: tree.request("twice", "say", "second")}).expect(t, 0, "second\n")
		// The shell runs a text file without "#!" line (execvp(3)).
		tree.file("bin/text", "say this\n", 0o755)
		got := perform(t, setup{Caller: c, Request: tree.request("text", "a", "b c")})
		got.expect(t, 126, "")
		if got.err != `chrun-test: cannot run "text": /bin/text is a text file without an interpreter line, and /bin/sh cannot be executed`+"\n" {
			t.Errorf("text, without a shell: %q", got.err)
		}
		tree.file("bin/sh", "#!/bin/probe say\n", 0o755)
		tree.file("bin/latin1", "say fa\xe7ade\n", 0o755)
		for _, name := range []string{"text", "latin1", "/bin/text", "empty"} {
			r := tree.request(name, "a", "b c")
			r.Relay = "/run/relay" // this is no second launch, for which that would be in use
			perform(t, setup{Caller: c, Request: r}).expect(t, 0, "/bin/sh /bin/"+path.Base(name)+" a b c\n")
		}
		for name, want := range map[string]string{"noise": "is not a program", "foreign": "is a program for another machine"} {
			if got := perform(t, setup{Caller: c, Request: tree.request(name)}); got.status != 126 || !strings.Contains(got.err, want) {
				t.Errorf("%s, with a shell: %+v", name, got)
			}
		}
	})
}

// A tree can be on a file system mounted noexec.
func TestNoexec(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		if os.Getuid() != 0 {
			t.Skip("only root can mount")
		}
		tree := newTree(t)
		got := perform(t, setup{Caller: c, Mounts: [][]string{{"bind", tree.at, tree.at, "noexec"}}, Request: tree.request("probe")})
		if got.status != 126 || !strings.Contains(got.err, "/bin/probe: permission denied") {
			t.Errorf("%+v", got)
		}
	})
}

// A program in a directory that the caller cannot search cannot be executed.
func TestUnreadable(t *testing.T) {
	headless.Root(t) // in a tree of its own the caller may override permissions until it executes something
	c := plain(t)
	tree := newTree(t)
	tree.check(os.Chmod(filepath.Join(tree.at, "bin"), 0))
	got := perform(t, setup{Caller: c, Request: tree.request("/bin/probe")})
	tree.check(os.Chmod(filepath.Join(tree.at, "bin"), 0o755))
	if got.status != 126 || !strings.Contains(got.err, "permission denied") {
		t.Errorf("%+v", got)
	}
}

// The program starts in the requested directory, which must exist inside.
func TestCwd(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		tree := newTree(t)
		r := tree.request("probe", "report")
		r.Cwd = "/etc/ssl"
		if got := perform(t, setup{Caller: c, Request: r}).report(t); got.Cwd != "/etc/ssl" || got.env()["PWD"] != "/etc/ssl" {
			t.Errorf("directory %q, PWD %q", got.Cwd, got.env()["PWD"])
		}
		r.Cwd = "/nowhere"
		got := perform(t, setup{Caller: c, Request: r})
		if got.status != 125 || !strings.Contains(got.err, "cannot change to /nowhere: no such file or directory") {
			t.Errorf("%+v", got)
		}
	})
}
