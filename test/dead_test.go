package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// mountDead mounts a file system of the user's on dir. Its server never reads a
// request, so that every access to the mount waits.
func mountDead(dir string, u headless.User) (unmount func() error, err error) {
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d", device.Fd(), u.UID, u.GID)
	if err := unix.Mount("dead", dir, "fuse", 0, options); err != nil {
		return nil, errors.Join(err, device.Close())
	}
	return func() error { return errors.Join(device.Close(), unix.Unmount(dir, unix.MNT_DETACH)) }, nil
}

// mountDeadIn mounts one on a new directory of a home until the test ends.
func mountDeadIn(t *testing.T, home string, u headless.User) (dead string) {
	t.Helper()
	dead = filepath.Join(home, "dead")
	if err := errors.Join(os.Mkdir(dead, 0o755), os.Chown(dead, u.UID, u.GID)); err != nil {
		t.Fatal(err)
	}
	unmount, err := mountDead(dead, u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unmount(); err != nil {
			t.Error(err)
		}
	})
	return dead
}

// A network file system that does not answer neither stops nor delays a launch.
func TestHomeDeadMount(t *testing.T) {
	headless.Root(t)
	d, home := homeDesk(t)
	if err := os.Symlink(filepath.Base(mountDeadIn(t, home, d.User))+"/x", filepath.Join(home, "todead")); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{nil, {"--home=temporary"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		cmd := d.Command(ctx, chrunProgram, append(append([]string{"-c", d.chroot}, flags...), "cat", filepath.Join(home, "in/a"))...)
		cmd.Dir = "/"
		if r := runCommand(cmd); r.err != nil || r.stdout != "in a" {
			t.Errorf("%v: %+v", flags, r)
		}
		cancel()
	}
}

// Nor does one outside the home, where data is shared.
func TestStorageDeadMount(t *testing.T) {
	headless.Root(t)
	d, home := homeDesk(t)
	var r result
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends with the goroutine, and its mount namespace with it
		if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS|unix.CLONE_FS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")); err != nil {
			t.Error(err)
			return
		}
		unmount, err := mountDead("/srv", d.User)
		if err != nil {
			t.Error(err)
			return
		}
		defer unmount()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		cmd := d.Command(ctx, chrunProgram, "-c", d.chroot, "sh", "-c", "grep -c ' /srv fuse ' /proc/mounts")
		cmd.Dir = home
		r = runCommand(cmd)
	}()
	<-done
	if r.err != nil || r.stdout != "1" {
		t.Errorf("%+v", r)
	}
}

// Nor does one that XDG_DATA_DIRS names, where themes and portals are looked for.
func TestDataDirsDeadMount(t *testing.T) {
	headless.Root(t)
	d, home := homeDesk(t)
	dead := mountDeadIn(t, home, d.User)
	for _, dirs := range []string{dead, dead + "/share:/usr/share", "/usr/share:" + dead + "/a:" + dead + "/b"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		cmd := d.Command(ctx, chrunProgram, "-v", "-c", d.chroot, "true")
		cmd.Env, cmd.Dir = append(cmd.Env, "XDG_DATA_DIRS="+dirs), "/"
		begun := time.Now()
		r := runCommand(cmd)
		if took := time.Since(begun); r.err != nil || took > 3*time.Second || !strings.Contains(r.stderr, "its file system does not answer") {
			t.Errorf("%s: after %v: %+v", dirs, took, r)
		}
	}
}

// A launch that must look at such a file system says what it waits for, and can be
// ended.
func TestDeadTree(t *testing.T) {
	headless.Root(t)
	d, home := homeDesk(t)
	dead := mountDeadIn(t, home, d.User)
	for _, ending := range []os.Signal{os.Interrupt, unix.SIGTERM, unix.SIGHUP} {
		if signal.Ignored(ending) { // by nohup: chrun ignores it, too
			continue
		}
		cmd := d.Command(t.Context(), chrunProgram, "-c", dead+"/tree", "true")
		var out safeBuffer
		cmd.Stderr = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 10*time.Second, "chrun says what it waits for", func() bool { return strings.Contains(out.String(), "still waiting for "+dead) })
		cmd.Process.Signal(ending)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Errorf("%v does not end chrun", ending)
			cmd.Process.Kill()
			<-ended
		}
	}
}

// The doctor of a chroot whose file system does not answer ends, and says so.
func TestDoctorDeadTree(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{})
	tree := mountDeadIn(t, headless.Dir(t, d.User), d.User)
	begin := time.Now()
	rep := d.doctor(empty, tree)
	if command := wantFault(t, rep, "launch", "hang", "host", "records"); time.Since(begin) > 6*time.Second {
		t.Errorf("it took %v; %q", time.Since(begin), command)
	}
}
