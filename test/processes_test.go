package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// chrunctl ps finds everything that lives in a tree, however it was started, and
// nothing else; chrunctl kill ends all of it.
func TestProcesses(t *testing.T) {
	headless.Root(t)
	d := openSudo(t, headless.Options{})
	d.chroot = mountRenamedTree(t, d.User, "box")
	base := 100000 + 10*int(time.Now().UnixNano()%10000)
	sleep := func(n int) string { return fmt.Sprintf("sleep %d", base+n) }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	start := func(cmd *exec.Cmd) {
		t.Helper()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	}
	for _, script := range []string{
		"exec " + sleep(0),
		"setsid " + sleep(1) + " >/dev/null 2>&1 </dev/null &", // outlives its chrun
		"exec bwrap --unshare-all --dev-bind / / " + sleep(2),
		"exec bwrap --unshare-pid --ro-bind /usr /usr --symlink usr/lib64 /lib64 --symlink usr/lib /lib --proc /proc /usr/bin/" + sleep(3),
		"trap '' TERM; " + sleep(4) + "; :", // does not end when asked to
		"kill -STOP $$; exec " + sleep(5),
	} {
		start(d.start(ctx, both, nil, "sh", "-c", script))
	}
	start(exec.CommandContext(ctx, "chroot", d.chroot, "sh", "-c", "exec "+sleep(6)))
	start(d.asRoot(ctx, chrunProgram, "-c", d.chroot, "-u", "root", "sh", "-c", "exec "+sleep(7)))
	outside := exec.CommandContext(ctx, "sleep", fmt.Sprint(base+8))
	start(outside)

	list := func(cmd *exec.Cmd) (sleeps []string, started map[string]string) {
		t.Helper()
		out, err := cmd.Output()
		var rows []struct {
			PID     int
			Command []string
			Started string
		}
		if err == nil {
			err = json.Unmarshal(out, &rows)
		}
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		started = map[string]string{}
		for _, r := range rows {
			if line := strings.TrimPrefix(strings.Join(r.Command, " "), "/usr/bin/"); strings.HasPrefix(line, "sleep ") {
				sleeps = append(sleeps, line)
				started[line] = r.Started
			}
		}
		slices.Sort(sleeps)
		return sleeps, started
	}
	ps := func() *exec.Cmd { return d.asRoot(t.Context(), chrunctlProgram, "ps", "--json", d.chroot) }
	want := []string{sleep(0), sleep(1), sleep(2), sleep(3), sleep(4), sleep(6), sleep(7)}
	var got []string
	waitFor(t, 20*time.Second, "all programs are listed", func() bool { got, _ = list(ps()); return slices.Equal(got, want) })
	_, started := list(ps())
	for line, how := range map[string]string{sleep(0): "script", sleep(1): "left", sleep(2): "script", sleep(6): "other", sleep(7): "script"} {
		if started[line] != how {
			t.Errorf("%s was started by %q, want %q", line, started[line], how)
		}
	}
	// A person sees their own.
	own, _ := list(d.Command(t.Context(), chrunctlProgram, "ps", "--json", d.chroot))
	for _, line := range want[:5] {
		if !slices.Contains(own, line) {
			t.Errorf("the user does not see %s: %q", line, own)
		}
	}
	if slices.Contains(own, sleep(8)) {
		t.Error("a process of the host is listed")
	}

	if r := runCommand(d.asRoot(t.Context(), chrunctlProgram, "kill", d.chroot)); r.err != nil || !strings.Contains(r.stdout, "none is seen any more") {
		t.Errorf("%+v", r)
	}
	if left, _ := list(ps()); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if line, err := exec.Command("ps", "-o", "args=", "-p", fmt.Sprint(outside.Process.Pid)).Output(); err != nil || !strings.Contains(string(line), sleep(8)) {
		t.Errorf("a process of the host has gone: %v %s", err, line)
	}
}
