package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/internal/headless"
)

// Among 50 launches, Firefox, Chromium, nested bwrap and a plain chroot, chrunctl ps
// lists exactly the programs' processes, sandboxed ones too. chrunctl kill leaves none.
func TestProcessesOfBrowsers(t *testing.T) {
	d := openSudo(t, headless.Options{Compositor: "sway", X11: true, Bus: true})
	d.chroot = mountRenamedTree(t, d.User, "box")
	ctx, cancel := context.WithCancel(context.Background())
	var started []*exec.Cmd
	start := func(cmd *exec.Cmd) {
		t.Helper()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		started = append(started, cmd)
	}
	t.Cleanup(func() {
		cancel()
		for _, cmd := range started {
			cmd.Wait()
		}
	})
	nested := []string{"bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"}
	for i := range 50 {
		words := []string{"sleep", "3600"}
		if i%10 == 0 {
			words = append(slices.Clone(nested), words...)
		}
		start(d.start(ctx, both, nil, words...))
	}
	start(exec.CommandContext(ctx, "chroot", d.chroot, "sleep", "3600"))
	plain := len(started) - 1
	for _, b := range browsers {
		profile := headless.Dir(t, d.User)
		option := map[string][]string{"firefox": {"--profile", profile}, "chromium": {"--user-data-dir=" + profile}}[b.name]
		page := filepath.Join(profile, "page.html")
		writeFile(t, page, "<title>chrun "+b.name+"</title>")
		start(d.start(ctx, wayland, nil, slices.Concat(b.command, option, []string{"file://" + page})...))
	}
	for _, b := range browsers {
		waitFor(t, time.Minute, b.name, func() bool { return strings.Contains(d.windows(), "chrun "+b.name) })
	}
	// What descends from the launches, without chrun itself.
	known := func() (pids []int) {
		for i, cmd := range started {
			below := descendants(cmd.Process.Pid)
			if i != plain {
				below = below[1:]
			}
			pids = append(pids, below...)
		}
		return pids
	}
	listed := func() (pids []int) {
		r := runCommand(d.asRoot(t.Context(), chrunctlProgram, "ps", "--json", d.chroot))
		var rows []struct{ PID int }
		if err := json.Unmarshal([]byte(r.stdout), &rows); err != nil {
			t.Fatalf("%+v", r)
		}
		for _, row := range rows {
			pids = append(pids, row.PID)
		}
		return pids
	}
	var seen []int
	difference := ""
	compare := func() bool {
		before := known()
		seen = listed()
		after := known()
		difference = ""
		for _, pid := range before {
			if !slices.Contains(seen, pid) && slices.Contains(after, pid) {
				difference += fmt.Sprintf("not listed: %s\n", describeProcess(pid))
			}
		}
		for _, pid := range seen {
			// The browsers' crash handlers leave their parents.
			line := describeProcess(pid)
			if !slices.Contains(append(before, after...), pid) && !strings.Contains(line, "crash") && isAlive(pid) {
				difference += "listed: " + line + "\n"
			}
		}
		return difference == ""
	}
	end := time.Now().Add(10 * time.Second)
	for !compare() && time.Now().Before(end) {
		time.Sleep(100 * time.Millisecond)
	}
	if difference != "" || len(seen) < 50+5+10 {
		t.Errorf("%d processes are listed\n%s", len(seen), difference)
	}
	own := listed()
	if slices.Contains(own, os.Getpid()) || slices.Contains(own, started[0].Process.Pid) {
		t.Error("a process of the host is listed")
	}

	last := append(known(), own...)
	if r := runCommand(d.asRoot(t.Context(), chrunctlProgram, "kill", d.chroot)); r.err != nil || !strings.Contains(r.stdout, "none is seen any more") {
		t.Errorf("%+v", r)
	}
	for _, pid := range last {
		if isAlive(pid) {
			t.Errorf("left: %s", describeProcess(pid))
		}
	}
	if left := listed(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// descendants returns a process and all below it.
func descendants(pid int) []int {
	pids := []int{pid}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		data, _ := os.ReadFile(task)
		for _, word := range strings.Fields(string(data)) {
			child, _ := strconv.Atoi(word)
			pids = append(pids, descendants(child)...)
		}
	}
	return pids
}

func describeProcess(pid int) string {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return fmt.Sprintf("%d %.100q", pid, line)
}

// isAlive reports whether a process runs: a zombie does not.
func isAlive(pid int) bool {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return syscall.Kill(pid, 0) == nil && !strings.Contains(string(data), "State:\tZ")
}
