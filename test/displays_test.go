package test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/internal/headless"
)

// Where no compositor is shared, programs open their windows on X11 or not at all.
// With an unset WAYLAND_DISPLAY they would find the socket in the runtime directory.
func TestNoWayland(t *testing.T) {
	d := openDesktop(t, headless.Options{Compositor: "sway", X11: true, Bus: true})
	sway := d.Getenv("WAYLAND_DISPLAY")
	if sway != "wayland-0" { // the default of libwayland
		link := filepath.Join(d.RuntimeDir, "wayland-0")
		if err := os.Symlink(sway, link); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(link)
	}
	session := func(name string, set ...string) mode {
		return mode{name, func(env []string) []string {
			return append(without("WAYLAND_DISPLAY", "XDG_SESSION_TYPE")(env), append(set, "XDG_SESSION_TYPE=wayland")...)
		}}
	}
	modes := []mode{session("empty", "WAYLAND_DISPLAY="), session("stale", "WAYLAND_DISPLAY=wayland-9"), session("unset")}
	for _, m := range modes {
		if r := d.chrun(m, nil, "sh", "-c", "wayland-info >&2; echo $XDG_SESSION_TYPE $WAYLAND_DISPLAY $DISPLAY"); r.stdout != "x11 "+d.Getenv("DISPLAY") || strings.Contains(r.stderr, "wl_compositor") {
			t.Errorf("%s: %q %.300s", m.name, r.stdout, r.stderr)
		}
		if r := d.chrun(m, []string{"--deny", "x11"}, "sh", "-c", "wayland-info; echo $XDG_SESSION_TYPE"); r.stdout != "" {
			t.Errorf("%s, without X11: %.300q", m.name, r.stdout)
		}
		d.chrun(m, nil, "xdpyinfo").wantOutput(t, "number of screens")
	}
	home := headless.Dir(t, d.User)
	for _, p := range []struct {
		title   string
		command []string
	}{
		{"chrun dialog", []string{"zenity", "--info", "--title=chrun dialog", "--text=hello"}},
		{"Mozilla Firefox", []string{"firefox-esr", "--no-remote", "--profile", home, "about:blank"}},
		{"Chromium", []string{"chromium", "--no-first-run", "--password-store=basic", "--user-data-dir=" + home + "/chromium", "about:blank"}},
		{"Chromium", []string{"chromium", "--no-first-run", "--password-store=basic", "--ozone-platform-hint=auto", "--user-data-dir=" + home + "/chromium", "about:blank"}},
	} {
		for _, m := range modes[:2] {
			d.checkWindowOnX(m, p.title, p.command)
		}
	}
}

// checkWindowOnX starts a program and waits for its window on the X server.
func (d *desk) checkWindowOnX(m mode, title string, command []string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := d.start(ctx, m, []string{"-q"}, command...)
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Signal(syscall.SIGTERM)
	waitFor(d.t, 40*time.Second, fmt.Sprintf("%s: a window of %q on X11; %s", m.name, command, out.String()), func() bool {
		tree, _ := d.Output("xwininfo", "-root", "-tree")
		return strings.Contains(tree, title)
	})
	if tree, _ := d.Output("swaymsg", "-t", "get_tree"); strings.Contains(tree, title) {
		d.t.Errorf("%s: %q has a window on Wayland", m.name, command)
	}
}

