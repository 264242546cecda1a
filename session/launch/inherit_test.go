package launch

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func itoa(n int) string { return strconv.Itoa(n) }

// A program inherits the same as without chrun: arguments byte for byte, umask,
// descriptors, process group, ids.
func TestInheritance(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		tree := newTree(t)
		tree.seal()
		probe, _ := tools(t)
		words := []string{"report", "", " ", "-c", "--", "a b", "'\"\\$`\n\t", "\xff\xfe", "ä", strings.Repeat("x", 60000)}
		s := setup{Caller: c, Umask: 0o027}
		runReport := func(s setup) *report {
			t.Helper()
			cmd := command(t, s)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			cmd.ExtraFiles = []*os.File{r, nil, w} // 3 and 5
			cmd.Env = append(cmd.Env, "BYTES=\xff'\"$\n =", "EMPTY=", "=weird")
			return wait(t, cmd, []byte{}).report(t)
		}
		s.Argv = append([]string{probe}, words...)
		bare := runReport(s)
		s.Argv, s.Request = nil, tree.request(append([]string{"/bin/probe"}, words...)...)
		got := runReport(s)
		for i, w := range words {
			if i+1 < len(got.Args) && string(got.Args[i+1]) != w {
				t.Errorf("argument %d is %.80q, not %.80q", i+1, got.Args[i+1], w)
			}
		}
		if len(got.Args) != len(words)+1 || string(got.Args[0]) != "/bin/probe" {
			t.Errorf("%d arguments, %q", len(got.Args), got.Args[0])
		}
		if got.Umask != "0027" || got.Umask != bare.Umask {
			t.Errorf("umask %s, without chrun %s", got.Umask, bare.Umask)
		}
		if fds := func(r *report) []string { return slices.Sorted(maps.Keys(r.Files)) }; !reflect.DeepEqual(fds(got), fds(bare)) ||
			got.Files["3"] == "" || got.Files["5"] != got.Files["3"] || got.Files["4"] != "" {
			t.Errorf("descriptors %v, without chrun %v", got.Files, bare.Files)
		}
		if got.UID != bare.UID || got.GID != bare.GID || got.UID != [3]int{c.UID, c.UID, c.UID} {
			t.Errorf("ids %v %v, without chrun %v %v", got.UID, got.GID, bare.UID, bare.GID)
		}
		want, env := bare.env(), got.env()
		for _, name := range []string{"BYTES", "EMPTY", "CALLER"} {
			if v, ok := env[name]; !ok || v != want[name] {
				t.Errorf("%s is %q, not %q", name, v, want[name])
			}
		}
		for name, v := range map[string]string{"HOME": testHome, "USER": "tester", "LOGNAME": "tester", "SHELL": "/bin/sh",
			"PATH": "/usr/local/bin:/usr/bin:/bin", "PWD": "/"} {
			if env[name] != v {
				t.Errorf("%s is %q, not %q", name, env[name], v)
			}
		}
	})
}

// readProcess starts a process, waits until it executes the pause program at
// path, and returns tables from that program's /proc/PID/status and limits.
func readProcess(t *testing.T, s setup, path string) (status, limits map[string]string) {
	t.Helper()
	cmd := command(t, s)
	cmd.Stdin = nil
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	var pid int
	want, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	isProgram := func(p int) bool {
		got, err := os.Stat("/proc/" + itoa(p) + "/exe")
		return err == nil && os.SameFile(got, want)
	}
	waitFor(t, "the program runs", func() bool {
		for _, p := range append(children(cmd), cmd.Process.Pid) {
			if isProgram(p) {
				pid = p
			}
		}
		return pid != 0
	})
	return readTable(t, pid, "status", ":"), readTable(t, pid, "limits", "  ")
}

// children returns the children of a process.
func children(cmd *exec.Cmd) (pids []int) {
	tasks, _ := filepath.Glob("/proc/" + itoa(cmd.Process.Pid) + "/task/*/children")
	for _, task := range tasks {
		data, _ := os.ReadFile(task)
		for _, f := range strings.Fields(string(data)) {
			n, _ := strconv.Atoi(f)
			pids = append(pids, n)
		}
	}
	return pids
}

// readTable reads a file in /proc/PID whose lines have a name and a value.
func readTable(t *testing.T, pid int, file, separator string) map[string]string {
	t.Helper()
	data, err := os.ReadFile("/proc/" + itoa(pid) + "/" + file)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, line := range strings.Split(string(data), "\n") {
		name, value, _ := strings.Cut(line, separator)
		m[name] = strings.Join(strings.Fields(value), " ")
	}
	return m
}

// The program inherits the caller's limits, signal mask and dispositions. It is a
// program without a runtime, which might change them.
func TestLimitsAndSignals(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		tree := newTree(t)
		machine, code := pause(t)
		at := tree.file("bin/pause", elf(machine, code, ""), 0o755)
		s := setup{Caller: c, Umask: 0o077,
			Limits: map[int]unix.Rlimit{unix.RLIMIT_NOFILE: {Cur: 300, Max: 3000}, unix.RLIMIT_CORE: {Cur: 0, Max: 4096},
				unix.RLIMIT_STACK: {Cur: 4 << 20, Max: 64 << 20}},
			Block: []syscall.Signal{unix.SIGUSR1, unix.SIGWINCH, syscall.Signal(40)},
			// The signals whose disposition the Go runtime does not change.
			Ignore: []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGCONT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU},
		}
		s.Argv = []string{at}
		bare, bareLimits := readProcess(t, s, at)
		s.Argv, s.Request = nil, tree.request("pause")
		got, limits := readProcess(t, s, at)
		for _, k := range []string{"SigBlk", "SigIgn", "SigCgt", "Umask", "NoNewPrivs", "Seccomp"} {
			if got[k] != bare[k] || bare[k] == "" {
				t.Errorf("%s is %s, without chrun %s", k, got[k], bare[k])
			}
		}
		if !reflect.DeepEqual(limits, bareLimits) {
			t.Errorf("limits %v, without chrun %v", limits, bareLimits)
		}
		if nofile := limits["Max open files"]; nofile != "300 3000 files" {
			t.Errorf("open files: %s", nofile)
		}
	})
	t.Run("default", func(t *testing.T) {
		c := plain(t)
		tree := newTree(t)
		machine, code := pause(t)
		at := tree.file("bin/pause", elf(machine, code, ""), 0o755)
		bare, bareLimits := readProcess(t, setup{Caller: c, Argv: []string{at}}, at)
		got, limits := readProcess(t, setup{Caller: c, Request: tree.request("pause")}, at)
		for _, k := range []string{"SigBlk", "SigIgn", "SigCgt", "Umask"} {
			if got[k] != bare[k] {
				t.Errorf("%s is %s, without chrun %s", k, got[k], bare[k])
			}
		}
		if got["SigPnd"] != "0000000000000000" { // without chrun, one of the test's Go runtime can be pending
			t.Errorf("signals are pending: %s", got["SigPnd"])
		}
		if !reflect.DeepEqual(limits, bareLimits) {
			t.Errorf("limits %v, without chrun %v", limits, bareLimits)
		}
	})
}

// parseInt parses a decimal number.
func parseInt(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
