package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// runChecks runs every check, and prints a line about each.
func runChecks() error {
	text, major, minor := kernelRelease()
	fmt.Println("NOTE Linux", text)
	before, failed := readMounts(), 0
	report := func(name string, err error) {
		if err == nil {
			fmt.Println("PASS", name)
			return
		}
		failed++
		fmt.Printf("FAIL %s: %s\n", name, strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "\n  "))
	}
	for _, c := range []caller{{"user", uid}, {"root", 0}} {
		if major < 5 || major == 5 && minor < 12 {
			report(c.name+": the error on an old kernel", c.checkOldKernel())
			continue
		}
		for _, x := range launchChecks() {
			if c.uid == 0 && x.user {
				continue
			}
			report(c.name+": "+x.name, x.run(c))
		}
		if c.uid != 0 { // root can write to the tree, so there it is a copy
			report(c.name+": a change of the host's resolv.conf appears inside", c.checkResolvConf())
		}
		report(c.name+": kill -9 of chrun ends the program", c.checkKill())
		report(c.name+": tests of package launch", c.runTests("launch", "."))
		report(c.name+": tests of large account files", c.runTests("account", "^(TestFind|TestLargeFile|TestRareTextAtEdges|FuzzRareText)$"))
		if c.uid == 0 { // these tests switch to a plain user themselves
			report("user: tests of errors and hostile trees", c.runTests("chrun", "^Test(Errors|HostileLinks|HostileBind)$"))
		}
	}
	if after := readMounts(); after != before {
		report("the host's mounts are unchanged", fmt.Errorf("before:\n%safter:\n%s", before, after))
	} else {
		report("the host's mounts are unchanged", nil)
	}
	if failed > 0 {
		return fmt.Errorf("%d checks", failed)
	}
	return nil
}

func readMounts() string {
	data, err := os.ReadFile("/proc/1/mountinfo")
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// caller is the account that runs chrun.
type caller struct {
	name string
	uid  int
}

const deadline = 2 * time.Minute // for one command; the emulated machine is slow

// command returns a command that the caller runs.
func (c caller) command(ctx context.Context, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.WaitDelay = "/", time.Second
	cmd.Env = []string{"PATH=/bin", "HOME=/root", "LC_ALL=C"}
	if c.uid != 0 {
		cmd.Env = []string{"PATH=/bin", "HOME=" + home, "XDG_RUNTIME_DIR=" + runtime, "LC_ALL=C"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(c.uid), Gid: uint32(c.uid)}}
	}
	return cmd
}

// launchCheck is one launch and its expected result.
type launchCheck struct {
	name   string
	user   bool // only for the plain user
	flags  []string
	argv   []string
	status int    // 128+n: died of signal n
	out    string // pattern for the whole of stdout
	err    string // pattern in stderr
}

func shell(script string) []string { return []string{"sh", "-c", script} }

func launchChecks() []launchCheck {
	net, _ := os.Readlink("/proc/self/ns/net")
	return []launchCheck{
		{name: "output", argv: shell("echo inside; cat /etc/hostname"), out: "inside\ntree\n"},
		{name: "exit status", argv: shell("exit 7"), status: 7},
		{name: "death by a signal", argv: shell("kill -TERM $$"), status: 128 + 15},
		{name: "not found", argv: []string{"nosuch"}, status: 127, err: `cannot run "nosuch": not found in the chroot`},
		{name: "not executable", argv: []string{"/usr/data"}, status: 126, err: "/usr/data: permission denied"},
		{name: "a directory", argv: []string{"/usr"}, status: 126, err: "/usr is a directory"},
		{name: "no chroot", flags: []string{"-c", "/srv/nosuch"}, argv: []string{"true"}, status: 125, err: "no such file or directory"},
		{name: "identity", user: true, argv: shell("id -u; id -g; id -un"), out: "1500\n1500\ntester\n"},
		{name: "missing mount points", user: true, argv: shell("test -d $HOME && test -d $XDG_RUNTIME_DIR && touch $HOME/x $XDG_RUNTIME_DIR/x && echo $HOME"), out: home + "\n"},
		{name: "the tree is read-only", user: true, argv: shell("touch /etc/x /usr/x 2>&1; true"), out: "(?s).*/etc/x: .*/usr/x: .*"},
		{name: "a nested user namespace", user: true, argv: shell("unshare -U -r -m sh -c 'mount -t tmpfs x /tmp && id -u'"), out: "0\n"},
		{name: "--bind", flags: []string{"--bind", "/srv/data:/data"}, argv: shell("cat /data/file; echo y >/data/y && cat /data/y"), out: "shared\ny\n"},
		{name: "--bind read-only", flags: []string{"--bind", "/srv/data:/data:ro"}, argv: shell("cat /data/file; echo z >/data/z"), status: 1,
			out: "shared\n", err: "Read-only file system"},
		{name: "--deny network", user: true, flags: []string{"--deny", "network"},
			argv: shell("test $(readlink /proc/self/ns/net) != '" + net + "' && ip addr show lo | grep -o 'LOOPBACK,UP\\|127.0.0.1/8'"),
			out:  "LOOPBACK,UP\n127.0.0.1/8\n"},
		{name: "a script without an interpreter line", argv: shell("echo 'echo $0 $1' >/tmp/script; chmod 755 /tmp/script; exec /tmp/script a"), out: "/tmp/script a\n"},
	}
}

