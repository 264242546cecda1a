package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"chrun/internal/headless"
)

// The plan as shell commands does what the launch does, if the same person types
// it. If a step fails, the script ends before it runs the program on the host.
func TestShellPlan(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	for _, c := range []struct {
		flags, command []string
	}{
		{nil, []string{"sh", "-c", "id; echo $HOME; cat /etc/os-release; test -d /run/host"}},
		{[]string{"--deny", "network"}, []string{"cat", "/proc/net/dev"}},
		{[]string{"--home", "temporary", "--deny", "tmp,gpu", "-C", "/"}, []string{"ls", "/", "/dev"}},
	} {
		want := d.chrun(both, c.flags, c.command...)
		plan := d.chrun(both, append([]string{"-n=shell"}, c.flags...), c.command...)
		script := filepath.Join(headless.Dir(t, d.User), "plan")
		if err := os.WriteFile(script, []byte(plan.stdout+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := d.Output("sh", script)
		if err != nil || got != want.stdout {
			t.Errorf("%v %v: %v\n%s\nwant\n%s", c.flags, c.command, err, got, want.stdout)
		}
		broken := strings.Replace(plan.stdout, "pivot_root . .", "false", 1)
		if err := os.WriteFile(script, []byte(broken+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Output("sh", script); err == nil || got != "" {
			t.Errorf("a script that cannot enter the chroot printed %q", got)
		}
	}
}

// That holds for each identity that a shell can make. The others say what it cannot.
func TestShellPlanIdentities(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	command := []string{"sh", "-c", "id -u; id -g; pwd; cat /etc/hostname; ls /dev | wc -l; test -w ~ && echo writable"}
	for _, id := range d.identities() {
		plan := id
		plan.flags = append([]string{"-n=shell"}, id.flags...)
		text, err := d.output(plan, nil, command...)
		if err != nil {
			t.Errorf("%s: %v: %s", id.name, err, text)
			continue
		}
		if strings.Contains(id.name, "subid") || id.name == "idmap" {
			if !strings.Contains(text, "# A shell cannot ") {
				t.Errorf("%s: does not say what a shell cannot do:\n%s", id.name, text)
			}
			continue
		}
		want, err := d.output(id, nil, command...)
		if err != nil {
			t.Fatal(err)
		}
		script := filepath.Join(headless.Dir(t, d.User), "plan")
		if err := os.WriteFile(script, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := d.Output("sh", script)
		if id.sudo {
			var out []byte
			out, err = exec.Command("sh", script).CombinedOutput()
			got = strings.TrimSpace(string(out))
		}
		if err != nil || !strings.Contains(got, want) { // xhost prints a line
			t.Errorf("%s: %v\n%s\nwant\n%s\n%s", id.name, err, got, want, text)
		}
	}
}

// Root can deny features, and a denied network does not change the host's loopback.
func TestRootDenies(t *testing.T) {
	headless.Root(t)
	chroot := headless.Chroot(t)
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("unshare", append([]string{"--net", chrunProgram, "-q", "-c", chroot, "-C", "/"}, args...)...).Output()
		if err != nil {
			t.Errorf("%v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	if dev := run("--deny", "network", "cat", "/proc/net/dev"); !strings.Contains(dev, "lo:") {
		t.Errorf("no loopback: %s", dev)
	}
	out, err := exec.Command("unshare", "--net", "sh", "-c", chrunProgram+" -q -c "+chroot+" -C / --deny network true; ip -o link show lo").CombinedOutput()
	if err != nil || strings.Contains(string(out), "LOOPBACK,UP") {
		t.Errorf("the caller's loopback interface is up: %v: %s", err, out)
	}
	if names := run("--deny", "gpu,devices,shm", "ls", "/dev"); strings.Contains(names, "vda") || strings.Contains(names, "kmsg") || !strings.Contains(names, "null") {
		t.Errorf("/dev: %s", names)
	}
}
