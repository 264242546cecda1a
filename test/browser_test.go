package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/internal/headless"
	"chrun/session"
)

var browsers = []struct {
	name    string
	command []string
	child   string // part of the command line of a process that renders pages
}{
	{"firefox", []string{"firefox-esr", "--no-remote"}, "-contentproc"},
	{"chromium", []string{"chromium", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--disable-quic", "--password-store=basic"}, "--type=renderer"},
}

// Firefox and Chromium open a window on Wayland and on X11 with their own sandboxes
// enabled: the processes that render pages filter system calls, and are in user
// namespaces of their own inside that of the launch.
func TestBrowsers(t *testing.T) {
	d := openDesktop(t, headless.Options{Compositor: "sway", X11: true, Bus: true})
	page := filepath.Join(headless.Dir(t, d.User), "page.html")
	if err := os.WriteFile(page, []byte("<title>chrun page</title><h1>Hello from the chroot</h1>"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, b := range browsers {
		for _, m := range []mode{wayland, x11, both, empty} {
			t.Run(b.name+"/"+m.name, func(t *testing.T) {
				d := &desk{d.Session, t, d.chroot}
				d.checkBrowser(b.command, b.child, page, func(ctx context.Context, words ...string) *exec.Cmd {
					return d.start(ctx, m, nil, words...)
				})
			})
		}
	}
}

// The filter of launches that root has started (TIOCSTI) leaves the sandboxes of
// browsers and of bwrap as they are.
func TestSandboxesBySudo(t *testing.T) {
	s := openStage(t, headless.Options{Compositor: "sway", X11: true, Bus: true})
	chrun := func(words ...string) []string {
		return bySudo.words(s, append([]string{chrunProgram, "-q", "-c", s.chroot, "-C", "/"}, words...)...)
	}
	const script = `grep -H '^Seccomp_filters' /proc/self/status; readlink /proc/self/ns/user; `
	r := s.run("/tmp", chrun("sh", "-c", script+"exec bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev sh -c "+session.Quote(script))...)
	out := strings.Fields(r.stdout)
	if r.err != nil || len(out) != 6 || out[1] != "1" || out[4] != "1" || out[2] == out[5] {
		t.Errorf("bwrap: %+v", r)
	}
	page := filepath.Join(headless.Dir(t, s.User), "page.html")
	writeFile(t, page, "<title>chrun page</title>")
	for _, b := range browsers {
		t.Run(b.name, func(t *testing.T) {
			d := &desk{s.Session, t, s.chroot}
			d.checkBrowser(b.command, b.child, page, func(ctx context.Context, words ...string) *exec.Cmd {
				return s.command(ctx, "/tmp", chrun(words...)...)
			})
		})
	}
}

func (d *desk) checkBrowser(command []string, child, page string, start func(ctx context.Context, words ...string) *exec.Cmd) {
	t := d.t
	profile := headless.Dir(t, d.User)
	preferences := `user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
`
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(preferences), 0o644); err != nil {
		t.Fatal(err)
	}
	if command[0] == "chromium" {
		command = append(command, "--user-data-dir="+profile)
	} else {
		command = append(command, "--profile", profile)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := start(ctx, append(command, "file://"+page)...)
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Logf("%.3000s\n%s", out.String(), d.windows())
		}
	}()
	waitFor(t, time.Minute, "a window with the page's title", func() bool { return strings.Contains(d.windows(), "chrun page") })
	first := d.childOf(cmd.Process.Pid)
	if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", cmd.Process.Pid)); string(name) == "sudo\n" {
		first = d.childOf(first)
	}
	own, chroots := userNamespace(os.Getpid()), userNamespace(first)
	waitFor(t, 30*time.Second, "a sandboxed process that renders pages", func() bool {
		for _, pid := range d.processes(child) {
			ns := userNamespace(pid)
			if filters(pid) > filters(first) && ns != "" && ns != own && ns != chroots {
				return true
			}
		}
		return false
	})
	for _, pid := range d.processes(profile) {
		if line, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline"); strings.Contains(string(line), "--no-sandbox") {
			t.Errorf("the browser runs without its sandbox: %q", line)
		}
	}
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	waitFor(t, 20*time.Second, "the browser ends", func() bool {
		left := d.processes(profile)
		for _, pid := range left {
			syscall.Kill(pid, syscall.SIGTERM)
		}
		return len(left) == 0
	})
}

// windows lists the titles of all windows of the desktop.
func (d *desk) windows() string {
	tree, _ := d.Output("swaymsg", "-t", "get_tree")
	x, _ := d.Output("xwininfo", "-root", "-tree")
	return tree + x
}

// processes lists the processes whose command lines contain text, except chrun.
func (d *desk) processes(text string) (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if strings.Contains(string(line), text) && !strings.Contains(string(line), chrunProgram) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// filters returns the number of filters for system calls that a process has.
func filters(pid int) (n int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), "\nSeccomp_filters:")
	fmt.Sscan(rest, &n)
	return n
}

func userNamespace(pid int) string {
	ns, _ := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/user")
	return ns
}

// childOf returns the process that chrun started, from whichever of its threads.
// There must be one.
func (d *desk) childOf(chrun int) int {
	d.t.Helper()
	var pids []string
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(chrun) + "/task/*/children")
	for _, task := range tasks {
		data, _ := os.ReadFile(task)
		pids = append(pids, strings.Fields(string(data))...)
	}
	if len(pids) != 1 {
		d.t.Fatalf("chrun has %d children: %v", len(pids), pids)
	}
	pid, _ := strconv.Atoi(pids[0])
	return pid
}
