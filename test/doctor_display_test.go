package test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/doctor/report"
	"chrun/internal/headless"
)

// Variables that name a display or a sound server of another time are told apart from
// a server that does not run, and the line that the doctor says mends it.
func TestDoctorStaleVariables(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Compositor: "weston", X11: true, Sound: true, Bus: true})
	for _, c := range []struct{ variable, row, fault, also string }{
		{"WAYLAND_DISPLAY=wayland-77", "wayland", "wayland-stale", ""},
		{"DISPLAY=:987", "x11", "x11-stale", ""},
		{"PULSE_SERVER=tcp:127.0.0.1:1", "pulseaudio", "pulseaudio-gone", "alsa"},
	} {
		m := setting(c.variable)
		line := wantFault(t, d.doctor(m, d.chroot), c.row, c.fault, c.also)
		if f := failures(d.typeAndLook(m, line)); len(f) > 0 {
			t.Errorf("%s: after %q: %s", c.variable, line, strings.Join(f, "\n"))
		}
	}
	// What chrun repairs by itself is a note at most.
	wantNote(t, d.doctor(setting("PIPEWIRE_REMOTE=pipewire-9"), d.chroot), "pipewire", "pipewire-stale")
	for _, dir := range []string{"/nonexistent", "/", "/root"} {
		m := setting("XDG_RUNTIME_DIR=" + dir)
		rep := d.doctor(m, d.chroot)
		if c, ok := find(rep, "host", "runtime-dir"); !ok || c.Status != report.Note {
			t.Errorf("%s: %+v", dir, c)
		}
		line := wantFault(t, rep, "wayland", "runtime-dir")
		if rep := d.typeAndLook(m, line); len(failures(rep)) > 0 || hasFault(rep, "runtime-dir") {
			t.Errorf("%s: after %q: %+v", dir, line, failures(rep))
		}
	}
}

func hasFault(rep report.Report, fault string) bool {
	for _, c := range rep.Checks {
		if c.Fault == fault {
			return true
		}
	}
	return false
}

// The compositor has been stopped.
func TestDoctorNoCompositor(t *testing.T) {
	d := openDesktop(t, headless.Options{X11: true})
	m := setting("WAYLAND_DISPLAY=wayland-0")
	line := wantFault(t, d.doctor(m, d.chroot), "wayland", "wayland-gone")
	if f := failures(d.typeAndLook(m, line)); len(f) > 0 {
		t.Errorf("after %q: %s", line, strings.Join(f, "\n"))
	}
}

// Sockets that the user may not use.
func TestDoctorClosedSockets(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Compositor: "weston", Sound: true, Bus: true})
	for _, c := range []struct {
		socket, row, fault string
		also               []string
	}{
		{d.Getenv("WAYLAND_DISPLAY"), "wayland", "wayland-permission", nil},
		{"pipewire-0", "pipewire", "pipewire-permission", []string{"alsa", "pulseaudio"}},
	} {
		socket := filepath.Join(d.RuntimeDir, c.socket)
		if err := os.Chmod(socket, 0); err != nil {
			t.Fatal(err)
		}
		line := wantFault(t, d.doctor(both, d.chroot), c.row, c.fault, c.also...)
		if f := failures(d.typeAndLook(both, line)); len(f) > 0 {
			t.Errorf("%s: after %q: %s", c.socket, line, strings.Join(f, "\n"))
		}
	}
}

// startXWith starts an X server of root's with the cookies in a file.
func (d *desk) startXWith(authority string, args ...string) (display string) {
	d.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		d.t.Fatal(err)
	}
	defer r.Close()
	cmd := d.Command(context.Background(), "Xvfb", append([]string{"-displayfd", "3", "-noreset", "-nolisten", "tcp", "-auth", authority}, args...)...)
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr.Credential = nil // as display managers do, so that its file is root's
	d.startServer(cmd)
	w.Close()
	r.SetReadDeadline(time.Now().Add(20 * time.Second))
	var number string
	if _, err := fmt.Fscan(r, &number); err != nil {
		d.t.Fatalf("Xvfb did not start: %v", err)
	}
	return ":" + number
}

