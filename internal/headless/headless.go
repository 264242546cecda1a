// Package headless starts a desktop without a screen for the tests and the demo:
// a session bus, a Wayland compositor, an X server, and PipeWire with a sink
// whose monitor can be recorded. They run as an ordinary user.
//
// It never touches a running session: the runtime directory, the display number
// and the environment are its own, and its session manager opens no sound
// hardware. Close leaves no process, mount or socket behind. The servers are the
// real ones.
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

// Options says whose desktop is started and what it has. The zero value is a
// session of TestUser without any server.
type Options struct {
	User       User     // whose session; the zero value: TestUser
	Home       string   // HOME, made when it is missing; "": the account's
	Compositor string   // "sway" (has a seat, can be photographed), "weston" (has neither) or ""
	X11        bool     // Xvfb, with a cookie
	XArgs      []string // more arguments for Xvfb
	Sound      bool     // pipewire, pipewire-pulse, wireplumber and a null sink; needs, so gives, Bus
	Bus        bool     // dbus-daemon --session
	// Private takes a runtime directory of its own in /tmp, although
	// /run/user/UID could be had. Only one session at a time has that one.
	Private bool
	Log     string // directory for the servers' output; "": forgotten at Close
}

// Session is a desktop that runs until Close.
type Session struct {
	User       User
	RuntimeDir string
	Env        []string // what a program of this desktop finds in its environment

	compositor string
	log        string
	id         string // CHRUN_HEADLESS: every process of the session has it
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
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("cannot start a headless desktop for %s: %w", o.User.Name, err), s.Close())
		}
	}()

	if err := s.prepare(o); err != nil {
		return nil, err
	}
	if err := s.startServers(o); err != nil {
		return nil, err
	}
	return s, nil
}

// prepare makes the session's directories and its environment.
func (s *Session) prepare(o Options) error {
	var release func() error
	var err error
	if s.RuntimeDir, release, err = claim(o.User, o.Private); err != nil {
		return err
	}
	s.undo = append(s.undo, release)
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

func (s *Session) startServers(o Options) error {
	if o.Bus || o.Sound {
		if err := s.startBus(); err != nil {
			return err
		}
	}
	if o.Compositor != "" {
		if err := s.startCompositor(); err != nil {
			return err
		}
	}
	if o.X11 {
		if err := s.startX(o.XArgs); err != nil {
			return err
		}
	}
	if o.Bus || o.Sound {
		// As every session does, so that services that the bus starts find the
		// displays: a portal without one keeps its callers waiting.
		if _, err := s.Output("dbus-update-activation-environment", "--all"); err != nil {
			return err
		}
	}
	if o.Sound {
		return s.startSound()
	}
	return nil
}

// Command is exec.CommandContext as the session's user, in the session's
// environment and the user's home. The end of ctx ends its process group.
func (s *Session) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir = s.Env, s.Getenv("HOME")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.User.credential()}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	return cmd
}

// Output runs a command for at most ten seconds and returns what it wrote on
// stdout; an error has what it wrote on stderr.
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
				return fmt.Errorf("processes %v do not end", left)
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

// signal sends sig to every process of the session and returns their ids.
// They are known by their environment, because what D-Bus activates or what
// detaches itself is no child of ours and in no group that we know.
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

// forker runs what is sent to it on one thread that lives as long as the
// session: PDEATHSIG is sent when the thread that forked ends.
func forker(fork <-chan func()) {
	runtime.LockOSThread()
	for f := range fork {
		f()
	}
}

// until calls f until it succeeds, and returns its error when time is up.
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
