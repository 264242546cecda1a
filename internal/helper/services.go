package helper

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"chrun/display/x11/xhost"
	"chrun/internal/grants"
	"chrun/session"
	"chrun/session/grant"
	"chrun/session/launch"
	"chrun/session/rootfs"
)

// Services are the helper processes of one launch.
type Services struct {
	launch.Resources
	plan   *session.Plan
	env    session.Environ // the desktop user's
	warn   func(text string)
	relays int    // tells the relays when the launch ends; -1 once they have it, or if there are none
	alive  [2]int // a pipe that this process holds open
}

// Prepare makes the sockets of the relays and makes the grants of the plan, before
// the program starts. root is the tree; tree is the descriptor of an idmapped tree, or -1; env is
// the desktop user's environment. warn is told what an earlier launch has left.
func Prepare(plan *session.Plan, root *rootfs.Root, tree int, env session.Environ, warn func(text string)) (s *Services, err error) {
	s = &Services{Resources: launch.Resources{Tree: tree}, plan: plan, env: env, warn: warn, relays: -1}
	files := launch.TreeFiles(plan)
	tidies := plan.Identity.Kind == session.AsRoot && len(files) > 0
	if len(plan.Relays) == 0 && len(plan.Admissions) == 0 && !tidies {
		return s, nil
	}
	if err := unix.Pipe2(s.alive[:], unix.O_CLOEXEC); err != nil {
		return nil, &launch.SetupError{Step: launch.StepHelper, What: "start a helper process", Err: os.NewSyscallError("pipe2", err)}
	}
	if len(plan.Relays) > 0 {
		if err := s.listen(); err != nil {
			return nil, &launch.SetupError{Step: launch.StepRelay, What: "share a bus", Err: err}
		}
	}
	if tidies {
		if err := s.startTidying(root, files); err != nil {
			return nil, &launch.SetupError{Step: launch.StepHelper, What: "start a helper process", Err: err}
		}
	}
	if len(plan.Admissions) > 0 {
		if err := s.grant(); err != nil {
			return nil, &launch.SetupError{Step: launch.StepGrant, What: fmt.Sprintf("grant uid %d access to the desktop", plan.Identity.UID), Err: err}
		}
	}
	return s, nil
}

// listen makes the relays' sockets. The helper that serves them starts when the
// first client connects, or when a process of the launch outlives the first one;
// if root becomes the program, it starts at once.
func (s *Services) listen() (err error) {
	for range s.plan.Relays {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		s.RelaySockets = append(s.RelaySockets, fd)
	}
	if s.relays, err = launch.NewEndWatch(); err != nil {
		return err
	}
	s.EndWatches = append(s.EndWatches, s.relays)
	if s.plan.Identity.Kind == session.AsRoot {
		return s.startRelays()
	}
	s.OnFirstClient = func() { s.startRelays() }
	return nil
}

// grant gives the program access to the desktop. The helper that revokes it runs
// before the first change, and each change is in the journal before it is made.
func (s *Services) grant() error {
	journal, err := grants.Open()
	if err != nil {
		return err
	}
	defer journal.Close()
	table := grants.Table(StartXhost)
	if err := journal.Sweep(table); err != nil {
		s.warn(fmt.Sprintf("cannot clean up after an earlier launch: %v", err))
	}
	entry, err := journal.Begin()
	if err != nil {
		return err
	}
	started := false
	defer func() {
		if started {
			entry.Close() // the helper holds it
		} else {
			entry.End(table) // it is empty
		}
	}()
	end, err := launch.NewEndWatch()
	if err != nil {
		return err
	}
	s.EndWatches = append(s.EndWatches, end)
	id := s.plan.Identity
	words := []string{"revoke", strconv.Itoa(s.plan.CallerUID), strconv.Itoa(id.UID)}
	files := []int{end, s.alive[0], int(entry.File().Fd())}
	servers := map[string]xhost.Server{} // by display
	for _, a := range s.plan.Admissions {
		if a.Socket != "" {
			words = append(words, string(a.Socket), string(a.Dest))
			continue
		}
		// A server may reset its list when its last client leaves, so the helper
		// stays connected.
		c, err := grants.Connect(a.Display, s.plan.CallerUID, StartXhost)
		if err != nil {
			return fmt.Errorf("%s: %w", a.Why, err)
		}
		defer c.Close()
		files, servers[a.Display] = append(files, int(c.File.Fd())), c.Server
	}
	if _, err := Start(files, nil, nil, words...); err != nil {
		return err
	}
	started = true
	return s.admit(entry, table, servers)
}

// admit makes the grants. servers are the X servers by display.
func (s *Services) admit(entry *grant.Launch, table grant.Table, servers map[string]xhost.Server) error {
	id := s.plan.Identity
	for _, a := range s.plan.Admissions {
		g, err := grants.ForDisplay(a.Display, servers[a.Display], id.UID), error(nil)
		if a.Socket != "" {
			g, err = grants.ForAdmission(a, s.plan.CallerUID, id.UID)
		}
		if err == nil {
			err = entry.Grant(table, g)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", a.Why, err)
		}
	}
	return nil
}

// startRelays hands the sockets over to a helper that runs as the desktop user.
func (s *Services) startRelays() error {
	if s.relays < 0 {
		return nil
	}
	id := s.plan.Identity
	files, words := append([]int{s.relays, s.alive[0]}, s.RelaySockets...), []string{"relay", strconv.Itoa(id.InsideUID), strconv.Itoa(id.UID)}
	var env []string
	for _, r := range s.plan.Relays {
		if r.OpenServer {
			words, env = append(words, opensWord), s.env
			continue
		}
		if r.Raw {
			words = append(words, plainWord+r.Bus)
			continue
		}
		words = append(words, r.Bus)
	}
	var cred *syscall.Credential
	if id.RootMounts() {
		cred = credential(s.plan.CallerUID, s.plan.CallerGID, s.plan.Groups)
	}
	_, err := Start(files, cred, env, words...)
	if id.Kind != session.AsRoot { // root itself needs them to start the program
		for _, fd := range files {
			unix.Close(fd)
		}
	}
	s.relays = -1
	return err
}

// End is called when the first process has ended, or could not be started.
func (s *Services) End() {
	if s.relays >= 0 && !launch.HasEnded(s.relays) {
		s.startRelays()
	}
}
