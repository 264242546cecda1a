package grant

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/display/x11"
	"chrun/display/x11/xhost"
	"chrun/internal/headless"
	"chrun/session"
	"chrun/session/acl"
)

// With this variable set, the test binary is a launch that can be killed.
const launchVar = "CHRUN_TEST_LAUNCH"

// The test binary is also the helper process of package xhost.
const xhostName = "xhost-helper"

func TestMain(m *testing.M) {
	if os.Args[0] == xhostName {
		os.Exit(xhost.Serve(xhost.HelperFD))
	}
	if text := os.Getenv(launchVar); text != "" {
		os.Unsetenv(launchVar)
		var l testLaunch
		err := json.Unmarshal([]byte(text), &l)
		if err == nil {
			err = l.run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// testLaunch describes a launch in a process of its own.
type testLaunch struct {
	Dir    string // of the journal
	Grants []Grant
	Step   string // the step at which it kills itself, or ""
	Nth    int    // which time it reaches the step, from 0
	Helper string // "start": starts a helper and kills itself; "run": is that helper
}

func (p testLaunch) run() error {
	j, err := Open(p.Dir)
	if err != nil {
		return err
	}
	j.hook = func(step string) {
		if step == p.Step {
			if p.Nth--; p.Nth < 0 {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	table := realTable()
	var l *Launch
	if p.Helper == "run" {
		l, err = j.Resume(os.NewFile(3, "launch"))
	} else if err = j.Sweep(table); err == nil {
		l, err = j.Begin()
	}
	if err != nil {
		return err
	}
	for _, g := range p.Grants {
		if err := l.Grant(table, g); err != nil {
			return err
		}
	}
	if p.Helper == "start" {
		cmd := testLaunch{Dir: p.Dir, Helper: "run"}.command()
		cmd.Stdin, cmd.Stdout, cmd.ExtraFiles = os.Stdin, os.Stdout, []*os.File{l.File()}
		if err := cmd.Start(); err != nil {
			return err
		}
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	for _, g := range p.Grants { // no other launch has revoked it
		if applied, err := table[g.Kind].IsApplied(g); !applied || err != nil {
			return fmt.Errorf("%s was revoked: %v", g, err)
		}
	}
	return l.End(table)
}

func (p testLaunch) command() *exec.Cmd {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	cmd := exec.Command("/proc/self/exe")
	// By default the race detector makes each process sleep a second when it exits.
	cmd.Env = append(os.Environ(), launchVar+"="+string(text), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	return cmd
}

// process is a running testLaunch.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.Reader
	errors *strings.Builder
}

func start(t *testing.T, p testLaunch) *process {
	t.Helper()
	cmd := p.command()
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	q := &process{cmd, in, out, new(strings.Builder)}
	cmd.Stderr = q.errors
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	return q
}

// ready waits until the launch has its grants, or has ended, and reports which.
func (q *process) ready() bool {
	line := make([]byte, 6)
	_, err := io.ReadFull(q.stdout, line)
	return err == nil
}

// end lets the launch end and reports whether it was killed.
func (q *process) end(t *testing.T) (killed bool) {
	t.Helper()
	q.stdin.Close()
	err := q.cmd.Wait()
	if w := q.cmd.ProcessState.Sys().(syscall.WaitStatus); w.Signaled() && w.Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Errorf("%v: %s", err, q.errors)
	}
	return false
}

// startXhost is an xhost.StartFunc.
func startXhost(_, socket int) (int, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	return syscall.ForkExec("/proc/self/exe", []string{xhostName},
		&syscall.ProcAttr{Env: xhost.Env, Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), uintptr(socket)},
			Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}})
}

// realTable applies and revokes both kinds.
func realTable() Table {
	entry := func(g Grant) (acl.Socket, int, acl.Perm) {
		a := g.ACL
		return acl.Socket{Path: a.Path, Device: a.Device, Inode: a.Inode, Owner: a.Owner}, a.UID, acl.Perm(a.Perm)
	}
	host := func(g Grant) (xhost.Client, xhost.Server, int) {
		d, _ := x11.ParseDisplay(g.Host.Display, session.IsSocket)
		return xhost.Client{Display: d, Start: startXhost}, xhost.Server{PID: g.Host.PID, Start: g.Host.Start}, g.Host.UID
	}
	return Table{
		KindACL: {
			IsApplied: func(g Grant) (bool, error) { s, uid, perm := entry(g); return s.Has(uid, perm) },
			Apply:     func(g Grant) error { s, uid, perm := entry(g); return s.Add(uid, perm) },
			Revoke: func(g Grant) error {
				s, uid, perm := entry(g)
				err := s.Remove(uid, perm)
				if errors.Is(err, acl.ErrLeft) {
					return ErrLeft
				}
				return err
			},
		},
		KindHost: {
			IsApplied: func(g Grant) (bool, error) { c, s, uid := host(g); return c.HasUser(s, uid) },
			Apply:     func(g Grant) error { c, s, uid := host(g); return c.AddUser(s, uid) },
			Revoke: func(g Grant) error {
				c, s, uid := host(g)
				if err := c.RemoveUser(s, uid); !errors.Is(err, xhost.ErrEnded) {
					return err
				}
				return nil
			},
		},
	}
}

// grantee is the uid to which the tests grant access.
const grantee = 12345

// listenSockets makes the sockets s0 to s(n-1) in a new directory, which will
// hold the journal, too. It returns grants for each of them.
func listenSockets(t *testing.T, n int) (dir string, grants []Grant) {
	t.Helper()
	dir = headless.Dir(t, headless.User{UID: os.Getuid(), GID: os.Getgid()})
	for i := range n {
		path := filepath.Join(dir, fmt.Sprintf("s%d", i))
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
		grants = append(grants, grantOf(t, path))
	}
	return dir, grants
}

func grantOf(t *testing.T, path string) Grant {
	t.Helper()
	f, err := acl.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return Grant{Kind: KindACL, ACL: &ACL{Path: path, Device: f.Device, Inode: f.Inode, Owner: f.Owner, UID: grantee, Perm: 6}}
}

func openJournal(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := Open(filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func beginLaunch(t *testing.T, j *Journal) *Launch {
	t.Helper()
	l, err := j.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// run runs a program and returns its output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		headless.Must(t, "desktop", err)
	}
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

// socketState is what other programs see of a socket.
type socketState struct {
	acl  string // as getfacl -cn prints it
	mode os.FileMode
}

// permOf returns the permissions in the entry for uid, such as "rw-", or "" if
// there is no such entry.
func (s socketState) permOf(uid int) string {
	for line := range strings.Lines(s.acl) {
		if perm, ok := strings.CutPrefix(line, fmt.Sprintf("user:%d:", uid)); ok {
			return perm[:3]
		}
	}
	return ""
}

// readSockets returns the states of the sockets in dir by name.
func readSockets(t *testing.T, dir string) map[string]socketState {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join(dir, "s*"))
	states := map[string]socketState{}
	for _, p := range paths {
		st, err := os.Stat(p)
		must(t, err)
		states[filepath.Base(p)] = socketState{run(t, "getfacl", "-cpn", p), st.Mode().Perm()}
	}
	return states
}

// expectSockets checks that the sockets in dir are as they were before.
func expectSockets(t *testing.T, dir string, before map[string]socketState, when string) {
	t.Helper()
	if after := readSockets(t, dir); !maps.Equal(before, after) {
		t.Errorf("%s the sockets are\n%+v\nbefore:\n%+v", when, after, before)
	}
}

// expectGranted checks how many sockets in dir have an entry for grantee.
func expectGranted(t *testing.T, dir string, want int) {
	t.Helper()
	states := readSockets(t, dir)
	got := 0
	for _, s := range states {
		if s.permOf(grantee) != "" {
			got++
		}
	}
	if got != want {
		t.Errorf("access to %d sockets is granted, want %d:\n%+v", got, want, states)
	}
}

// expectEmpty checks that no launch is left in the journal.
func expectEmpty(t *testing.T, dir string) {
	t.Helper()
	names, err := os.ReadDir(filepath.Join(dir, "journal"))
	if err != nil || len(names) > 0 {
		t.Errorf("the journal holds %v, %v", names, err)
	}
}

// startXvfb starts an X server.
func startXvfb(t *testing.T) (d x11.Display, s xhost.Server, pid int) {
	t.Helper()
	number, process := headless.Xvfb(t, "-noreset")
	d = x11.Display{Number: number, Screen: -1}
	c, err := (&xhost.Client{Display: d, Start: startXhost}).Connect()
	must(t, err)
	defer c.Close()
	return d, c.Server, process.Pid
}

// waitDead waits until a process has ended or is a zombie.
func waitDead(pid int) error {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return nil
		}
	}
	return fmt.Errorf("process %d does not end", pid)
}
