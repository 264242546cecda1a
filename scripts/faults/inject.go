package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/trace"
)

// outcome is what came of one launch.
type outcome struct {
	status   unix.WaitStatus
	calls    int
	failed   string // the call that failed
	began    bool   // the program ran before it
	planning bool   // chrun was still making its plan
	hung     bool
	errors   string   // what was printed on stderr
	printed  string   // on stdout, except the report
	kernel   string   // the ids of the program, as the kernel knows them
	report   []string // of the program, nil if it did not run
	left     []string // processes
}

const (
	timeLimit = 20 * time.Second
	endLimit  = 5 * time.Second // for processes that end after chrun
)

// run makes one launch in which the first call fails that choose chooses. If that
// is nil, none fails, and they are not counted.
func (w *world) run(l *launch, choose func(c *trace.Call) bool) (*outcome, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(pair[0])
	unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	unix.SetsockoptInt(pair[1], unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 1<<20)
	stdout := os.NewFile(uintptr(pair[1]), "stdout")
	stderr, err := os.Create(base + "/log/stderr")
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	cmd := l.command(w)
	cmd.Stdout, cmd.Stderr = stdout, stderr

	o := &outcome{}
	tr := o.tracer(l, choose)
	timer := time.AfterFunc(timeLimit, func() {
		o.hung = true
		w.kill(w.processes())
	})
	o.status, err = tr.Run(cmd)
	timer.Stop()
	stdout.Close()
	if err != nil {
		return nil, err
	}
	o.left = w.settle(endLimit)
	o.receive(pair[0])
	data, err := os.ReadFile(base + "/log/stderr")
	o.errors = string(data)
	return o, err
}

// tracer returns what follows a launch and lets the chosen call fail.
func (o *outcome) tracer(l *launch, choose func(c *trace.Call) bool) *trace.Tracer {
	tr := &trace.Tracer{}
	o.planning = true
	started := l.root
	others := repetitions{}
	if choose == nil {
		tr.Release()
	}
	tr.Enter = func(c *trace.Call) *trace.Fault {
		if !started || !mayFail(c) {
			return nil
		}
		if c.Nr == unix.SYS_WRITE && c.Args[0] == 2 && bytes.HasPrefix(c.Bytes(1, 64), []byte("chrun: home: ")) {
			o.planning = false // what is shared is printed once it is decided
		}
		if others.repeats(c) {
			return nil
		}
		o.calls++
		if !choose(c) {
			return nil
		}
		o.failed = processName(c.PID) + ": " + describe(c)
		tr.Release()
		return faultOf(c)
	}
	tr.Exec = func(pid int) bool {
		if !isProgram(pid) {
			started = true // it has become the caller
			return true
		}
		o.began = true
		return false
	}
	return tr
}

// repetitions holds, for each call that sets ids in a process, the thread that made
// it first. The Go runtime makes the others repeat it, and ends the program if one of
// them fails then.
type repetitions map[string]int

// repeats reports whether a call repeats that of another thread.
func (r repetitions) repeats(c *trace.Call) bool {
	switch c.Nr {
	case unix.SYS_SETGROUPS, unix.SYS_SETRESGID, unix.SYS_SETRESUID:
		key := fmt.Sprint(c.PID, c.Nr, c.Args[0])
		if _, known := r[key]; !known {
			r[key] = c.TID
		}
		return r[key] != c.TID
	}
	return false
}

// isProgram reports whether a process executes the program of the launch.
func isProgram(pid int) bool {
	exe, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return false
	}
	return slices.ContainsFunc([]string{systemTree, ownTree}, func(tree string) bool {
		st, err := os.Stat(filepath.Join(tree, "usr/bin", programName))
		return err == nil && os.SameFile(st, exe)
	})
}

func processName(pid int) string {
	words, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	name := strings.Split(string(words), "\x00")
	return strings.Join(name[:min(len(name), 2)], " ")
}

// receive reads what was written to stdout, with the writers' ids.
func (o *outcome) receive(fd int) {
	buf, control := make([]byte, 1<<20), make([]byte, 256)
	for {
		n, size, _, _, err := unix.Recvmsg(fd, buf, control, unix.MSG_DONTWAIT)
		if err != nil || n == 0 {
			return
		}
		text := string(buf[:n])
		if !strings.Contains(text, "\nid tree ") {
			o.printed += text
			continue
		}
		o.report = strings.Split(text, "\n")
		messages, _ := unix.ParseSocketControlMessage(control[:size])
		for _, m := range messages {
			if cred, err := unix.ParseUnixCredentials(&m); err == nil {
				o.kernel = fmt.Sprint("uid ", cred.Uid, ", gid ", cred.Gid)
			}
		}
	}
}

// inject lets each call of a case fail in turn.
func (w *world) inject(l launch, r *row, o options) error {
	j := &judge{world: w, launch: &l, row: r}
	if err := j.learn(); err != nil {
		return err
	}
	r.calls = j.good.calls
	for n := 1; ; n++ {
		if n > min(o.to, r.calls+500) {
			return nil
		}
		if n < o.from || n%o.every != 0 {
			continue
		}
		if err := j.prepare(); err != nil {
			return err
		}
		count := 0
		result, err := w.run(&l, func(*trace.Call) bool { count++; return count == n })
		if err != nil {
			return err
		}
		if result.failed == "" { // the launch made fewer calls
			if n > r.calls {
				return nil
			}
			continue
		}
		r.failed++
		before := *r
		verdicts, err := j.judge(result)
		if err != nil {
			return err
		}
		if len(verdicts) > 0 {
			r.violations++
			text := strings.Join(verdicts, "\n")
			fmt.Printf("%s: call %d: %s\n  %s\n", l.name, n, result.failed, strings.ReplaceAll(text, "\n", "\n  "))
		}
		if o.verbose {
			fmt.Printf("%s: call %d: %s: status %d %s%s\n", l.name, n, result.failed, exitStatus(result.status), outcomeName(before, *r), strings.ReplaceAll(result.missing(j.good), "\n", "\n\t"))
		}
	}
}

func outcomeName(before, after row) string {
	switch {
	case after.refused > before.refused:
		return "refused"
	case after.less > before.less:
		return "with less"
	}
	return "complete"
}
