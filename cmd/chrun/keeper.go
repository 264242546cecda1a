package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"chrun/internal/grants"
	"chrun/desktop/bridge"
	"chrun/session"
	"chrun/session/launch"
	"chrun/session/relay"
)

// A keeper is a process of chrun's own that does for a launch what must go on
// when chrun has ended: it is this program under another name, with nothing but
// the descriptors that it is given. It ends when the launch's mount namespace has
// gone, which is when its last process has.
const keeperName = "chrun-keeper"

// keeper starts one, under cred if that is not nil, with env; files are its
// descriptors from firstFile on. The caller may wait for it.
func keeper(files []int, cred *syscall.Credential, env []string, words ...string) (pid int, err error) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(null)
	attr := &syscall.ProcAttr{Dir: "/", Env: env, Files: []uintptr{uintptr(null), uintptr(null), uintptr(null)},
		Sys: &syscall.SysProcAttr{Setsid: true, Credential: cred}}
	for _, fd := range files {
		attr.Files = append(attr.Files, uintptr(fd))
	}
	return syscall.ForkExec("/proc/self/exe", append([]string{keeperName}, words...), attr)
}

// keep is a keeper's main. It returns the exit status.
func keep(words []string) int {
	switch {
	case len(words) == 1 && words[0] == "probe":
		if launch.Probe() != nil {
			return 1
		}
		return 0
	case len(words) == 3 && words[0] == "note":
		return keepNote(words[1], words[2])
	case len(words) > 3 && words[0] == "relay":
		return keepRelays(words[1:])
	case len(words) > 2 && words[0] == "undo":
		return keepGrants(words[1:])
	}
	return 125
}