// An X server of somebody else is not offered: it would refuse the program.
func TestDoctorForeignXServer(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{})
	auth := filepath.Join(t.TempDir(), "auth")
	if out, err := exec.Command("xauth", "-q", "-f", auth, "add", ":0", ".", strings.Repeat("ab", 16)).CombinedOutput(); err != nil {
		t.Fatal(string(out), err)
	}
	d.startXWith(auth)
	m := setting("DISPLAY=:987")
	line := wantFault(t, d.doctor(m, d.chroot), "x11", "x11-gone")
	if f := failures(d.typeAndLook(m, line)); len(f) > 0 {
		t.Errorf("after %q: %s", line, strings.Join(f, "\n"))
	}
}

// A cookie that the server does not know, and a socket that is closed.
func TestDoctorX11Refuses(t *testing.T) {
	headless.Root(t)
	_, err := exec.LookPath("Xvfb")
	headless.Must(t, "desktop", err)
	d := openDesktop(t, headless.Options{})
	dir := headless.Dir(t, d.User)
	right, wrong := filepath.Join(dir, "right"), filepath.Join(dir, "wrong")
	add := func(file, display, cookie string) {
		t.Helper()
		if out, err := d.Output("xauth", "-q", "-f", file, "add", display, ".", cookie); err != nil {
			t.Fatal(out, err)
		}
	}
	add(right, ":99", strings.Repeat("ab", 16))
	server := filepath.Join(t.TempDir(), "server")
	if out, err := exec.Command("cp", right, server).CombinedOutput(); err != nil {
		t.Fatal(string(out), err)
	}
	display := d.startXWith(server, "-nolisten", "local")
	add(right, display, strings.Repeat("ab", 16))
	add(wrong, display, strings.Repeat("cd", 16))
	m := setting("DISPLAY="+display, "XAUTHORITY="+wrong)
	line := wantFault(t, d.doctor(m, d.chroot), "x11", "x11-refused")
	session := setting("DISPLAY="+display, "XAUTHORITY="+right)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := d.Command(ctx, "sh", "-c", line)
	cmd.Env = session.env(cmd.Env)
	if r := runCommand(cmd); r.err != nil {
		t.Errorf("%s: %+v", line, r)
	}
	if f := failures(d.doctor(m, d.chroot)); len(f) > 0 {
		t.Errorf("after %q: %s", line, strings.Join(f, "\n"))
	}
	socket := "/tmp/.X11-unix/X" + strings.TrimPrefix(display, ":")
	if err := os.Chmod(socket, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(socket, 0, 0); err != nil {
		t.Fatal(err)
	}
	line = wantFault(t, d.doctor(session, d.chroot), "x11", "x11-permission")
	if out, err := exec.Command("sh", "-c", strings.TrimPrefix(line, "sudo ")).CombinedOutput(); err != nil {
		t.Errorf("%s: %s", line, out)
	}
	if f := failures(d.doctor(session, d.chroot)); len(f) > 0 {
		t.Errorf("after %q: %s", line, strings.Join(f, "\n"))
	}
}

// Servers that were stopped are continued by the doctor's line.
func TestDoctorStoppedServers(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Compositor: "weston", X11: true, Bus: true})
	for _, c := range []struct{ name, row string }{{"weston", "wayland"}, {"Xvfb", "x11"}} {
		d.signalServers("STOP", c.name)
		line := wantFault(t, d.doctor(both, d.chroot), c.row, c.row+"-hang")
		if f := failures(d.typeAndLook(both, line)); len(f) > 0 {
			t.Errorf("after %q: %s", line, strings.Join(f, "\n"))
			d.signalServers("CONT", c.name)
		}
	}
}

// If chrun finds the right cookie without XAUTHORITY, that is what the doctor says.
func TestDoctorX11OtherCookie(t *testing.T) {
	d := openDesktop(t, headless.Options{X11: true})
	file := filepath.Join(headless.Dir(t, d.User), "wrong")
	mustOutput(t, d, "xauth", "-q", "-f", file, "add", d.Getenv("DISPLAY"), ".", strings.Repeat("cd", 16))
	m := setting("XAUTHORITY=" + file)
	line := wantFault(t, d.doctor(m, d.chroot), "x11", "x11-cookie")
	if f := failures(d.typeAndLook(m, line)); len(f) > 0 {
		t.Errorf("after %q: %s", line, strings.Join(f, "\n"))
	}
}

