package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/rootfs"
)

// The test binary has three roles: it runs the tests, it prepares a process as a
// caller's shell would (setup), and it launches (request). For the last two it
// runs in a process of its own, because they change the process.
const (
	setupVar   = "CHRUN_TEST_SETUP"
	requestVar = "CHRUN_TEST_REQUEST"
)

func init() { runtime.LockOSThread() } // as cmd/chrun does

func TestMain(m *testing.M) {
	if text := os.Getenv(setupVar); text != "" {
		os.Unsetenv(setupVar)
		prepareCaller(text)
	}
	if text := os.Getenv(requestVar); text != "" {
		launchAndExit(text)
	}
	// nohup(1) and some CI systems ignore SIGHUP. A handler here gives the processes
	// of the tests the default again.
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	status := m.Run()
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	os.Exit(status)
}

// shared has the probe and a copy of the test binary in a directory that every
// user can read.
var shared struct {
	sync.Once
	dir, probe, self string
	err              error
}

// tools returns the paths of the probe and of the test binary.
func tools(t testing.TB) (probe, self string) {
	t.Helper()
	s := &shared
	s.Do(func() {
		if s.dir, s.err = os.MkdirTemp("/tmp", "chrun-launch-"); s.err != nil {
			return
		}
		s.probe, s.self = filepath.Join(s.dir, "probe"), filepath.Join(s.dir, "self")
		build := exec.Command("go", "build", "-buildvcs=false", "-o", s.probe, "./testdata/probe")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := build.CombinedOutput(); err != nil {
			s.err = fmt.Errorf("%w: %s", err, out)
			return
		}
		data, err := headless.TestBinary()
		s.err = errors.Join(err, os.WriteFile(s.self, data, 0o755), os.Chmod(s.self, 0o755), os.Chmod(s.dir, 0o755))
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.probe, s.self
}

// setup describes what a process does to itself before it executes Argv or
// carries out Request.
type setup struct {
	Caller  *caller    // the user to become, or nil
	Groups  []int      // supplementary groups
	Mounts  [][]string // in a private mount namespace: fstype (or bind), source, target, option
	Dir     string
	Umask   int
	Limits  map[int]unix.Rlimit
	Block   []syscall.Signal
	Alarm   bool // alarm(1)
	Ignore  []syscall.Signal
	Argv    []string
	Request *request
	// Watch does the rest in a child, kills that with SIGKILL when it has printed
	// "ready PID", and prints an observation.
	Watch bool
}

type caller struct {
	name     string
	UID, GID int
}

// prepareCaller carries out a setup and replaces the process.
func prepareCaller(text string) {
	var s setup
	must(json.Unmarshal([]byte(text), &s))
	for _, m := range s.Mounts {
		if m[0] == "bind" {
			must(unix.Mount(m[1], m[2], "", unix.MS_BIND, ""))
		} else {
			must(unix.Mount(m[1], m[2], m[0], 0, ""))
		}
		if m[3] == "noexec" {
			must(unix.Mount("", m[2], "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_NOEXEC, ""))
		}
	}
	if s.Watch {
		s.Watch, s.Mounts = false, nil
		watchMounts(&s)
	}
	for which, l := range s.Limits {
		must(unix.Setrlimit(which, &l))
	}
	if s.Caller != nil && os.Getuid() == 0 {
		must(syscall.Setgroups(s.Groups))
		must(syscall.Setresgid(s.Caller.GID, s.Caller.GID, s.Caller.GID))
		must(syscall.Setresuid(s.Caller.UID, s.Caller.UID, s.Caller.UID))
	}
	if s.Dir != "" {
		must(os.Chdir(s.Dir))
	}
	if s.Umask != 0 {
		unix.Umask(s.Umask)
	}
	for _, sig := range s.Ignore {
		rtSigaction(sig, &sigaction{handler: sigIgn}, nil)
	}
	var mask uint64
	sigprocmask(nil, &mask)
	for _, sig := range s.Block {
		mask |= 1 << (sig - 1)
	}
	sigprocmask(&mask, nil)
	if s.Alarm {
		_, err := unix.Setitimer(unix.ITIMER_REAL, unix.Itimerval{Value: unix.Timeval{Sec: 1}})
		must(err)
	}
	if s.Request != nil {
		// Execute the binary again, so that the Go runtime initializes itself
		// with these limits, mask and dispositions, as in chrun.
		data, err := json.Marshal(s.Request)
		must(err)
		os.Setenv(requestVar, string(data))
		s.Argv = []string{shared.self}
		if s.Request.Self != "" {
			s.Argv[0] = s.Request.Self
		}
	}
	must(syscall.Exec(s.Argv[0], s.Argv, os.Environ()))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "chrun-test: setup:", err)
		os.Exit(96)
	}
}

// request is one launch.
type request struct {
	Self       string // the copy of the test binary
	Tree       string
	Argv       [][]byte // nil: the arguments of the process
	Cwd        string
	Home       session.HomeMode
	HomeStore  string
	RuntimeDir string
	Binds      []session.Bind
	Files      []session.File
	Deny       []string
	Network    bool
	NoOverlay  bool
	Relay      session.Path // of a socket inside, whose first client is printed
	Verbose    bool         // print that the overlay was refused
}

const testHome = "/home/tester"

// launchAndExit launches like a small chrun: facts, plan, Run.
func launchAndExit(text string) {
	var r request
	must(json.Unmarshal([]byte(text), &r))
	os.Unsetenv(requestVar)
	root, err := rootfs.Open(rootfs.HostPath(r.Tree))
	must(err)
	status, err := r.launch(root)
	if err != nil {
		code := 125
		var program *ExecError
		if errors.As(err, &program) {
			code = program.Status()
		}
		fmt.Fprintln(os.Stderr, "chrun-test:", err)
		syscall.Exit(code) // not os.Exit: inside the chroot coverage data cannot be written
	}
	os.Exit(Die(status))
}

// launch plans and runs the launch, again without overlay if that is refused.
func (r *request) launch(root *rootfs.Root) (unix.WaitStatus, error) {
	f, err := r.facts(root)
	if err != nil {
		return 0, err
	}
	req := r.planRequest()
	offers := []session.Offer{{Feature: session.Feature{Name: "test"}, Allowed: true, Share: session.Share{Files: r.Files}}}
	env := session.Environment{Keep: func(string, string) (bool, string) { return true, "" },
		Login: []session.Var{{Name: "PATH", Value: "/usr/local/bin:/usr/bin:/bin"}}}
	for {
		plan, err := session.Decide(f, req, offers, env)
		if err != nil {
			return 0, err
		}
		plan.Network = r.Network
		if r.Relay != "" {
			plan.Relays = []session.Relay{{Path: r.Relay}}
		}
		before, _ := json.Marshal(plan)
		status, err := Run(plan, root, r.resources(), func(string) {})
		if after, _ := json.Marshal(plan); string(after) != string(before) {
			return 0, errors.New("Run has changed its plan")
		}
		if err == ErrOverlay && !req.NoOverlay {
			if req.NoOverlay = true; r.Verbose {
				fmt.Fprintln(os.Stderr, "no overlay")
			}
			continue
		}
		return status, err
	}
}

// resources are nil without a relay.
func (r *request) resources() *Resources {
	if r.Relay == "" {
		return nil
	}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(err)
	return &Resources{Tree: -1, RelaySockets: []int{socket}, OnFirstClient: func() { fmt.Fprintln(os.Stderr, "a client") }}
}

func (r *request) facts(root *rootfs.Root) (*session.Facts, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	uid, gid := os.Getuid(), os.Getgid()
	a := account.Account{Name: "tester", UID: uid, GID: gid, Home: testHome, Shell: "/bin/sh"}
	f := &session.Facts{
		Caller: &session.Caller{UID: uid, GID: gid, Env: os.Environ(), Host: "/", Account: a,
			Cwd: session.HostPath(cwd), RuntimeDir: session.HostPath(r.RuntimeDir)},
		Root: root, Name: "test", Account: a, Home: testHome,
		Allowed: func(name string) bool { return !strings.Contains(" "+strings.Join(r.Deny, " ")+" ", " "+name+" ") },
	}
	ic := session.IdentityCase{Caller: f.Caller, Account: a, Known: true}
	if f.Identity, err = ic.Decide(); uid == 0 {
		f.Identity = session.Identity{Kind: session.AsRoot}
	}
	if err != nil {
		return nil, err
	}
	passwd, _ := root.Read("/etc/passwd")
	if data, changed := account.PatchPasswd(passwd, a); changed {
		f.AccountFiles = append(f.AccountFiles, session.File{Path: "/etc/passwd", Data: data})
	}
	return f, nil
}

func (r *request) planRequest() session.Request {
	uid := os.Getuid()
	req := session.Request{Home: r.Home, HomeStore: session.HostPath(r.HomeStore), Binds: r.Binds, Cwd: session.Path(r.Cwd),
		RootInside: uid == 0, NoDesktop: uid == 0, NoOverlay: r.NoOverlay}
	if req.Home == "" {
		req.Home = session.HomeTemporary
	}
	if req.Cwd == "" {
		req.Cwd = "/"
	}
	for _, a := range r.Argv {
		req.Argv = append(req.Argv, string(a))
	}
	if r.Argv == nil {
		req.Argv = os.Args[1:]
	}
	return req
}