// Without a session bus, libdbus starts none: it would outlive the launch.
func TestNoSessionBus(t *testing.T) {
	d := openDesktop(t, headless.Options{X11: true, Bus: true})
	dir := headless.Dir(t, d.User)
	launch := filepath.Join(dir, "dbus-launch")
	if err := os.WriteFile(launch, []byte("#!/bin/sh\ntouch "+dir+"/started\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--bind", launch + ":/usr/bin/dbus-launch:ro", "--bind", dir}
	send := []string{"dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames"}
	check := func(name string, m mode, deny ...string) {
		if r := d.chrun(m, append(flags, deny...), send...); r.err == nil {
			t.Errorf("%s: a bus is reached: %s", name, r.stdout)
		}
		if r := d.chrun(m, append(flags, deny...), "gdbus", "call", "--session", "-d", "org.freedesktop.DBus", "-o", "/", "-m", "org.freedesktop.DBus.ListNames"); r.err == nil {
			t.Errorf("%s: a bus is reached: %s", name, r.stdout)
		}
		if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
			t.Errorf("%s: dbus-launch has been started", name)
		}
	}
	check("denied", both, "--deny", "session-bus")
	private := headless.Dir(t, d.User)
	check("absent", mode{"absent", func(env []string) []string {
		return append(without("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR")(env), "XDG_RUNTIME_DIR="+private)
	}})
}

// The runtime directory may be below the home, contain symlinks to sockets, or lack
// the compositor's socket.
func TestRuntimeDirs(t *testing.T) {
	d := openDesktop(t, headless.Options{Compositor: "weston", Bus: true})
	home := d.Getenv("HOME")
	dir := filepath.Join(home, ".cache", "xdgr")
	for _, p := range []string{filepath.Dir(dir), dir} {
		if err := os.MkdirAll(p, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(p, d.User.UID, d.User.GID); err != nil {
			t.Fatal(err)
		}
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(d.RuntimeDir, d.Getenv("WAYLAND_DISPLAY"))
	in := func(name string, set ...string) mode {
		return mode{name, func(env []string) []string {
			return append(without("WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")(env), append(set, "XDG_RUNTIME_DIR="+dir)...)
		}}
	}
	show := []string{"sh", "-c", "test -S $XDG_RUNTIME_DIR/$WAYLAND_DISPLAY && wayland-info | grep -m1 wl_compositor && echo $XDG_RUNTIME_DIR/$WAYLAND_DISPLAY"}
	for _, home := range []string{"private", "temporary"} {
		d.chrun(in("elsewhere", "WAYLAND_DISPLAY="+socket), []string{"--home=" + home}, show...).wantOutput(t, dir+"/wayland-100")
		if list, _ := os.ReadDir(dir); len(list) > 0 {
			t.Errorf("left in the runtime directory: %v", list)
		}
	}
	for name, target := range map[string]string{"wayland-0": socket, "bus": filepath.Join(d.RuntimeDir, "bus")} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, home := range []string{"private", "temporary", "host"} {
		for _, m := range []mode{in("links", "WAYLAND_DISPLAY=wayland-0"), in("links, searched")} {
			d.chrun(m, []string{"--home=" + home}, show...).wantOutput(t, dir+"/wayland-0")
			d.chrun(m, []string{"--home=" + home}, "gdbus", "call", "--session", "-d", "org.freedesktop.DBus", "-o", "/", "-m", "org.freedesktop.DBus.GetId").wantOutput(t, "('")
		}
	}
}

// An X server elsewhere than in /tmp/.X11-unix, and one without a Unix socket.
func TestX11Elsewhere(t *testing.T) {
	d := openDesktop(t, headless.Options{X11: true, XArgs: []string{"-listen", "tcp"}})
	number := strings.TrimPrefix(d.Getenv("DISPLAY"), ":")
	socket := filepath.Join(headless.Dir(t, d.User), "xs:0")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(socket, 0o777); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", "/tmp/.X11-unix/X"+number)
			if err != nil {
				return
			}
			go func() { io.Copy(server, client); server.Close() }()
			go func() { io.Copy(client, server); client.Close() }()
		}
	}()
	// The server's own cookie is for its number; that of a path is for number 0.
	cookie, err := d.Output("xauth", "list", d.Getenv("DISPLAY"))
	fields := strings.Fields(cookie)
	if err != nil || len(fields) < 3 {
		t.Fatalf("%q %v", cookie, err)
	}
	if out, err := d.Output("xauth", "-f", d.Getenv("XAUTHORITY"), "add", ":0", ".", fields[2]); err != nil {
		t.Fatalf("%s %v", out, err)
	}
	m := mode{"path", func(env []string) []string { return append(without("DISPLAY")(env), "DISPLAY="+socket) }}
	r := d.chrun(m, nil, "sh", "-c", "echo $DISPLAY; ls /tmp/.X11-unix; xdpyinfo | grep 'number of screens'")
	r.wantOutput(t, "number of screens")
	if lines := strings.Fields(r.stdout); len(lines) < 2 || lines[0] != ":"+strings.TrimPrefix(lines[1], "X") || lines[0] == d.Getenv("DISPLAY") {
		t.Errorf("%q", r.stdout)
	}
}