// A cookie that is filed under a former host name works inside; the doctor says why it
// does not outside, and its line mends that.
func TestDoctorX11Renamed(t *testing.T) {
	d := openDesktop(t, headless.Options{X11: true, Private: true})
	dir := headless.Dir(t, d.User)
	_, cookie, _ := strings.Cut(mustOutput(t, d, "xauth", "list", d.Getenv("DISPLAY")), "MIT-MAGIC-COOKIE-1")
	mustOutput(t, d, "xauth", "-q", "-f", filepath.Join(dir, "old"), "add", "oldhost/unix"+d.Getenv("DISPLAY"), ".", strings.TrimSpace(cookie))
	m := setting("XAUTHORITY=" + filepath.Join(dir, "old"))
	host := func(line string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		cmd := d.Command(ctx, "sh", "-c", line)
		cmd.Env = m.env(cmd.Env)
		return runCommand(cmd).err
	}
	if host("xdpyinfo") == nil {
		t.Error("the test shows nothing: programs of the host have a cookie")
	}
	rep := d.doctor(m, d.chroot)
	line := wantNote(t, rep, "x11", "x11-renamed")
	wantGood(t, rep, "x11", "by the cookie")
	if err := host(line); err != nil {
		t.Errorf("%s: %v", line, err)
	}
	if err := host("xdpyinfo"); err != nil {
		t.Errorf("after %s: %v", line, err)
	}
	if hasFault(d.doctor(m, d.chroot), "x11-renamed") {
		t.Errorf("%s has changed nothing", line)
	}
}

func mustOutput(t *testing.T, d *desk, name string, args ...string) string {
	t.Helper()
	out, err := d.Output(name, args...)
	if err != nil {
		t.Fatal(out, err)
	}
	return out
}

// Servers that accept and never answer, or that speak another language, cost two
// seconds together, and the doctor says which.
func TestDoctorDeafServers(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	for name, serve := range map[string]func(net.Conn){
		"hang": nil,
		"broken": func(c net.Conn) {
			c.SetDeadline(time.Now().Add(5 * time.Second))
			for range 1000 {
				if _, err := c.Write([]byte(strings.Repeat("HTTP/1.1 400 \x1b[2J", 100))); err != nil {
					return
				}
			}
		},
	} {
		m := setting("WAYLAND_DISPLAY="+fakeServer(t, d.User, serve), "DISPLAY="+fakeServer(t, d.User, serve),
			"PIPEWIRE_REMOTE="+fakeServer(t, d.User, serve), "PULSE_SERVER=unix:"+fakeServer(t, d.User, serve))
		begin := time.Now()
		rep := d.doctor(m, d.chroot)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
		for _, row := range []string{"wayland", "x11", "pipewire", "pulseaudio"} {
			if fault := row + "-" + name; !hasFault(rep, fault) {
				t.Errorf("%s is not found: %s", fault, strings.Join(failures(rep), "\n"))
			}
		}
	}
}

// A sound server that plays takes a tone.
func TestDoctorSound(t *testing.T) {
	d := openDesktop(t, headless.Options{Sound: true, Bus: true})
	sound, err := d.Record(func() error {
		rep := d.doctor(both, "--sound", "--feature", "sound", d.chroot)
		if f := failures(rep); len(f) > 0 {
			return fmt.Errorf("%s", strings.Join(f, "\n"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if share := sound.Share(440); share < 0.5 {
		t.Errorf("the tone has not arrived: %.2f of what was played is 440 Hz", share)
	}
}

// A chroot with libasound and no plugin has no sound for programs that only know ALSA.
func TestDoctorAlsa(t *testing.T) {
	d := openDesktop(t, headless.Options{Sound: true, Bus: true})
	tree := headless.Dir(t, d.User)
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"bin", "etc", "lib"} {
		if err := os.Mkdir(filepath.Join(tree, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(tree, d.User.UID, d.User.GID); err != nil && os.Getuid() == 0 {
		t.Fatal(err)
	}
	write("etc/os-release", "ID=debian\n")
	write("usr/share/fonts/x.ttf", "")
	write("usr/lib/x86_64-linux-gnu/libasound.so.2", "")
	line := ""
	for _, c := range d.doctor(both, "--feature", "alsa", tree).Checks {
		if c.Fault == "alsa-plugin" && c.Status == report.Failed {
			line = c.Command
		}
	}
	if !strings.HasSuffix(line, "apt-get install libasound2-plugins") {
		t.Errorf("%q", line)
	}
	write("usr/lib/x86_64-linux-gnu/alsa-lib/libasound_module_pcm_pulse.so", "") // what the package has
	if f := failures(d.doctor(both, "--feature", "alsa", tree)); len(f) > 0 {
		t.Errorf("%s", strings.Join(f, "\n"))
	}
}
