package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// Programs of a 32-bit tree see a 32-bit machine, unless the configuration sets
// another personality. Programs of a 64-bit tree see a 64-bit machine.
func TestLinux32(t *testing.T) {
	dir := headless.Chroot32(t)
	d64 := openDesktop(t, headless.Options{})
	d := *d64
	d.chroot = dir
	check := func(want string, r result) {
		t.Helper()
		r.wantOutput(t, "")
		if r.stdout != want {
			t.Errorf("got %q, want %q; stderr: %s", r.stdout, want, r.stderr)
		}
	}
	uname := []string{"uname", "-m"}
	check("i686", d.chrun(both, nil, uname...))
	check("i686\ni686", d.chrun(both, nil, "sh", "-c", "uname -m; sh -c 'uname -m; exit'"))
	check("i686\n/proc/self/exe\n-sh", d.login("uname -m; ls -d /proc/self/exe; echo $0"))
	check("x86_64", d64.chrun(both, nil, uname...))

	conf := filepath.Join(headless.Dir(t, d.User), "chrun", "chroots")
	if err := os.MkdirAll(conf, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"all":  fmt.Sprintf("path = %q\npersonality = 'linux64'\n", dir),
		"app":  fmt.Sprintf("path = %q\n[app.uname]\npersonality = 'linux64'\n", dir),
		"wide": fmt.Sprintf("path = %q\n[app.uname]\npersonality = 'linux32'\n", d64.chroot),
	} {
		if err := os.WriteFile(filepath.Join(conf, name+".toml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	named := mode{"configured", func(env []string) []string {
		return append(without("XDG_CONFIG_HOME")(env), "XDG_CONFIG_HOME="+filepath.Dir(filepath.Dir(conf)))
	}}
	for name, want := range map[string][2]string{"all": {"x86_64", "x86_64"}, "app": {"x86_64", "i686"}, "wide": {"i686", "x86_64"}} {
		d.chroot = name
		check(want[0], d.chrun(named, nil, uname...))
		check(want[1], d.chrun(named, nil, "sh", "-c", "uname -m"))
	}
}

// login runs a script in the account's login shell.
func (d *desk) login(script string) result {
	d.t.Helper()
	cmd := d.Command(d.t.Context(), chrunProgram, "-c", d.chroot)
	cmd.Dir, cmd.Stdin = "/tmp", strings.NewReader(script)
	return runCommand(cmd)
}

// The plan as shell commands sets the personality too.
func TestLinux32Plan(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	d.chroot = headless.Chroot32(t)
	plan := d.chrun(both, []string{"-n=shell"}, "uname", "-m")
	plan.wantOutput(t, "setarch linux32 ")
	script := filepath.Join(headless.Dir(t, d.User), "plan")
	if err := os.WriteFile(script, []byte(plan.stdout+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Output("sh", script); err != nil || got != "i686" {
		t.Errorf("%v: %q", err, got)
	}
	d.chrun(both, []string{"-n"}, "uname", "-m").wantOutput(t, "machine   32-bit")
	d.chroot = headless.Chroot(t)
	for _, flag := range []string{"-n", "-n=shell"} {
		if r := d.chrun(both, []string{flag}, "true"); strings.Contains(r.stdout, "32-bit") || strings.Contains(r.stdout, "linux32") {
			t.Errorf("the plan for a 64-bit tree: %s", r.stdout)
		}
	}
}

// The personality is also set for root, who enters without a user namespace.
func TestLinux32Root(t *testing.T) {
	headless.Root(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for dir, want := range map[string]string{headless.Chroot32(t): "i686\n", headless.Chroot(t): "x86_64\n"} {
		out, err := exec.CommandContext(ctx, chrunProgram, "-q", "-c", dir, "-C", "/", "-u", "root", "uname", "-m").CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%v: got %q, want %q", err, out, want)
		}
	}
}
