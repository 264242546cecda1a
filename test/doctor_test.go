package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chrun/internal/doctor/report"
	"chrun/internal/headless"
)

// doctor runs "chrunctl doctor --json" and returns the report.
func (d *desk) doctor(m mode, words ...string) report.Report {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := d.Command(ctx, chrunctlProgram, append([]string{"doctor", "--json"}, words...)...)
	cmd.Env, cmd.Dir = m.env(cmd.Env), "/tmp"
	return readReport(d.t, runCommand(cmd))
}

// readReport reads the report in the output of a doctor, and checks its status.
func readReport(t *testing.T, r result) (rep report.Report) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.stdout), &rep); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	want := 0
	if rep.HasFailed() {
		want = 1
	}
	if r.code != want || r.stderr != "" {
		t.Errorf("status %d, want %d; stderr %q", r.code, want, r.stderr)
	}
	return rep
}

// failures returns the failed checks of a report as text, for messages.
func failures(rep report.Report) (list []string) {
	for _, c := range rep.Checks {
		if c.Status == report.Failed {
			list = append(list, fmt.Sprintf("%s: %s: %s [%s] %s", c.Feature, c.Step, c.Text, c.Fault, c.Command))
		}
	}
	return list
}

// wantFault checks that the only row that failed is row, because of fault, and
// returns the command that mends it. Rows in also may fail with it.
func wantFault(t *testing.T, rep report.Report, row, fault string, also ...string) (command string) {
	t.Helper()
	found := false
	for _, c := range rep.Checks {
		switch {
		case c.Feature == row && c.Fault == fault && c.Status == report.Failed:
			found, command = true, c.Command
		case c.Status == report.Failed && !slices.Contains(also, c.Feature):
			t.Errorf("%s has failed, too: %s", c.Feature, c.Text)
		}
	}
	if !found {
		t.Errorf("%s does not name %s: %s", row, fault, strings.Join(failures(rep), "\n"))
	}
	return command
}

// On a healthy desktop nothing fails, under every identity, within a second and a
// half, and nothing is left behind.
func TestDoctorHealthy(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Compositor: "sway", X11: true, Sound: true, Bus: true})
	for _, id := range d.identities() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		words := append([]string{"doctor", "--json", "--", "-c", id.tree}, id.flags...)
		cmd := d.Command(ctx, chrunctlProgram, append(words, "--", "true")...)
		cmd.Dir = "/tmp"
		if id.sudo {
			cmd.Env, cmd.SysProcAttr.Credential = d.sudoEnv(), nil
		}
		rep := readReport(t, runCommand(cmd))
		cancel()
		if f := failures(rep); len(f) > 0 {
			t.Errorf("%s: not healthy:\n%s", id.name, strings.Join(f, "\n"))
		}
		t.Logf("%s: %s, %d checks, %d ms", id.name, rep.Identity, len(rep.Checks), rep.Millis)
	}
}

