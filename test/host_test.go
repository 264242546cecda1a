package test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/internal/headless"
)

// A launch changes neither the host's mounts, also if it is killed, nor the tree.
func TestNothingLeft(t *testing.T) {
	d := openDesktop(t, headless.Options{Compositor: "weston", X11: true, Sound: true, Bus: true})
	mounts := func() string {
		data, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	d.chrun(both, nil, "true").wantOutput(t, "") // the first launch makes the home
	before, tree := mounts(), checksum(t, d.chroot)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		cmd := d.start(ctx, both, nil, "sh", "-c", "echo started; exec sleep 60")
		var out safeBuffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 10*time.Second, "the program starts", func() bool { return strings.Contains(out.String(), "started") })
		first := d.childOf(cmd.Process.Pid)
		if mounts() != before {
			t.Errorf("mounts of the host changed during a launch:\n%s\nwere\n%s", mounts(), before)
		}
		cmd.Process.Signal(signal)
		cmd.Wait()
		waitFor(t, 5*time.Second, "the first process dies with chrun", func() bool { return syscall.Kill(first, 0) == syscall.ESRCH })
		if mounts() != before {
			t.Errorf("mounts of the host changed after %v", signal)
		}
	}
	if after := checksum(t, d.chroot); after != tree {
		t.Error("the chroot's tree changed")
	}
}

// checksum covers names, types, modes, owners, sizes, link targets and times of
// a whole tree, and the content of /etc.
func checksum(t *testing.T, dir string) string {
	t.Helper()
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) {
			return nil
		} else if err != nil {
			return err
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		sys := st.Sys().(*syscall.Stat_t)
		fmt.Fprintln(sum, p, st.Mode(), sys.Uid, sys.Gid, st.Size(), sys.Mtim, sys.Ctim)
		if strings.HasPrefix(p, filepath.Join(dir, "etc")) && st.Mode().IsRegular() {
			data, err := os.ReadFile(p)
			if errors.Is(err, fs.ErrPermission) {
				return nil // chrun, which runs as the same user, cannot read it either
			}
			sum.Write(data)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// DISPLAY and WAYLAND_DISPLAY may have several forms.
func TestDisplayNames(t *testing.T) {
	d := openDesktop(t, headless.Options{Compositor: "weston", X11: true})
	number := strings.TrimPrefix(d.Getenv("DISPLAY"), ":")
	with := func(name, value string) mode {
		return mode{value, func(env []string) []string { return append(without(name)(env), name+"="+value) }}
	}
	for _, display := range []string{":" + number + ".0", "unix:" + number, ":" + number} {
		r := d.chrun(with("DISPLAY", display), nil, "xdpyinfo")
		r.wantOutput(t, "number of screens")
		if strings.Contains(r.stdout, "unix:") {
			t.Errorf("%s is not normalized inside", display)
		}
	}
	absolute := filepath.Join(d.RuntimeDir, d.Getenv("WAYLAND_DISPLAY"))
	d.chrun(with("WAYLAND_DISPLAY", absolute), nil, "wayland-info").wantOutput(t, "wl_compositor")

	// A display that does not exist is not shared.
	if r := d.chrun(with("WAYLAND_DISPLAY", "wayland-77"), []string{"-v"}, "sh", "-c", "echo ${WAYLAND_DISPLAY-unset}"); r.stdout != "" {
		t.Errorf("a display that does not exist is shared: %q\n%s", r.stdout, r.stderr)
	}
	for _, feature := range []string{"wayland", "x11", "display", "all"} {
		r := d.chrun(both, []string{"--deny", feature, "-C", "/"}, "sh", "-c", "echo ${WAYLAND_DISPLAY:-no} ${DISPLAY-no}; wayland-info >/dev/null 2>&1 && echo wayland works")
		if want := map[string]string{"wayland": "no " + d.Getenv("DISPLAY"), "x11": d.Getenv("WAYLAND_DISPLAY") + " no\nwayland works", "display": "no no", "all": "no no"}[feature]; r.stdout != want {
			t.Errorf("--deny %s: %q, want %q", feature, r.stdout, want)
		}
	}
}

// An open WAYLAND_SOCKET reaches the program under the same number.
func TestWaylandSocket(t *testing.T) {
	d := openDesktop(t, headless.Options{Compositor: "weston"})
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	m := mode{"", func(env []string) []string { return append(env, "WAYLAND_SOCKET=5") }}
	cmd := d.start(ctx, m, nil, "sh", "-c", `echo hello >&"$WAYLAND_SOCKET"; readlink /proc/self/fd/5`)
	null, _ := os.Open(os.DevNull)
	defer null.Close()
	cmd.ExtraFiles = []*os.File{null, null, theirs}
	out, err := cmd.Output()
	theirs.Close()
	if err != nil || !strings.HasPrefix(string(out), "socket:") {
		t.Errorf("%v: %q", err, out)
	}
	buf := make([]byte, 16)
	if n, _ := ours.Read(buf); string(buf[:n]) != "hello\n" {
		t.Errorf("received %q", buf[:n])
	}
	m = mode{"", func(env []string) []string { return append(env, "WAYLAND_SOCKET=77") }}
	if r := d.chrun(m, nil, "sh", "-c", "echo ${WAYLAND_SOCKET-unset} $WAYLAND_DISPLAY"); r.stdout != "unset "+d.Getenv("WAYLAND_DISPLAY") {
		t.Errorf("a closed WAYLAND_SOCKET is passed on: %q", r.stdout)
	}
}

// X11 works although the host was renamed after the cookie was written. The new
// name is in a UTS namespace of the test.
func TestHostRenamed(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{X11: true})
	script := fmt.Sprintf(`hostname renamed-since && exec setpriv --reuid %d --regid %d --clear-groups %s -c %s xdpyinfo`, d.User.UID, d.User.GID, chrunProgram, d.chroot)
	cmd := exec.Command("unshare", "--uts", "sh", "-c", script)
	cmd.Env, cmd.Dir = d.Env, "/tmp"
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "number of screens") {
		t.Errorf("%v: %s", err, out)
	}
}

