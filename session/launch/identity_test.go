package launch

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
	"chrun/session"
)

// The program keeps the rights of supplementary groups, although these have no
// number inside.
func TestGroups(t *testing.T) {
	headless.Root(t)
	c := plain(t)
	tree := newTree(t)
	group := c.GID + 7
	secret := tree.file("etc/secret", "for the group\n", 0o640)
	tree.check(os.Chown(secret, 0, group))
	outside := filepath.Join(tree.outside("share"), "secret")
	tree.check(os.WriteFile(outside, []byte("shared\n"), 0o640))
	tree.check(os.Chown(outside, 0, group))
	tree.check(os.Chmod(outside, 0o640))
	s := setup{Caller: c, Groups: []int{group}, Request: tree.request("probe", "read", "/etc/secret")}
	perform(t, s).expect(t, 0, "for the group\n")
	s.Request = tree.request("probe", "read", "/mnt/secret")
	s.Request.Binds = []session.Bind{{Source: session.HostPath(tree.dir + "/share"), Dest: "/mnt", Required: true}}
	perform(t, s).expect(t, 0, "shared\n")
	s.Request = tree.request("probe", "report")
	if got := perform(t, s).report(t); !slices.Equal(got.Groups, []int{65534}) {
		t.Errorf("groups inside: %v", got.Groups)
	}
	s.Groups = nil
	if got := perform(t, setup{Caller: c, Request: tree.request("probe", "read", "/etc/secret")}); got.status != 98 {
		t.Errorf("without the group: %+v", got)
	}
}

// Programs can make nested user namespaces, which the sandboxes of browsers need:
// uid and gid are mapped, and the root directory is the root of a mount.
func TestNestedNamespace(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		tree := newTree(t)
		perform(t, setup{Caller: c, Request: tree.request("probe", "userns")}).expect(t, 0, "nested\n")
	})
}

// The user's other processes, such as portals, have access to the program's
// entries in /proc.
func TestProcRoot(t *testing.T) {
	c := plain(t)
	tree := newTree(t)
	probe, _ := tools(t)
	cmd := command(t, setup{Caller: c, Request: tree.request("probe", "sleep")})
	out, err := cmd.StdoutPipe()
	tree.check(err)
	tree.check(cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	tree.check(err)
	pid := strings.TrimSpace(strings.TrimPrefix(line, "ready "))
	for _, p := range []string{"root", "root/etc", "fd", "root/proc/" + pid + "/root/home"} {
		perform(t, setup{Caller: c, Argv: []string{probe, "reach", "/proc/" + pid + "/" + p}}).expect(t, 0, "reached\n")
	}
}

// chrun forwards each signal to the program once, in order.
func TestForwardSignals(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		tree := newTree(t)
		cmd := command(t, setup{Caller: c, Request: tree.request("probe", "signals")})
		in, err := cmd.StdinPipe()
		tree.check(err)
		pipe, err := cmd.StdoutPipe()
		tree.check(err)
		cmd.SysProcAttr.Setsid = true // no terminal
		tree.check(cmd.Start())
		out := bufio.NewReader(pipe)
		next := func() string {
			t.Helper()
			line, err := out.ReadString('\n')
			tree.check(err)
			return strings.TrimSpace(line)
		}
		ready := next()
		if !strings.HasPrefix(ready, "ready ") {
			t.Fatal(ready)
		}
		for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM} {
			tree.check(cmd.Process.Signal(s))
			if got := next(); got != "<"+unix.SignalName(s)+">" {
				t.Errorf("%v: the program received %s", s, got)
			}
		}
		in.Close()
		if got := next(); got != "end" {
			t.Errorf("another signal: %s", got)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// When the program dies of a forwarded signal, chrun dies of it, too.
func TestForwardedSignalKills(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		tree := newTree(t)
		machine, code := pause(t)
		at := tree.file("bin/pause", elf(machine, code, ""), 0o755)
		want, err := os.Stat(at)
		tree.check(err)
		for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGINT} {
			cmd := command(t, setup{Caller: c, Request: tree.request("pause")})
			cmd.SysProcAttr.Setsid = true
			tree.check(cmd.Start())
			waitFor(t, "the program runs", func() bool {
				for _, p := range append(children(cmd), cmd.Process.Pid) {
					if got, err := os.Stat("/proc/" + itoa(p) + "/exe"); err == nil && os.SameFile(got, want) {
						return true
					}
				}
				return false
			})
			tree.check(cmd.Process.Signal(s))
			cmd.Wait()
			if got := outcome(cmd, "", ""); got.signal != s {
				t.Errorf("%v: %+v", s, got)
			}
		}
	})
}