// keepRelays serves buses until the launch has ended. Its words are the uid that
// clients claim, the one that they have, and where each bus listens; its
// descriptors the launch's end, chrun's pipe and the listening sockets.
func keepRelays(words []string) int {
	inside, err1 := strconv.Atoi(words[0])
	peer, err2 := strconv.Atoi(words[1])
	if errors.Join(err1, err2) != nil {
		return 125
	}
	listens := func() bool {
		on, err := unix.GetsockoptInt(firstFile+2, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		return err == nil && on == 1
	}
	if !listens() { // root is not inside yet
		unix.Poll([]unix.PollFd{{Fd: firstFile + 1}}, -1)
		if !listens() {
			return 0
		}
	}
	stop := make(chan struct{})
	var relays sync.WaitGroup
	for i, bus := range words[2:] {
		if bus == opensWord {
			b := &bridge.Server{Listener: firstFile + 2 + i, Peer: peer, Env: os.Environ()}
			go b.Serve(stop) // what it has started need not end with the launch
			continue
		}
		r := &relay.Relay{Listener: firstFile + 2 + i, Peer: peer, Inside: inside, Outside: os.Getuid()}
		var plain bool
		if r.Bus, plain = strings.CutPrefix(bus, plainWord); plain {
			r.Inside = r.Outside // nothing is rewritten
		}
		relays.Go(func() { r.Serve(stop) })
	}
	launch.WaitEnd(firstFile, firstFile+1, -1, nil)
	close(stop)
	relays.Wait()
	return 0
}

// plainWord marks a server that is no bus, opensWord is chrun's own.
const (
	plainWord = "plain:"
	opensWord = "opens"
)

// firstFile is the first descriptor of a keeper's own.
const firstFile = 3

// services are what runs beside a launch.
type services struct {
	*launch.Services
	plan   *session.Plan
	env    session.Environ // of the desktop
	relays int             // the end of the launch, for the relays; -1 once they have it, or if there are none
	alive  [2]int          // a pipe that this process holds open
}

// serve prepares them: sockets and what hears of the end, before the program
// starts. Nothing on the host is changed by that.
func (l *launchRequest) serve(plan *session.Plan) (s *services, err error) {
	s = &services{Services: &launch.Services{Tree: l.role.tree}, plan: plan, env: l.facts.Caller.Env, relays: -1}
	if len(plan.Relays) == 0 && len(plan.Admit) == 0 {
		return s, nil
	}
	if err := unix.Pipe2(s.alive[:], unix.O_CLOEXEC); err != nil {
		return nil, &launch.SetupError{Step: launch.StepHelper, What: "start a keeper", Err: os.NewSyscallError("pipe2", err)}
	}
	if len(plan.Relays) > 0 {
		if err := s.listen(); err != nil {
			return nil, &launch.SetupError{Step: launch.StepRelay, What: "share a bus", Err: err}
		}
	}
	if len(plan.Admit) > 0 {
		if err := s.admit(); err != nil {
			return nil, &launch.SetupError{Step: launch.StepGrant, What: fmt.Sprintf("let uid %d into the desktop", plan.Identity.UID), Err: err}
		}
	}
	return s, nil
}

// listen makes the relays' sockets. What serves them is started when the first
// client comes, or when something of the launch outlives its first process; but
// at once where root becomes the program.
func (s *services) listen() (err error) {
	for range s.plan.Relays {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		s.Buses = append(s.Buses, fd)
	}
	if s.relays, err = launch.NewEnd(); err != nil {
		return err
	}
	s.Ends = append(s.Ends, s.relays)
	if s.plan.Identity.Kind == session.AsRoot {
		return s.startRelays()
	}
	s.Clients = func() { s.startRelays() }
	return nil
}

// admit lets the program into the desktop. The keeper that takes that back is
// there before the first change, and each change is in the journal before it is
// made.
func (s *services) admit() error {
	journal, err := grants.Open()
	if err != nil {
		return err
	}
	defer journal.Close()
	if err := journal.Sweep(grants.Table); err != nil {
		fmt.Fprintln(os.Stderr, "chrun: cannot take back what an earlier launch has left:", err)
	}
	entry, err := journal.Begin()
	if err != nil {
		return err
	}
	defer entry.Close() // the keeper has it
	end, err := launch.NewEnd()
	if err != nil {
		return err
	}
	s.Ends = append(s.Ends, end)
	id := s.plan.Identity
	words := []string{"undo", strconv.Itoa(s.plan.CallerUID), strconv.Itoa(id.UID)}
	files := []int{end, s.alive[0], int(entry.File().Fd())}
	for _, a := range s.plan.Admit {
		if a.Socket != "" {
			words = append(words, string(a.Socket), string(a.Dest))
			continue
		}
		// A server may forget its list when its last client leaves: the keeper
		// is one.
		c, err := grants.Connect(a.Display, s.plan.CallerUID)
		if err != nil {
			return fmt.Errorf("%s: %w", a.Why, err)
		}
		defer c.Close()
		files = append(files, c.FD())
	}
	if _, err := keeper(files, nil, nil, words...); err != nil {
		return err
	}
	for _, a := range s.plan.Admit {
		g, err := grants.For(a, s.plan.CallerUID, id.UID)
		if err == nil {
			err = entry.Grant(grants.Table, g)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", a.Why, err)
		}
	}
	return nil
}

// startRelays hands the sockets over to a keeper that runs as the desktop's user.
func (s *services) startRelays() error {
	if s.relays < 0 {
		return nil
	}
	id := s.plan.Identity
	files, words := append([]int{s.relays, s.alive[0]}, s.Buses...), []string{"relay", strconv.Itoa(id.ShownUID), strconv.Itoa(id.UID)}
	var env []string
	for _, r := range s.plan.Relays {
		if r.Opens {
			words, env = append(words, opensWord), s.env
			continue
		}
		if r.Plain {
			words = append(words, plainWord+r.Bus)
			continue
		}
		words = append(words, r.Bus)
	}
	var cred *syscall.Credential
	if id.Mounted() {
		cred = &syscall.Credential{Uid: uint32(s.plan.CallerUID), Gid: uint32(s.plan.CallerGID), Groups: groups32(s.plan.Groups)}
	}
	_, err := keeper(files, cred, env, words...)
	if id.Kind != session.AsRoot { // which needs them yet, to begin
		for _, fd := range files {
			unix.Close(fd)
		}
	}
	s.relays = -1
	return err
}

// end is called when the first process has ended, or could not be started.
func (s *services) end() {
	if s.relays >= 0 && !launch.Ended(s.relays) {
		s.startRelays()
	}
}
