package test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/internal/headless"
)

// A launch that ends, or is killed in any part of it, leaves the desktop as it
// was; the user's own entries stay.
func TestGrantEnds(t *testing.T) {
	d := openSudo(t, headless.Options{Compositor: "weston", Bus: true, Sound: true})
	d.startOpenXServer()
	before := d.desktopState()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	r := runCommand(d.grantCommand(ctx, "sh", "-c", "id -u; wayland-info | grep -o wl_compositor; xdpyinfo | grep 'number of screens'; gdbus call --session --dest org.freedesktop.DBus --object-path / --method org.freedesktop.DBus.GetId; pw-cli info 0 | grep -c id:; ls -ld $XDG_RUNTIME_DIR"))
	for _, want := range []string{strconv.Itoa(stranger), "wl_compositor", "number of screens", "('", "drwx------"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("%q is missing: %s%s", want, r.stdout, r.stderr)
		}
	}
	if err := d.waitNothingLeft(before); err != nil {
		t.Error("normal end:", err)
	}
	for _, end := range []string{"program", "chrun", "keeper", "keeper and chrun"} {
		r := d.startLaunch(ctx)
		d.waitReady(r)
		if d.countGrants() < 2 {
			t.Errorf("granted: %s", d.desktopState())
		}
		if strings.HasPrefix(end, "keeper") {
			d.killKeepers()
		}
		switch end {
		case "program":
			for _, pid := range processesOfUID(stranger, "sh") {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		case "chrun", "keeper and chrun":
			syscall.Kill(r.pid, syscall.SIGKILL)
		default:
			r.Cancel()
		}
		r.Wait()
		if strings.HasPrefix(end, "keeper") {
			// What was killed has let go of its lock when it has ended.
			waitFor(t, 20*time.Second, "chrun's processes end", func() bool { return len(chrunProcesses("")) == 0 })
			d.gc()
		}
		if err := d.waitNothingLeft(before); err != nil {
			t.Errorf("%s killed: %v", end, err)
		}
	}
}

// What a person had let in stays in, whoever ends how.
func TestGrantOwnEntry(t *testing.T) {
	d := openSudo(t, headless.Options{Compositor: "weston"})
	d.startOpenXServer()
	socket := filepath.Join(d.RuntimeDir, d.Getenv("WAYLAND_DISPLAY"))
	if out, err := exec.Command("setfacl", "-m", fmt.Sprintf("u:%d:rw,u:7:r", stranger), socket).CombinedOutput(); err != nil {
		headless.Must(t, "desktop", fmt.Errorf("%w: %s", err, out))
	}
	d.xhost(fmt.Sprintf("+si:localuser:#%d", stranger))
	before := d.desktopState()
	if d.countGrants() != 2 {
		t.Fatal(before)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, kill := range []bool{false, true} {
		r := d.startLaunch(ctx)
		d.waitReady(r)
		if kill {
			d.killKeepers()
			syscall.Kill(r.pid, syscall.SIGKILL)
		}
		r.Cancel()
		r.Wait()
		d.gc()
		if err := d.waitNothingLeft(before); err != nil {
			t.Error(err)
		}
	}
}

// Servers that restart while a granted program runs are bound again, and what was
// granted for their new sockets is taken back too, although one of these may have
// the inode's number of another's old one.
func TestGrantRestart(t *testing.T) {
	d := openSudo(t, headless.Options{Sound: true})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := d.grantCommand(ctx, "sh", "-c", `pw-cli info 0 >/dev/null && pactl info >/dev/null && echo first
read x
for i in 1 2 3 4 5 6 7 8 9; do pw-cli info 0 >/dev/null && pactl info >/dev/null && break; sleep 0.2; done
pw-cli info 0 >/dev/null && pactl info >/dev/null && echo second`)
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 20*time.Second, "the first connection", func() bool { return strings.Contains(out.String(), "first") })
	if err := d.RestartPipewire(); err != nil {
		t.Fatal(err)
	}
	for _, socket := range []string{"pipewire-0", "pulse/native"} {
		waitFor(t, 10*time.Second, "the new "+socket+" is granted", func() bool {
			acl, _ := exec.Command("getfacl", "-cpn", filepath.Join(d.RuntimeDir, socket)).Output()
			return strings.Contains(string(acl), fmt.Sprintf("user:%d:rw-", stranger))
		})
	}
	io.WriteString(in, "go\n") // it is mounted right behind that: who is refused tries again
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "second") {
		t.Errorf("after the restart: %v: %s", err, out.String())
	}
	waitFor(t, 20*time.Second, "chrun's processes end", func() bool { return len(chrunProcesses("")) == 0 })
	if err := d.waitNothingLeft(d.desktopState()); err != nil || d.countGrants() > 0 {
		t.Errorf("left: %v: %s", err, d.desktopState())
	}
}

// Launches that overlap have their grants as long as they live, in whatever
// order they end; what detaches itself keeps them too.
func TestGrantOverlap(t *testing.T) {
	d := openSudo(t, headless.Options{Compositor: "weston", Bus: true})
	before := d.desktopState()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for _, order := range [][]int{{0, 1}, {1, 0}, rand.Perm(10)} {
		var all []*running
		for range order {
			all = append(all, d.startLaunch(ctx))
		}
		for _, r := range all {
			d.waitReady(r)
		}
		for i, n := range order {
			if d.countGrants() == 0 {
				t.Error("a launch has lost its grant")
			}
			all[n].Cancel()
			if err := all[n].Wait(); err != nil && i == 0 {
				t.Logf("%v: %s", err, all[n].out)
			}
		}
		if err := d.waitNothingLeft(before); err != nil {
			t.Errorf("order %v: %v", order, err)
		}
	}
}

// A program that detaches itself and outlives chrun keeps its grant until it
// ends.
func TestGrantDaemon(t *testing.T) {
	d := openSudo(t, headless.Options{Compositor: "weston", Bus: true})
	before := d.desktopState()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := runCommand(d.grantCommand(ctx, "sh", "-c", "(setsid -f sh -c 'exec sleep 1000 <&- >&- 2>&-' &)"))
	if r.err != nil {
		t.Fatalf("%+v", r)
	}
	var daemon []int
	waitFor(t, 10*time.Second, "the daemon begins", func() bool {
		daemon = processesOfUID(stranger, "sleep")
		return len(daemon) == 1
	})
	if d.countGrants() == 0 || len(chrunProcesses("chrun-helper\x00revoke")) != 1 {
		t.Errorf("it has lost its grant: %s", d.desktopState())
	}
	d.gc()
	if d.countGrants() == 0 {
		t.Error("gc takes its grant away")
	}
	syscall.Kill(daemon[0], syscall.SIGKILL)
	if err := d.waitNothingLeft(before); err != nil {
		t.Error(err)
	}
}

// killKeepers kills what would take grants back, and waits until they have let go
// of the journal.
func (d *sudoDesk) killKeepers() {
	d.t.Helper()
	for _, pid := range chrunProcesses("chrun-helper\x00revoke") {
		syscall.Kill(pid, syscall.SIGKILL)
		waitFor(d.t, 10*time.Second, "a keeper ends", func() bool { return gone(pid) })
	}
}

// gone reports whether a process has closed its descriptors. It has when it is a
// zombie without other threads; a zombie whose other threads are still ending
// keeps them open, and with them its locks.
func gone(pid int) bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return true
	}
	has := func(line string) bool { return strings.Contains(string(status), "\n"+line) }
	return (has("State:\tZ") || has("State:\tX")) && (has("Threads:\t1\n") || has("Threads:\t0\n"))
}