// An XAUTHORITY of a session that has ended gives way to the cookie that the server
// accepts.
func TestDeadCookie(t *testing.T) {
	d := openDesktop(t, headless.Options{X11: true})
	home := headless.Dir(t, d.User)
	live, err := os.ReadFile(d.Getenv("XAUTHORITY"))
	if err == nil {
		err = os.WriteFile(filepath.Join(home, ".Xauthority"), live, 0o600)
	}
	if err == nil {
		err = os.Chown(filepath.Join(home, ".Xauthority"), d.User.UID, d.User.GID)
	}
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(home, "dead")
	if out, err := d.Output("xauth", "-f", dead, "add", d.Getenv("DISPLAY"), ".", strings.Repeat("1f", 16)); err != nil {
		t.Fatalf("%s %v", out, err)
	}
	m := mode{"dead cookie", func(env []string) []string {
		return append(without("XAUTHORITY", "HOME")(env), "XAUTHORITY="+dead, "HOME="+home)
	}}
	d.chrun(m, nil, "xdpyinfo").wantOutput(t, "number of screens")
	if r := d.chrun(m, []string{"-v"}, "true"); !strings.Contains(r.stderr, "the server does not accept the cookie in "+dead) {
		t.Error(r.stderr)
	}
}

// A program with windows is told where they open, or why it has no display; other
// programs print nothing.
func TestDisplayMessages(t *testing.T) {
	d := openDesktop(t, headless.Options{Compositor: "weston"})
	name := d.Getenv("WAYLAND_DISPLAY")
	with := func(set ...string) mode {
		return mode{strings.Join(set, " "), func(env []string) []string { return append(without("WAYLAND_DISPLAY")(env), set...) }}
	}
	private := headless.Dir(t, d.User)
	for _, tt := range []struct {
		m    mode
		want string
	}{
		{with("DISPLAY=:4711"), `chrun: no display: DISPLAY=":4711": no X server runs for this display; to use one that is running: WAYLAND_DISPLAY=` + name + " chrun …"},
		{with("WAYLAND_DISPLAY=wayland-9"), `chrun: no display: WAYLAND_DISPLAY="wayland-9": it does not exist; `},
		{with("SSH_CONNECTION=192.0.2.1 5000 192.0.2.2 22"), "chrun: the window opens on the screen of this machine; to have it on yours: ssh -X"},
		{with("WAYLAND_DISPLAY="), ""},
		{with("WAYLAND_DISPLAY=" + name), ""},
		{with("DISPLAY=:4711", "XDG_RUNTIME_DIR="+private), `chrun: no display: `},
	} {
		r := d.chrun(tt.m, nil, "foot", "--version")
		if got := r.stderr; !strings.Contains(got, tt.want) || strings.Count(got, "chrun:") != min(1, len(tt.want)) {
			t.Errorf("%s: %q, want %q", tt.m.name, got, tt.want)
		}
		if r := d.chrun(tt.m, nil, "ls", "/"); r.stderr != "" {
			t.Errorf("%s: ls prints %q", tt.m.name, r.stderr)
		}
	}
}