// The doctor needs nothing of the chroot: one that contains only busybox, linked
// statically, will do, and one with another C library.
func TestDoctorBareTrees(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Compositor: "weston", X11: true, Sound: true, Bus: true})
	for name, files := range map[string][]string{
		"busybox": {"bin/busybox"},
		"musl":    {"bin/busybox", "lib/ld-musl-x86_64.so.1", "usr/share/fonts/x.ttf"},
		"empty":   nil,
	} {
		tree := headless.Dir(t, d.User)
		for _, dir := range []string{"bin", "etc", "usr", "lib", "usr/share/fonts"} {
			if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(tree, f), []byte("#!"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		rep := d.doctor(both, tree)
		for _, row := range []string{"wayland", "x11", "pipewire", "session-bus", "launch"} {
			if !slices.ContainsFunc(rep.Checks, func(c report.Check) bool {
				return c.Feature == row && c.Status == report.OK && (c.Step == report.Answers || row == "launch")
			}) {
				t.Errorf("%s: %s does not answer", name, row)
			}
		}
		if name == "musl" && len(failures(rep)) > 0 {
			t.Errorf("%s: %s", name, strings.Join(failures(rep), "\n"))
		}
	}
}

// chrun --doctor takes the flags of the launch that failed, and finds the chrunctl
// beside it.
func TestDoctorHandedOver(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := d.Command(ctx, chrunProgram, "--doctor", "-c", d.chroot, "--deny", "x11", "--", "sh", "-c", "exit 3")
	cmd.Dir = "/tmp"
	r := runCommand(cmd)
	if (r.code != 0 && r.code != 1) || !strings.Contains(r.stdout, "x11") || !strings.Contains(r.stdout, "denied") || strings.Contains(r.stdout, "\x1b") {
		t.Errorf("%+v", r)
	}
	for _, words := range [][]string{{"doctor", "a", "b"}, {"doctor", "--feature", "nonsense"}, {"doctor", "--", "--nonsense"}} {
		if r := runCommand(d.Command(ctx, chrunctlProgram, words...)); r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, "chrunctl: hint: ") {
			t.Errorf("%q: %+v", words, r)
		}
	}
	if r := runCommand(d.Command(ctx, chrunctlProgram, "doctor", "--feature", "fnts", d.chroot)); r.code != 2 || !strings.Contains(r.stderr, "did you mean fonts?") {
		t.Errorf("%+v", r)
	}
	rep := d.doctor(empty, "/nowhere")
	if command := wantFault(t, rep, "launch", "launch"); !strings.Contains(command, "/nowhere") {
		t.Errorf("%q", command)
	}
	if rep = d.doctor(empty, "--feature", "fonts,display", d.chroot); slices.ContainsFunc(rep.Checks, func(c report.Check) bool {
		return !slices.Contains([]string{"fonts", "wayland", "x11", "launch"}, c.Feature)
	}) {
		t.Errorf("%+v", rep.Checks)
	}
}

// A terminal shows a table of 80 columns, and words where it has no symbols.
func TestDoctorTerminal(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	for _, env := range [][]string{{"TERM=xterm", "LC_ALL=C.UTF-8"}, {"TERM=dumb", "LC_ALL=C"}} {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		cmd := d.Command(ctx, "sh", "-c", chrunctlProgram+" doctor "+d.chroot+"; echo end")
		cmd.Env, cmd.Dir = append(without("LANG", "LC_CTYPE")(cmd.Env), env...), "/tmp"
		cmd.SysProcAttr.Setpgid = false // it is a session leader
		term := headless.StartOnTerminal(t, cmd, 20*time.Second)
		term.Resize(24, 80)
		text := term.Expect("end")
		cancel()
		symbols := env[0] == "TERM=xterm"
		if strings.Contains(text, "–") != symbols || strings.Contains(text, "\x1b[") != symbols || strings.Contains(text, "off ") == symbols {
			t.Errorf("%v: %q", env, text)
		}
	}
}

// A launch on a terminal names the doctor if the program died of a fault, or if a
// warning about a feature came first and it failed; an exit status alone says nothing.
func TestDoctorNamed(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	run := func(env []string, words ...string) string {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		line := slices.Concat([]string{chrunProgram, "-c", d.chroot, "-C", "/"}, words)
		cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `"$@"; echo "end $?"`, "sh"}, line...)...)
		cmd.Env, cmd.Dir = append(d.Env, env...), "/"
		cmd.SysProcAttr = d.Command(ctx, "true").SysProcAttr
		cmd.SysProcAttr.Setpgid = false // it is a session leader
		return headless.StartOnTerminal(t, cmd, 20*time.Second).Expect("end ")
	}
	for name, c := range map[string]struct {
		env, words []string
		named      bool
	}{
		"abort":          {nil, []string{"sh", "-c", "kill -ABRT $$"}, true},
		"trap":           {nil, []string{"sh", "-c", "kill -TRAP $$"}, true},
		"segfault":       {nil, []string{"sh", "-c", "kill -SEGV $$"}, false},
		"status":         {nil, []string{"sh", "-c", "exit 1"}, false},
		"quiet":          {nil, []string{"-q", "sh", "-c", "kill -ABRT $$"}, false},
		"dead display":   {[]string{"DISPLAY=:987"}, []string{"xdpyinfo"}, true},
		"no use of it":   {[]string{"DISPLAY=:987"}, []string{"false"}, false},
		"it works still": {[]string{"DISPLAY=:987"}, []string{"sh", "-c", "exit 0"}, false},
	} {
		text := run(c.env, c.words...)
		if got := strings.Contains(text, "chrun --doctor "); got != c.named {
			t.Errorf("%s: named %v\n%s", name, got, text)
		}
	}
}