// An X server that listens only on its abstract socket.
func TestAbstractXServer(t *testing.T) {
	d := openDesktop(t, headless.Options{X11: true, XArgs: []string{"-nolisten", "unix"}})
	d.chrun(x11, nil, "xdpyinfo").wantOutput(t, "number of screens")
	d.chrun(empty, []string{"-q"}, "xdpyinfo").wantOutput(t, "number of screens") // other X servers may be running
	r := d.chrun(x11, []string{"--deny", "network"}, "sh", "-c", "echo ${DISPLAY-unset}")
	if r.stdout != "unset" {
		t.Errorf("an unreachable display is shared: %q %s", r.stdout, r.stderr)
	}
}

// A running program sees that the host has replaced /etc/resolv.conf. The file is
// in a mount namespace of the test.
func TestResolvConf(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{})
	dir := headless.Dir(t, d.User)
	script := fmt.Sprintf(`set -e
mkdir %[1]s/etc %[1]s/up %[1]s/work
mount -t tmpfs tmpfs %[1]s/up
mkdir %[1]s/up/u %[1]s/up/w
mount -t overlay -o lowerdir=/etc,upperdir=%[1]s/up/u,workdir=%[1]s/up/w overlay /etc
rm -f /etc/resolv.conf
echo nameserver 192.0.2.1 >/etc/resolv.conf
setpriv --reuid %[2]d --regid %[3]d --clear-groups %[4]s -c %[5]s sh -c '
	cat /etc/resolv.conf
	echo >%[1]s/ready
	until grep -q 192.0.2.2 /etc/resolv.conf; do sleep 0.05; done
	cat /etc/resolv.conf' &
until test -e %[1]s/ready; do sleep 0.05; done
echo nameserver 192.0.2.2 >/etc/resolv.conf.new
mv /etc/resolv.conf.new /etc/resolv.conf
wait $!
`, dir, d.User.UID, d.User.GID, chrunProgram, d.chroot)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "sh", "-c", script)
	cmd.Env, cmd.Dir = d.Env, "/tmp"
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "nameserver 192.0.2.1\nnameserver 192.0.2.2\n" {
		t.Errorf("%v: %s", err, out)
	}
}
