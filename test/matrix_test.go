package test

import (
	"bufio"
	"context"
	"fmt"
	"net"
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

// identity is a way to launch a program as an account.
type identity struct {
	name  string
	flags []string
	sudo  bool   // root launches for the user
	tree  string // the chroot
	// The uid of the program on the host and inside.
	hostUID, insideUID int
}

// identities returns all identities for the desktop user, for an account "user" with
// a number that nobody has on the host, and for root.
func (d *desk) identities() []identity {
	d.t.Helper()
	me, other, first := d.User.UID, freeID(), d.subordinateIDs()
	plain, sub := d.mountAccountsTree(other), d.mountSubordinateTree()
	return []identity{
		{"match same uid", nil, false, plain, me, me},
		{"match other account", []string{"-u", "user"}, false, plain, me, me},
		{"remap", []string{"-u", "user", "--identity", "remap"}, false, plain, me, other},
		{"subid", nil, false, sub, me, me},
		{"idmap", []string{"-u", "user", "--identity", "idmap"}, true, plain, me, me},
		{"grant", []string{"-u", "user", "--identity", "grant"}, true, plain, other, other},
		{"root by subid", []string{"-u", "root", "-C", "/"}, false, sub, first, 0},
		{"root by sudo", []string{"-u", "root", "-C", "/"}, true, plain, 0, 0},
	}
}

// launch returns the command that runs a program under id. If root launches, the
// environment is the one that sudo(8) leaves.
func (d *desk) launch(ctx context.Context, id identity, env []string, command ...string) *exec.Cmd {
	d = &desk{d.Session, d.t, id.tree}
	cmd := d.start(ctx, both, append([]string{"-q"}, id.flags...), command...)
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	if id.sudo {
		cmd.Env, cmd.SysProcAttr.Credential = d.sudoEnv(), nil
	}
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

func (d *desk) sudoEnv() []string {
	env := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root",
		"SUDO_USER=" + d.User.Name, "SUDO_UID=" + strconv.Itoa(d.User.UID), "SUDO_GID=" + strconv.Itoa(d.User.GID)}
	for _, name := range []string{"DISPLAY", "XAUTHORITY"} {
		if value := d.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// output runs a program under id and returns its output, stderr included.
func (d *desk) output(id identity, env []string, command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := d.launch(ctx, id, env, command...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// startXvfb starts an X server without a cookie, which admits only its user.
func (d *desk) startXvfb() (display string) {
	d.t.Helper()
	_, err := exec.LookPath("Xvfb")
	headless.Must(d.t, "desktop", err)
	r, w, err := os.Pipe()
	if err != nil {
		d.t.Fatal(err)
	}
	defer r.Close()
	cmd := d.Command(context.Background(), "Xvfb", "-displayfd", "3", "-noreset", "-nolisten", "tcp", "-screen", "0", "64x64x24")
	cmd.ExtraFiles = []*os.File{w}
	d.startServer(cmd)
	w.Close()
	r.SetReadDeadline(time.Now().Add(20 * time.Second))
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		d.t.Fatalf("Xvfb did not start: %v", err)
	}
	return ":" + strings.TrimSpace(number)
}

// startXServer starts an X server without a cookie that admits only its user, even if
// it was built to admit all users of the machine.
func (d *desk) startXServer() (display string) {
	d.t.Helper()
	display = d.startXvfb()
	for _, entry := range []string{"+SI:localuser:" + d.User.Name, "-local:"} {
		if out, err := d.Output("env", "DISPLAY="+display, "xhost", entry); err != nil {
			d.t.Fatal(out, err)
		}
	}
	return display
}

// startPulseAudio starts a real PulseAudio, which requires the cookie of other users.
func (d *desk) startPulseAudio() (server string) {
	dir := d.RuntimeDir + "/another"
	if out, err := d.Output("mkdir", "-m", "700", dir); err != nil {
		d.t.Fatal(out, err)
	}
	cmd := d.Command(context.Background(), "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1",
		"-L", "module-null-sink", "-L", "module-native-protocol-unix socket="+dir+"/native")
	cmd.Env = append(without("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")(cmd.Env), "XDG_RUNTIME_DIR="+dir)
	d.startServer(cmd)
	waitFor(d.t, 20*time.Second, "pulseaudio", func() bool {
		conn, err := net.Dial("unix", dir+"/native")
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return "unix:" + dir + "/native"
}

// startServer starts a server that runs until the end of the test.
func (d *desk) startServer(cmd *exec.Cmd) {
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
}

// Every kind of client works under every identity.
func TestMatrix(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Compositor: "sway", X11: true, Sound: true, Bus: true})
	display, pulse := "DISPLAY="+d.startXServer(), "PULSE_SERVER="+d.startPulseAudio()
	ids := d.identities()
	for _, c := range []struct {
		client  string
		command []string
		env     []string
		want    string
		closed  map[string]string // the output for identities that the server refuses
	}{
		{"wayland", []string{"wayland-info"}, nil, "wl_compositor", nil},
		{"X11 by cookie", []string{"xdpyinfo"}, nil, "name of display:    " + d.Getenv("DISPLAY"), nil},
		{"X11 by host list", []string{"xdpyinfo"}, []string{display}, "name of display:    " + display[len("DISPLAY="):],
			// Only root can add a uid to the list. The launch does not fail.
			map[string]string{"root by subid": "Authorization required, but no authorization protocol specified\n\nxdpyinfo:  unable to open display \"" + display[len("DISPLAY="):] + "\"."}},
		{"PipeWire", []string{"pw-cli", "info", "0"}, nil, "PipeWire:Interface:Core", nil},
		{"pipewire-pulse", []string{"pactl", "info"}, nil, "PulseAudio (on PipeWire", nil},
		{"PulseAudio", []string{"pactl", "info"}, []string{pulse}, "Server Name: pulseaudio", nil},
		{"GDBus", []string{"gdbus", "call", "--session", "--dest", "org.freedesktop.DBus", "--object-path", "/", "--method", "org.freedesktop.DBus.ListNames"}, nil, "'org.freedesktop.DBus'", nil},
		{"libdbus", []string{"dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames"}, nil, `string "org.freedesktop.DBus"`, nil},
		{"Qt", []string{"qdbus", "org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames"}, nil, "org.freedesktop.DBus", nil},
	} {
		for _, id := range ids {
			t.Run(c.client+"/"+id.name, func(t *testing.T) {
				out, err := d.output(id, c.env, c.command...)
				if closed, ok := c.closed[id.name]; ok {
					if err == nil || out != closed {
						t.Errorf("%v: %.2000s\nwant %q", err, out, closed)
					}
				} else if err != nil || !strings.Contains(out, c.want) || strings.Contains(out, "chrun:") {
					t.Errorf("%v: %.2000s\nwant %q", err, out, c.want)
				}
			})
		}
	}
	for _, id := range ids {
		if id.insideUID == 0 {
			continue // root inside cannot read the user's page
		}
		t.Run("Firefox/"+id.name, func(t *testing.T) { (&desk{d.Session, t, d.chroot}).checkFirefox(id) })
	}
	t.Run("sudo", func(t *testing.T) { (&desk{d.Session, t, d.chroot}).checkSudo(ids) })
	// The X server still refuses other users.
	cmd := exec.Command("xdpyinfo")
	cmd.Env = []string{display}
	other := uint32(freeID())
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: other, Gid: other}}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "unable to open display") {
		t.Errorf("uid %d can connect to the X server: %v: %.200s", other, err, out)
	}
}

// checkFirefox checks that Firefox opens a window and starts its sandboxed processes.
func (d *desk) checkFirefox(id identity) {
	t := d.t
	title := "page of " + id.name
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	page := filepath.Join(headless.Dir(t, d.User), "page.html")
	writeFile(t, page, "<title>"+title+"</title>")
	cmd := d.launch(ctx, id, []string{"MOZ_ENABLE_WAYLAND=1"}, "sh", "-c", `exec firefox-esr --no-remote --profile "$(mktemp -d)" "$1"`, "sh", "file://"+page)
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("%.3000s", out.String())
		}
	}()
	waitFor(t, 20*time.Second, "a window with the page's title", func() bool {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("Firefox has ended: %v", err)
		default:
		}
		return strings.Contains(d.windows(), title)
	})
	found := false
	for _, pid := range d.processes("-contentproc") {
		if st, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil && int(st.Sys().(*syscall.Stat_t).Uid) == id.hostUID {
			found = true
		}
	}
	if !found {
		t.Errorf("no process that renders pages has the uid %d", id.hostUID)
	}
}

