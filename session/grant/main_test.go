package grant

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/display/x11"
	"chrun/display/x11/hosts"
	"chrun/internal/headless"
	"chrun/session"
	"chrun/session/acl"
)

// The test binary is also a launch, in a process of its own that can be killed.
const launchVar = "CHRUN_TEST_LAUNCH"

func TestMain(m *testing.M) {
	if text := os.Getenv(launchVar); text != "" {
		os.Unsetenv(launchVar)
		var p part
		err := json.Unmarshal([]byte(text), &p)
		if err == nil {
			err = p.play()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// part is what a launch does.
type part struct {
	Dir    string
	Grants []Grant
	Step   string // at which it kills itself
	Nth    int    // the how manieth time, from 0
	Keeper string // "start": hands over to a keeper and kills itself; "be"
}

func (p part) play() error {
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
	table, done := realTable()
	defer done()
	var l *Launch
	if p.Keeper == "be" {
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
	if p.Keeper == "start" {
		cmd := part{Dir: p.Dir, Keeper: "be"}.command()
		cmd.Stdin, cmd.Stdout, cmd.ExtraFiles = os.Stdin, os.Stdout, []*os.File{l.File()}
		if err := cmd.Start(); err != nil {
			return err
		}
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	for _, g := range p.Grants { // nobody has taken it from us
		if has, err := table[g.Kind].Has(g); !has || err != nil {
			return fmt.Errorf("%s is lost: %v", g, err)
		}
	}
	return l.End(table)
}

func (p part) command() *exec.Cmd {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	cmd := exec.Command("/proc/self/exe")
	// The race detector lets each process sleep for a second at its end.
	cmd.Env = append(os.Environ(), launchVar+"="+string(text), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	return cmd
}

// process is a part that is being played.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.Reader
	errors *strings.Builder
}

func start(t *testing.T, p part) *process {
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

// ready waits until the launch has its grants, or is killed.
func (q *process) ready() bool {
	line := make([]byte, 6)
	_, err := io.ReadFull(q.stdout, line)
	return err == nil
}

// end lets the launch end, and says whether it was killed.
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

// realTable is how the two kinds are done; done closes what it keeps open.
func realTable() (table Table, done func()) {
	entry := func(g Grant) (acl.Socket, int, acl.Perm) {
		a := g.ACL
		return acl.Socket{Path: a.Path, Device: a.Device, Inode: a.Inode, Owner: a.Owner}, a.UID, acl.Perm(a.Perm)
	}
	var conns []*hosts.Conn
	dial := func(g Grant) (*hosts.Conn, error) {
		d, err := x11.ParseDisplay(g.Host.Display, session.IsSocket)
		if err != nil {
			return nil, err
		}
		var cookie []byte
		if g.Host.Cookie != "" {
			entries, err := x11.ReadAuthority(session.HostPath(g.Host.Cookie), x11.AnyOwner, 0)
			if err != nil {
				return nil, err
			}
			for _, e := range x11.Select(entries, d, "", "") {
				cookie = []byte(e.Data)
			}
		}
		c, err := hosts.Server{PID: g.Host.PID, Start: g.Host.Start}.Dial(d, cookie)
		if err == nil {
			conns = append(conns, c)
		}
		return c, err
	}
	table = Table{
		KindACL: {
			Has:  func(g Grant) (bool, error) { s, uid, perm := entry(g); return s.Has(uid, perm) },
			Do:   func(g Grant) error { s, uid, perm := entry(g); return s.Add(uid, perm) },
			Undo: func(g Grant) error { s, uid, perm := entry(g); return s.Remove(uid, perm) },
		},
		KindHost: {
			Has: func(g Grant) (bool, error) {
				c, err := dial(g)
				if err != nil {
					return false, err
				}
				list, _, err := c.List()
				for _, h := range list {
					if h == hosts.LocalUser(g.Host.UID) {
						return true, err
					}
				}
				return false, err
			},
			Do: func(g Grant) error {
				c, err := dial(g)
				if err != nil {
					return err
				}
				return c.Add(hosts.LocalUser(g.Host.UID))
			},
			Undo: func(g Grant) error {
				c, err := dial(g)
				if errors.Is(err, hosts.ErrGone) {
					return nil
				} else if err != nil {
					return err
				}
				return c.Remove(hosts.LocalUser(g.Host.UID))
			},
		},
	}
	return table, func() {
		for _, c := range conns {
			c.Close()
		}
	}
}

// sockets makes n sockets that somebody listens on, in a directory whose
// journal is beside them, and the grants of each to uid 12345.
func sockets(t *testing.T, n int) (dir string, grants []Grant) {
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
	return Grant{Kind: KindACL, ACL: &ACL{Path: path, Device: f.Device, Inode: f.Inode, Owner: f.Owner, UID: 12345, Perm: 6}}
}

func open(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := Open(filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func begin(t *testing.T, j *Journal) *Launch {
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

// look is what others see of the sockets in dir: ACLs and modes.
func look(t *testing.T, dir string) string {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join(dir, "s*"))
	return run(t, "getfacl", append([]string{"-pn"}, paths...)...) + run(t, "stat", append([]string{"-c%n %a"}, paths...)...)
}

// clean says that the journal in dir holds nothing.
func clean(t *testing.T, dir string) {
	t.Helper()
	names, err := os.ReadDir(filepath.Join(dir, "journal"))
	if err != nil || len(names) > 0 {
		t.Errorf("the journal holds %v, %v", names, err)
	}
}

// xvfb starts an X server and returns its display and pid.
func xvfb(t *testing.T) (x11.Display, int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("Xvfb", "-noreset", "-displayfd", "3", "-nolisten", "tcp", "-screen", "0", "64x64x24")
	cmd.ExtraFiles = []*os.File{w}
	headless.Must(t, "desktop", cmd.Start())
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
	w.Close()
	r.SetReadDeadline(time.Now().Add(20 * time.Second))
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal("Xvfb did not start:", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return x11.Display{Number: n, Screen: -1}, cmd.Process.Pid
}

// untilGone waits until a process has ended, whether or not it was waited for.
func untilGone(pid int) error {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return nil
		}
	}
	return fmt.Errorf("process %d does not end", pid)
}
