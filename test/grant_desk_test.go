package test

import (
	"bytes"
	"context"
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

// stranger is the number that the account "user" has in the tree, and nobody on
// the host.
const stranger = 61234

// sudoDesk is a desktop on which root makes launches for its user, of a tree
// with an account of another number. The journal is the test's own, so that
// nobody else's launches are in it.
type sudoDesk struct {
	*desk
	dir     string
	journal string
	display string // of an X server that has no cookie
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

// mountStrangerTree is the tests' chroot with an account "user" that nobody on the host
// has the number of. lines are put before the others of its passwd.
func mountStrangerTree(t *testing.T, dir, lower, lines string) (tree string) {
	t.Helper()
	layers := map[string]string{"passwd": fmt.Sprintf("user:x:%d:%[1]d::/home/user:/bin/bash\n", stranger), "group": fmt.Sprintf("user:x:%d:\n", stranger)}
	for p, line := range layers {
		table, err := os.ReadFile(filepath.Join(lower, "etc", p))
		if err != nil {
			t.Fatal(err)
		}
		if p == "passwd" {
			line = lines + line
		}
		writeFile(t, filepath.Join(dir, "upper/etc", p), line+string(table))
	}
	tree = filepath.Join(dir, "tree")
	for _, p := range []string{tree, filepath.Join(dir, "work"), filepath.Join(dir, "upper/home/user")} {
		if err := os.MkdirAll(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(dir, "upper/home/user"), stranger, stranger); err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%[2]s/work", lower, dir)
	if err := syscall.Mount("overlay", tree, "overlay", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(tree, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return tree
}

// asRoot prepares a program as root has it after "sudo": with the variables that
// name the desktop. It has the test's journal.
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

// grantCommand prepares a launch as the account's own uid.
func (d *sudoDesk) grantCommand(ctx context.Context, command ...string) *exec.Cmd {
	args := []string{"-q", "-c", d.chroot, "--identity=grant", "-u", "user", "-C", "/", "--"}
	return d.asRoot(ctx, chrunProgram, append(args, command...)...)
}

// sudo runs chrun as root for the desktop's user.
func (d *sudoDesk) sudo(env []string, flags []string, command ...string) result {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := d.asRoot(ctx, chrunProgram, append(append([]string{"-c", d.chroot}, flags...), append([]string{"--"}, command...)...)...)
	for _, kv := range env { // the first counts
		name, _, _ := strings.Cut(kv, "=")
		cmd.Env = append(without(name)(cmd.Env), kv)
	}
	return runCommand(cmd)
}

func runCommand(cmd *exec.Cmd) result {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	return result{strings.TrimSpace(out.String()), strings.TrimSpace(errs.String()), err, cmd.ProcessState.ExitCode()}
}

// startOpenXServer starts an X server that admits its user by name alone.
func (d *sudoDesk) startOpenXServer() {
	d.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		d.t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := d.Command(ctx, "Xvfb", "-displayfd", "3", "-nolisten", "tcp", "-noreset", "-screen", "0", "64x64x24")
	cmd.ExtraFiles = []*os.File{w}
	headless.Must(d.t, "desktop", cmd.Start())
	d.t.Cleanup(func() { cancel(); cmd.Wait() })
	w.Close()
	r.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 16)
	n, err := r.Read(buf)
	if err != nil {
		d.t.Fatal("Xvfb did not start:", err)
	}
	d.display = ":" + strings.TrimSpace(string(buf[:n]))
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

// chrunProcesses are those of the chrun under test.
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

// processesOfUID are the processes of a uid under that name.
func processesOfUID(uid int, name string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		status, _ := os.ReadFile(p + "/status")
		if pid, _ := strconv.Atoi(filepath.Base(p)); strings.HasPrefix(string(status), "Name:\t"+name+"\n") && strings.Contains(string(status), fmt.Sprintf("\nUid:\t%d\t", uid)) &&
			!strings.Contains(string(status), "\nState:\tZ") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// waitNothingLeft waits until no process of chrun is left, and says what else is.
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

// running is a launch under way.
type running struct {
	*exec.Cmd
	out *safeBuffer
	pid int // chrun's
}

// startLaunch starts one that says "ready" and ends when its input does.
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
	r.pid = cmd.Process.Pid // unshare and sh become it
	cmd.Cancel = func() error { return w.Close() }
	return r
}

func (d *sudoDesk) waitReady(r *running) {
	d.t.Helper()
	waitFor(d.t, 30*time.Second, "the launch begins", func() bool { return strings.Contains(r.out.String(), "ready") })
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
