// Package test runs chrun as a person does: real programs in a real chroot, on a
// real but headless desktop, as an ordinary user whose uid is not 1000.
package test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// The programs under test, in a directory that the test user can reach.
var chrunProgram, chrunctlProgram string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("/tmp", "chrun-test-bin-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		chrunProgram, chrunctlProgram = filepath.Join(dir, "chrun"), filepath.Join(dir, "chrunctl")
		build := exec.Command("go", "build", "-ldflags", "chrun/cmd/chrun=-E chrun/session/start.entry", "-o", dir, "chrun/cmd/...")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot build chrun:", err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// desk is a desktop with a chroot.
type desk struct {
	*headless.Session
	t      *testing.T
	chroot string
}

func openDesktop(t *testing.T, o headless.Options) *desk {
	chroot := headless.Chroot(t)
	return &desk{headless.Open(t, o), t, chroot}
}

// mode changes the variables that name the desktop in the environment of a launch.
type mode struct {
	name string
	env  func(env []string) []string
}

func without(names ...string) func([]string) []string {
	return func(env []string) []string {
		return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
			name, _, _ := strings.Cut(kv, "=")
			return slices.Contains(names, name)
		})
	}
}

var (
	both    = mode{"both", func(env []string) []string { return env }}
	wayland = mode{"Wayland only", without("DISPLAY", "XAUTHORITY")}
	x11     = mode{"X11 only", without("WAYLAND_DISPLAY")}
	// No variables, as in a cron job. (If a plain user runs the tests, the session
	// cannot have the usual runtime directory and keeps that variable.)
	empty = mode{"env -i", func(env []string) []string {
		return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
			dir, ok := strings.CutPrefix(kv, "XDG_RUNTIME_DIR=")
			return !ok || strings.HasPrefix(dir, "/run/user/")
		})
	}}
)

// result is the result of a program.
type result struct {
	stdout, stderr string
	err            error
	code           int
}

// chrun runs a program in the chroot for at most a minute. The command line is
// flags, "--" and command.
func (d *desk) chrun(m mode, flags []string, command ...string) result {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := runCommand(d.start(ctx, m, flags, command...))
	if ctx.Err() != nil {
		r.err = fmt.Errorf("timeout: %w", r.err)
	}
	return r
}

// runCommand runs a command and returns its result. Blanks around the output are
// removed.
func runCommand(cmd *exec.Cmd) result {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	return result{strings.TrimSpace(out.String()), strings.TrimSpace(errs.String()), err, cmd.ProcessState.ExitCode()}
}

// start returns the command that runs a program in the chroot. It does not start
// it.
func (d *desk) start(ctx context.Context, m mode, flags []string, command ...string) *exec.Cmd {
	args := append([]string{"-c", d.chroot}, flags...)
	cmd := d.Command(ctx, chrunProgram, append(append(args, "--"), command...)...)
	cmd.Env = m.env(cmd.Env)
	cmd.Dir = "/tmp"
	return cmd
}

// wantOutput checks that the program succeeded and printed text, and that chrun
// printed nothing.
func (r result) wantOutput(t *testing.T, text string) {
	t.Helper()
	if r.err != nil || !strings.Contains(r.stdout, text) {
		t.Errorf("%v\nstdout: %.2000s\nstderr: %.2000s\nwant %q", r.err, r.stdout, r.stderr, text)
	}
	if strings.Contains(r.stderr, "chrun:") {
		t.Errorf("chrun is not silent on success: %s", r.stderr)
	}
}

// waitFor calls f until it returns true. It fails the test after limit.
func waitFor(t *testing.T, limit time.Duration, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !f(); {
		if time.Now().After(end) {
			t.Fatalf("timeout after %v: %s", limit, what)
		}
		time.Sleep(30 * time.Millisecond)
	}
}
