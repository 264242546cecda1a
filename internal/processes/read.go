package processes

import (
	"bytes"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// readCandidate returns false if a process has ended, or is a thread of the kernel.
func readCandidate(pid int) (*candidate, bool) {
	stat, ok := readStat(pid)
	if !ok || stat.state == "Z" || stat.state == "X" {
		return nil, false
	}
	var owner unix.Stat_t
	if unix.Stat(proc(pid, ""), &owner) != nil {
		return nil, false
	}
	line, err := os.ReadFile(proc(pid, "cmdline"))
	if err != nil || len(line) == 0 && stat.parent <= 2 {
		return nil, false
	}
	c := &candidate{tree: -1, Process: Process{PID: pid, UID: int(owner.Uid), Program: stat.name, parent: stat.parent,
		ticks: stat.ticks, Since: bootTime().Add(time.Duration(stat.ticks) * time.Second / ticksPerSecond)}}
	for word := range bytes.SplitSeq(bytes.TrimRight(line, "\x00"), []byte{0}) {
		c.Command = append(c.Command, string(word))
	}
	if base := path.Base(c.Command[0]); len(line) > 0 && strings.HasPrefix(base, stat.name) {
		c.Program = base // the kernel keeps 15 bytes
	}
	c.namespace, _ = os.Readlink(proc(pid, "ns/mnt"))
	c.scope = readScope(pid)
	return c, true
}

// ticksPerSecond is USER_HZ, in which /proc counts time.
const ticksPerSecond = 100

type stat struct {
	name, state string
	parent      int
	terminal    int
	ticks       uint64
}

// readStat reads /proc/PID/stat (proc_pid_stat(5)). The name in it may contain
// anything.
func readStat(pid int) (s stat, ok bool) {
	data, err := os.ReadFile(proc(pid, "stat"))
	if err != nil {
		return s, false
	}
	return parseStat(string(data))
}

func parseStat(line string) (s stat, ok bool) {
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return s, false
	}
	f := strings.Fields(line[end+1:]) // from field 3 on
	if len(f) < 20 {
		return s, false
	}
	s.name, s.state = line[open+1:end], f[0]
	var errs [3]error
	s.parent, errs[0] = strconv.Atoi(f[1])
	s.terminal, errs[1] = strconv.Atoi(f[4])
	s.ticks, errs[2] = strconv.ParseUint(f[19], 10, 64)
	return s, errs == [3]error{}
}

// Descendants returns the processes below one, with those that have ended but were
// not waited for.
func Descendants(top int) (list []int) {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, ok := readStat(pid); ok {
			children[s.parent] = append(children[s.parent], pid)
		}
	}
	for pending := []int{top}; len(pending) > 0; {
		pid := pending[0]
		pending = append(pending[1:], children[pid]...)
		list = append(list, children[pid]...)
	}
	return list
}

// bootTime is when the clock of start times began.
var bootTime = sync.OnceValue(func() time.Time {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(now.Nano()))
})

func hasTerminal(pid int) bool {
	s, ok := readStat(pid)
	return ok && s.terminal != 0
}

// hasVariable reports whether a process was started with a variable. It is false
// for those of other users.
func hasVariable(pid int, name string) bool {
	data, _ := os.ReadFile(proc(pid, "environ"))
	return bytes.HasPrefix(data, []byte(name+"=")) || bytes.Contains(data, []byte("\x00"+name+"="))
}

// readScope returns the cgroup that systemd made for a launch from the menu, "" if
// the process is in none.
func readScope(pid int) string {
	data, _ := os.ReadFile(proc(pid, "cgroup"))
	for line := range strings.Lines(string(data)) {
		if p, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok && isScope(path.Base(p)) {
			return p
		}
	}
	return ""
}