func (x launchCheck) run(c caller) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	flags := x.flags
	if len(flags) == 0 || flags[0] != "-c" {
		flags = append([]string{"-c", tree}, flags...)
	}
	cmd := c.command(ctx, append(append([]string{"/bin/chrun"}, flags...), x.argv...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); ctx.Err() != nil || err != nil && !errors.As(err, &exit) {
		return errors.Join(ctx.Err(), err)
	}
	status := cmd.ProcessState.ExitCode()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signaled() {
		status = 128 + int(ws.Signal())
	}
	pattern := regexp.MustCompile("^(?:" + x.out + ")$")
	if status != x.status || !pattern.Match(out.Bytes()) || !regexp.MustCompile(x.err).Match(errs.Bytes()) {
		return fmt.Errorf("status %d, not %d; stdout %q; stderr %q", status, x.status, out.String(), errs.String())
	}
	return nil
}

// checkOldKernel expects that the error names a kernel before 5.12 as the cause.
func (c caller) checkOldKernel() error {
	text, _, _ := kernelRelease()
	hint := regexp.QuoteMeta("chrun: hint: chrun needs Linux 5.12 or newer; this is " + text)
	for _, flags := range [][]string{nil, {"--deny", "all", "--home", "temporary"}} {
		x := launchCheck{flags: flags, argv: []string{"true"}, status: 125, err: `(?m)^chrun: cannot .*: function not implemented\n` + hint + `\n\z`}
		if err := x.run(c); err != nil {
			return fmt.Errorf("%q: %w", flags, err)
		}
	}
	return nil
}

// start launches a script, and returns chrun, the script's process, and the
// script's output and input.
func (c caller) start(ctx context.Context, script string) (cmd *exec.Cmd, pid int, out *bufio.Reader, in func(string), err error) {
	cmd = c.command(ctx, append([]string{"/bin/chrun", "-c", tree}, shell("echo $$; "+script)...)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return
	}
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return
	}
	out = bufio.NewReader(stdout)
	line, err := out.ReadString('\n')
	if err == nil {
		pid, err = strconv.Atoi(strings.TrimSpace(line))
	}
	return cmd, pid, out, func(s string) { fmt.Fprintln(stdin, s) }, err
}

// checkResolvConf replaces resolv.conf while a program runs.
func (c caller) checkResolvConf() error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	cmd, _, out, in, err := c.start(ctx, "while read -r x; do cat /etc/resolv.conf; done")
	if err != nil {
		return err
	}
	defer cmd.Wait()
	defer cancel()
	for i := range 3 {
		want := fmt.Sprintf("nameserver 192.0.2.%d\n", i+1)
		err := os.WriteFile("/etc/resolv.new", []byte(want), 0o644)
		if err = errors.Join(err, os.Rename("/etc/resolv.new", "/etc/resolv.conf")); err != nil {
			return err
		}
		in("again")
		if got, err := out.ReadString('\n'); got != want {
			return fmt.Errorf("%q, %v, not %q", got, err, want)
		}
	}
	return nil
}

// checkKill kills chrun and expects that the program ends.
func (c caller) checkKill() error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	cmd, pid, _, _, err := c.start(ctx, "while :; do sleep 1; done")
	if err != nil {
		return err
	}
	if err := unix.Kill(pid, 0); err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for end := time.Now().Add(deadline / 4); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if unix.Kill(pid, 0) == unix.ESRCH {
			return nil
		}
	}
	return fmt.Errorf("process %d still runs", pid)
}

// runTests runs a test binary. It fails if a test is skipped, except those that
// need root or a desktop that the caller does not have.
func (c caller) runTests(name, pattern string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	cmd := c.command(ctx, "/test/"+name+".test", "-test.v", "-test.run", pattern)
	must := "userns,bash"
	if c.uid == 0 {
		must += ",root"
	}
	cmd.Env = append(cmd.Env, "CHRUN_TEST_MUST="+must)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	count := func(what string) int { return len(regexp.MustCompile(`(?m)^ *--- `+what).FindAll(out, -1)) }
	fmt.Printf("NOTE %s: %s.test: %d passed, %d failed, %d skipped, %d s\n", c.name, name, count("PASS"), count("FAIL"), count("SKIP"), int(time.Since(start).Seconds()))
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w\n%s", err, regexp.MustCompile(`(?m)^ *(=== |--- PASS).*\n`).ReplaceAll(out, nil))
}
