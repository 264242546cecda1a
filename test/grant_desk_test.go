package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/internal/headless"
)

// stranger is the uid of the account "user" in the tree. Nobody on the host has it, and
// it is not in a range of systemd.
const stranger = 60999

// sudoDesk is a desktop on which root launches programs for the user, in a tree with
// an account that has another uid. It has its own journal, without launches of other
// users of the machine.
type sudoDesk struct {
	*desk
	dir     string
	journal string
	display string // an X server without a cookie
}

func openSudo(t *testing.T, o headless.Options) *sudoDesk {
	t.Helper()
	headless.Root(t)
	o.Private = true
	d := &sudoDesk{desk: openDesktop(t, o)}
	d.dir = headless.Dir(t, d.User)
	d.chroot = mountStrangerTree(t, d.dir, d.chroot, "")
	d.journal = filepath.Join(d.dir, "run")
	if err := os.Mkdir(d.journal, 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

// mountStrangerTree mounts the chroot lower with an account "user" that has the uid
// stranger, in dir. passwd is put before the other lines of /etc/passwd.
func mountStrangerTree(t *testing.T, dir, lower, passwd string) (tree string) {
	t.Helper()
	passwd += fmt.Sprintf("user:x:%d:%[1]d::/home/user:/bin/bash\n", stranger)
	writeFile(t, filepath.Join(dir, "upper/etc/passwd"), passwd+readFile(t, filepath.Join(lower, "etc/passwd")))
	writeFile(t, filepath.Join(dir, "upper/etc/group"), fmt.Sprintf("user:x:%d:\n", stranger)+readFile(t, filepath.Join(lower, "etc/group")))
	home := filepath.Join(dir, "upper/home/user")
	if err := errors.Join(os.MkdirAll(home, 0o755), os.Chown(home, stranger, stranger)); err != nil {
		t.Fatal(err)
	}
	return mountOverTree(t, lower, dir, "tree")
}

// asRoot returns a command that runs a program as root, with the environment that sudo
// leaves and the variables that name the desktop. The program uses the test's journal.
func (d *sudoDesk) asRoot(ctx context.Context, program string, args ...string) *exec.Cmd {
	script := `mount --bind "$0" /run/chrun && exec "$@"`
	if _, err := os.Stat("/run/chrun"); err != nil {
		script = "mkdir -m 700 /run/chrun; " + script
	}
	words := append([]string{"--mount", "sh", "-c", script, d.journal, program}, args...)
	cmd := exec.CommandContext(ctx, "unshare", words...)
	cmd.Env = append(slices.DeleteFunc(slices.Clone(d.Env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains([]string{"HOME", "USER", "LOGNAME", "SHELL"}, name)
	}), "HOME=/root", "SUDO_UID="+strconv.Itoa(d.User.UID), "SUDO_USER="+d.User.Name)
	if d.display != "" {
		cmd.Env = append(without("DISPLAY", "XAUTHORITY")(cmd.Env), "DISPLAY="+d.display)
	}
	cmd.Dir, cmd.WaitDelay = "/tmp", 3*time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// grantCommand returns a command that launches a program with the account's uid.
func (d *sudoDesk) grantCommand(ctx context.Context, command ...string) *exec.Cmd {
	args := []string{"-q", "-c", d.chroot, "--identity=grant", "-u", "user", "-C", "/", "--"}
	return d.asRoot(ctx, chrunProgram, append(args, command...)...)
}

// sudo runs chrun as root for the desktop user.
func (d *sudoDesk) sudo(env []string, flags []string, command ...string) result {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := d.asRoot(ctx, chrunProgram, append(append([]string{"-c", d.chroot}, flags...), append([]string{"--"}, command...)...)...)
	for _, kv := range env { // replace variables, because the first definition counts
		name, _, _ := strings.Cut(kv, "=")
		cmd.Env = append(without(name)(cmd.Env), kv)
	}
	return runCommand(cmd)
}

// startOpenXServer starts an X server without a cookie, which admits only its user.
func (d *sudoDesk) startOpenXServer() {
	d.t.Helper()
	d.display = d.startXvfb()
	waitFor(d.t, 20*time.Second, "the X server admits its user", func() bool { _, err := d.tryXhost(); return err == nil })
}

// desktopState returns what other programs see of the desktop: the names, modes and ACLs
// of files below the runtime directory, and the X server's list. It leaves out
// the logs and the state of servers, which change at any time.
func (d *sudoDesk) desktopState() string {
	d.t.Helper()
	find := func(test ...string) []byte {
		words := append([]string{d.RuntimeDir, "-not", "-path", "*/log/*", "-not", "-path", d.RuntimeDir + "/state/*"}, test...)
		out, err := exec.Command("find", words...).Output()
		headless.Must(d.t, "desktop", err)
		return out
	}
	var all strings.Builder
	all.Write(find("-printf", "%p %m %U:%G %y\n"))
	acls := exec.Command("getfacl", "-pn", "-")
	acls.Stdin = bytes.NewReader(find("-not", "-type", "l"))
	out, err := acls.Output()
	headless.Must(d.t, "desktop", err)
	all.Write(out)
	if d.display != "" {
		all.WriteString(d.xhost())
	}
	return all.String()
}

func (d *sudoDesk) tryXhost(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := d.Command(ctx, "xhost", args...)
	cmd.Env = append(without("DISPLAY", "XAUTHORITY")(cmd.Env), "DISPLAY="+d.display)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (d *sudoDesk) xhost(args ...string) string {
	d.t.Helper()
	out, err := d.tryXhost(args...)
	if err != nil {
		d.t.Fatalf("xhost: %v: %s", err, out)
	}
	return out
}

// chrunProcesses lists the processes of the chrun under test whose command lines begin
// with name.
func chrunProcesses(name string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		exe, _ := os.Readlink(p + "/exe")
		argv, _ := os.ReadFile(p + "/cmdline")
		if pid, _ := strconv.Atoi(filepath.Base(p)); exe == chrunProgram && strings.HasPrefix(string(argv), name) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// processesOfUID lists the processes of a uid with that name, except zombies.
func processesOfUID(uid int, name string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		data, _ := os.ReadFile(p + "/status")
		status := string(data)
		if strings.HasPrefix(status, "Name:\t"+name+"\n") && strings.Contains(status, fmt.Sprintf("\nUid:\t%d\t", uid)) &&
			!strings.Contains(status, "\nState:\tZ") {
			pid, _ := strconv.Atoi(filepath.Base(p))
			pids = append(pids, pid)
		}
	}
	return pids
}

// waitNothingLeft waits until all processes of chrun have ended. It returns an error
// if a launch has left a grant, a journal or a mount.
func (d *sudoDesk) waitNothingLeft(before string) error {
	d.t.Helper()
	waitFor(d.t, 20*time.Second, "chrun's processes end", func() bool { return len(chrunProcesses("")) == 0 })
	if after := d.desktopState(); after != before {
		return fmt.Errorf("the desktop was\n%s\nis\n%s", before, after)
	}
	left, _ := filepath.Glob(filepath.Join(d.journal, "journal/*"))
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, d.dir) && !strings.Contains(line, " "+d.chroot+" ") {
			left = append(left, line)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("left: %v", left)
	}
	return nil
}

func (d *sudoDesk) gc() {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if out, err := d.asRoot(ctx, chrunctlProgram, "gc").CombinedOutput(); err != nil {
		d.t.Errorf("chrunctl gc: %v: %s", err, out)
	}
}

// running is a running launch.
type running struct {
	*exec.Cmd
	out *safeBuffer
	pid int // of chrun
}

// startLaunch starts a launch that prints "ready" and ends at the end of its input.
func (d *sudoDesk) startLaunch(ctx context.Context) *running {
	d.t.Helper()
	cmd := d.grantCommand(ctx, "sh", "-c", "echo ready; read x")
	r := &running{Cmd: cmd, out: &safeBuffer{}}
	cmd.Stdout, cmd.Stderr = r.out, r.out
	in, w, err := os.Pipe()
	if err != nil {
		d.t.Fatal(err)
	}
	cmd.Stdin = in
	d.t.Cleanup(func() { w.Close() })
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	in.Close()
	r.pid = cmd.Process.Pid // unshare and sh execute chrun in the same process
	cmd.Cancel = func() error { return w.Close() }
	return r
}

func (d *sudoDesk) waitReady(r *running) {
	d.t.Helper()
	waitFor(d.t, 30*time.Second, "the program starts", func() bool { return strings.Contains(r.out.String(), "ready") })
}

// countGrants counts the entries for the stranger in ACLs and in the X server's list.
func (d *sudoDesk) countGrants() (n int) {
	d.t.Helper()
	for line := range strings.Lines(d.desktopState()) {
		if strings.HasPrefix(line, fmt.Sprintf("user:%d:", stranger)) || strings.TrimSpace(line) == fmt.Sprintf("SI:localuser:#%d", stranger) {
			n++
		}
	}
	return n
}