// checkSudo runs the commands that a person types. A sudoers file in a mount
// namespace makes sudo ask for no password.
func (d *desk) checkSudo(ids []identity) {
	rules := filepath.Join(d.t.TempDir(), "sudoers")
	writeFile(d.t, rules, d.User.Name+" ALL=(ALL) NOPASSWD: ALL\n")
	for _, id := range ids {
		flags := id.flags
		if strings.Contains(id.name, "subid") {
			continue // with sudo the same as match
		}
		line := fmt.Sprintf(`mount --bind %s /etc/sudoers && chmod 440 /etc/sudoers && exec setpriv --reuid %d --regid %d --init-groups sudo %s -q -c %s "$@"`,
			rules, d.User.UID, d.User.GID, chrunProgram, id.tree)
		args := append([]string{"--mount", "sh", "-c", line, "sh"}, flags...)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		cmd := exec.CommandContext(ctx, "unshare", append(args, "sh", "-c", `id -u; wayland-info >/dev/null && xdpyinfo >/dev/null && pactl info >/dev/null && dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetId >/dev/null && echo all`)...)
		cmd.Env, cmd.Dir = d.Env, "/tmp"
		out, err := cmd.CombinedOutput()
		cancel()
		if want := fmt.Sprintf("%d\nall\n", id.insideUID); err != nil || string(out) != want {
			d.t.Errorf("%s: %v: %s\nwant %s", id.name, err, out, want)
		}
	}
}
