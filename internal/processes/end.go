package processes

import (
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// Patience is how long programs have to end after SIGTERM.
const Patience = 5 * time.Second

// poll is how often End looks again.
const poll = 50 * time.Millisecond

// Ended is what End has done.
type Ended struct {
	Asked  int       // processes that were sent SIGTERM
	Killed int       // processes that were sent SIGKILL
	Left   []Process // those that could not be signalled, or are still there
}

// End ends all processes of a tree: with SIGTERM, and with SIGKILL after patience.
// Before that it stops all of them, until no new one appears, so that none can
// start others meanwhile. Signals go by pidfd, so that no other process is hit that
// has got the number of one that has just ended.
func End(dir rootfs.HostPath, patience time.Duration) (e Ended, err error) {
	trees := []rootfs.HostPath{dir}
	list, err := scanOne(trees, nil)
	if err != nil {
		return e, err
	}
	for _, p := range list {
		if p.signal(unix.SIGTERM) == nil {
			e.Asked++
		}
		p.signal(unix.SIGCONT) // a stopped process does not see the first
	}
	for end := time.Now().Add(patience); len(list) > 0 && time.Now().Before(end); {
		time.Sleep(poll)
		if list, err = scanOne(trees, nil); err != nil {
			return e, err
		}
	}
	if len(list) > 0 {
		if e.Killed, err = kill(trees); err != nil {
			return e, err
		}
	}
	// One empty scan may have missed a process that was being forked.
	for empty, end := 0, time.Now().Add(patience); empty < 3 && time.Now().Before(end); time.Sleep(poll) {
		seen := 0
		end := func(p Process) {
			if seen++; p.signal(unix.SIGKILL) == nil {
				e.Killed++
			}
		}
		if e.Left, err = scanOne(trees, end); err != nil {
			return e, err
		}
		for _, p := range e.Left { // those that belong for another reason, too
			seen++
			p.signal(unix.SIGKILL)
		}
		if empty++; seen > 0 {
			empty = 0
		}
	}
	return e, nil
}

// scanOne calls seen, unless it is nil, for each process as soon as it is found.
func scanOne(trees []rootfs.HostPath, seen func(Process)) ([]Process, error) {
	found, err := newScan(seen).run(trees)
	if err != nil {
		return nil, err
	}
	return found.In[trees[0]], nil
}

// maxRounds is how often kill stops processes: one that forks as fast as that can
// only be limited (RLIMIT_NPROC, pids.max).
const maxRounds = 100

// kill stops all processes, and then kills them.
func kill(trees []rootfs.HostPath) (count int, err error) {
	stopped := map[id]Process{}
	for range maxRounds {
		before := len(stopped)
		stop := func(p Process) {
			killScope(p.scope)
			if _, done := stopped[p.id()]; !done && p.signal(unix.SIGSTOP) == nil {
				stopped[p.id()] = p
			}
		}
		list, err := scanOne(trees, stop)
		if err != nil {
			return 0, err
		}
		for _, p := range list { // those that belong for another reason, too
			stop(p)
		}
		if len(stopped) == before {
			break
		}
	}
	for _, p := range stopped {
		if p.signal(unix.SIGKILL) == nil {
			count++
		}
	}
	return count, nil
}

// id identifies a process for ever: its number and its start time.
type id struct {
	pid   int
	ticks uint64
}

func (p Process) id() id { return id{p.PID, p.ticks} }

// signal sends a signal if the process is still the one that was found.
func (p Process) signal(s unix.Signal) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if now, ok := readStat(p.PID); !ok || now.ticks != p.ticks {
		return unix.ESRCH
	}
	return unix.PidfdSendSignal(fd, s, nil, 0)
}

// isScope reports whether a cgroup is one that chrun has made for a launch.
func isScope(name string) bool {
	return strings.HasPrefix(name, "app-chrun-") && strings.HasSuffix(name, ".scope")
}

// killScope ends all processes of a launch's cgroup at once (since Linux 5.14).
func killScope(scope string) {
	if scope == "" {
		return
	}
	// If it fails, the signals do the same.
	if f, err := os.OpenFile(path.Join("/sys/fs/cgroup", scope, "cgroup.kill"), os.O_WRONLY, 0); err == nil {
		f.WriteString("1")
		f.Close()
	}
}
