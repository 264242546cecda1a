// Package headless starts a desktop without a screen for the tests and the demo:
// a session bus, a Wayland compositor, an X server, and PipeWire with a sink
// whose monitor can be recorded. The servers are the real ones and run as an
// ordinary user.
//
// It never touches a running session: it has its own runtime directory, display
// number and environment, and its session manager opens no sound hardware. Close
// leaves no process, mount or socket.
package headless

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options selects the user of a desktop and its servers. The zero value is a
// session of TestUser without servers.
type Options struct {
	User       User     // default: TestUser
	Home       string   // HOME, created if missing; default: the account's
	Compositor string   // "sway" (has a seat, can be photographed), "weston" (neither) or ""
	X11        bool     // Xvfb, with a cookie
	XArgs      []string // more arguments for Xvfb
	Sound      bool     // pipewire, pipewire-pulse, wireplumber and a null sink; starts a bus too
	Bus        bool     // dbus-daemon --session
	// Private uses a new runtime directory in /tmp even if /run/user/UID is
	// available, which only one session can use at a time.
	Private bool
	Log     string // directory for the servers' output; default: a temporary one
}

// Session is a desktop that runs until Close.
type Session struct {
	User       User
	RuntimeDir string
	Env        []string // the environment of this desktop's programs

	compositor string
	log        string
	id         string // value of CHRUN_HEADLESS in the environment of every process of the session
	fork       chan func()
	servers    []*server // in the order of their start
	undo       []func() error
}

// Start starts a desktop. All its servers answer when Start returns.
func Start(o Options) (_ *Session, err error) {
	if o.User.Name == "" {
		if o.User, err = TestUser(); err != nil {
			return nil, err
		}
	}
	s := &Session{User: o.User, compositor: o.Compositor, fork: make(chan func())}
	go forker(s.fork)
	if err = s.prepare(o); err == nil {
		err = s.startServers(o)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start a headless desktop for %s: %w", o.User.Name, err), s.Close())
	}
	return s, nil
}

// prepare makes the session's directories and its environment.
func (s *Session) prepare(o Options) error {
	dir, release, err := claimRuntimeDir(o.User, o.Private)
	if err != nil {
		return err
	}
	s.RuntimeDir, s.undo = dir, append(s.undo, release)
	if s.log = o.Log; s.log == "" {
		s.log = filepath.Join(s.RuntimeDir, "log")
	}
	home := o.Home
	if home == "" {
		home = o.User.Home
	}
	for _, dir := range []string{s.log, home} {
		if err := o.User.mkdir(dir); err != nil {
			return err
		}
	}
	s.id = fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())
	s.Env = []string{
		"HOME=" + home, "USER=" + o.User.Name, "LOGNAME=" + o.User.Name, "SHELL=/bin/sh",
		"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", "LANG=C.UTF-8",
		"XDG_RUNTIME_DIR=" + s.RuntimeDir, "CHRUN_HEADLESS=" + s.id,
	}
	return nil
}

// startServers starts the servers that o names.
func (s *Session) startServers(o Options) error {
	bus := o.Bus || o.Sound
	for _, step := range []struct {
		needed bool
		start  func() error
	}{
		{bus, s.startBus},
		{o.Compositor != "", s.startCompositor},
		{o.X11, func() error { return s.startX(o.XArgs) }},
		{bus, s.updateActivationEnvironment},
		{o.Sound, s.startSound},
	} {
		if step.needed {
			if err := step.start(); err != nil {
				return err
			}
		}
	}
	return nil
}

// updateActivationEnvironment tells the bus which displays there are, as every
// desktop does: a portal without a display keeps its callers waiting.
func (s *Session) updateActivationEnvironment() error {
	_, err := s.Output("dbus-update-activation-environment", "--all")
	return err
}

// Command is like exec.CommandContext, but the command runs as the session's user
// with its environment, in HOME. When ctx ends, so does its process group.
func (s *Session) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir = s.Env, s.Getenv("HOME")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.User.credential()}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	return cmd
}

// Output runs a command for at most ten seconds and returns its stdout without
// surrounding space. An error includes its stderr.
func (s *Session) Output(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := s.Command(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSpace(string(out)), err
}

// Getenv returns a variable of the session's environment, or "".
func (s *Session) Getenv(name string) string {
	for _, kv := range s.Env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

// Close ends every process of the session and removes its runtime directory.
// It may be called twice.
func (s *Session) Close() error {
	if s == nil || s.fork == nil {
		return nil
	}
	var errs []error
	if s.id != "" {
		s.signal(syscall.SIGTERM) // programs and servers alike
		for i := len(s.servers) - 1; i >= 0; i-- {
			s.servers[i].stop()
		}
		errs = append(errs, until(5*time.Second, func() error {
			if left := s.signal(syscall.SIGKILL); len(left) > 0 {
				return fmt.Errorf("processes %v are still running", left)
			}
			return nil
		}))
	}
	for i := len(s.undo) - 1; i >= 0; i-- {
		errs = append(errs, s.undo[i]())
	}
	close(s.fork)
	s.fork = nil
	return errors.Join(errs...)
}

// signal sends sig to every process of the session and returns their IDs. It
// finds them by their environment: processes that D-Bus activates or that detach
// themselves are not our children and are in other process groups.
func (s *Session) signal(sig syscall.Signal) (pids []int) {
	mark := []byte("CHRUN_HEADLESS=" + s.id + "\x00")
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range environs {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if env, _ := os.ReadFile(file); pid != os.Getpid() && bytes.Contains(env, mark) {
			pids = append(pids, pid)
			syscall.Kill(pid, sig)
		}
	}
	return pids
}

// forker runs the functions that it receives on one thread that lives as long as
// the session, because PDEATHSIG is sent when the thread that forked ends.
func forker(fork <-chan func()) {
	runtime.LockOSThread()
	for f := range fork {
		f()
	}
}

// until calls f until it succeeds or limit has passed, and returns its last error.
func until(limit time.Duration, f func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
