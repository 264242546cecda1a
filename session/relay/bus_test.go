package relay

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"chrun/internal/headless"
)

// The bus accepts only its own user, so the relay is a process of that user: this
// test binary, with a request in this variable. It listens at descriptor 3 and ends
// at the end of its standard input.
const relayVar = "CHRUN_TEST_RELAY"

type request struct {
	Bus                   string
	Peer, Inside, Outside int
}

func TestMain(m *testing.M) {
	text := os.Getenv(relayVar)
	if text == "" {
		os.Exit(m.Run())
	}
	var q request
	err := json.Unmarshal([]byte(text), &q)
	if err == nil {
		stop := make(chan struct{})
		go func() { io.Copy(io.Discard, os.Stdin); close(stop) }()
		r := Relay{Listener: 3, Bus: q.Bus, Peer: q.Peer, Inside: q.Inside, Outside: q.Outside}
		err = r.Serve(stop)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// desk is a session with a bus and relays to it.
type desk struct {
	*headless.Session
	dir    string // accessible to all users
	inside int    // a uid other than the user's
}

func open(t *testing.T, o headless.Options) *desk {
	t.Helper()
	o.Private = true
	d := &desk{Session: headless.Open(t, o), inside: 1000}
	if d.User.UID == d.inside {
		d.inside++
	}
	d.dir = headless.Dir(t, d.User)
	self, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(filepath.Join(d.dir, "self"), self, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// runAs runs a command as another user of the host.
func (d *desk) runAs(t *testing.T, uid int, env []string, command string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()
	args := strings.Fields(command)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Dir = append(env, "PATH="+d.Getenv("PATH"), "HOME=/nonexistent"), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (d *desk) bus() string { return filepath.Join(d.RuntimeDir, "bus") }

// startRelay starts a relay to a server and returns the path of its socket.
func (d *desk) startRelay(t *testing.T, bus string, peer, inside int) (path string) {
	t.Helper()
	path = filepath.Join(d.dir, fmt.Sprintf("%s-%d", filepath.Base(bus), peer))
	l, fd := listen(t, path)
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(request{bus, peer, inside, d.User.UID})
	cmd := d.Command(context.Background(), filepath.Join(d.dir, "self"))
	cmd.Env = append(d.Env[:len(d.Env):len(d.Env)], relayVar+"="+string(text))
	cmd.Stderr = t.Output()
	listener := os.NewFile(uintptr(fd), "listener")
	cmd.ExtraFiles = []*os.File{listener}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	l.SetUnlinkOnClose(false)
	l.Close()
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the relay ended with %v", err)
		}
	})
	return path
}

// remap returns the start of a command line that shows a client another uid.
func (d *desk) remap(socket string) []string {
	return []string{"unshare", "--user", fmt.Sprintf("--map-user=%d", d.inside), fmt.Sprintf("--map-group=%d", d.inside),
		"env", "DBUS_SESSION_BUS_ADDRESS=unix:path=" + socket}
}

// clients list the names on the bus with the libraries that programs use: libdbus,
// also under Qt, GDBus and sd-bus. need is what must be installed.
var clients = []struct{ name, need, command string }{
	{"libdbus", "desktop", "dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames"},
	{"Qt", "desktop", "qdbus org.freedesktop.DBus / org.freedesktop.DBus.ListNames"},
	{"GDBus", "desktop", "gdbus call --session --dest org.freedesktop.DBus --object-path / --method org.freedesktop.DBus.ListNames"},
	{"sd-bus", "systemd", "busctl --user call org.freedesktop.DBus / org.freedesktop.DBus ListNames"},
}

func TestClients(t *testing.T) {
	d := open(t, headless.Options{Bus: true})
	_, err := d.Output("unshare", "--user", "true")
	headless.Must(t, "userns", err)
	relay := d.startRelay(t, d.bus(), d.User.UID, d.inside)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			command := strings.Fields(c.command)
			_, err := exec.LookPath(command[0])
			headless.Must(t, c.need, err)
			run := func(socket string) (string, error) {
				args := append(d.remap(socket), command...)
				return d.Output(args[0], args[1:]...)
			}
			if out, err := run(relay); err != nil || !strings.Contains(out, "org.freedesktop.DBus") {
				t.Errorf("through the relay: %q, %v", out, err)
			}
			if c.name != "libdbus" && c.name != "Qt" {
				return // these claim no uid: the bus asks the kernel
			}
			if out, err := run(d.bus()); err == nil && strings.Contains(out, "org.freedesktop.DBus") {
				t.Errorf("the relay is not needed: %q", out)
			}
		})
	}
}

// converse sends lines to a bus and returns its answer to the last.
func converse(t *testing.T, c *net.UnixConn, lines ...string) (answer string) {
	t.Helper()
	send(t, c, nul)
	r := bufio.NewReader(c)
	for _, line := range lines {
		send(t, c, line+"\r\n")
		var err error
		if answer, err = r.ReadString('\n'); err != nil {
			t.Fatalf("after %q: %v", line, err)
		}
	}
	return strings.TrimSpace(answer)
}

func TestHandshake(t *testing.T) {
	d := open(t, headless.Options{Bus: true})
	f := &fixture{path: d.startRelay(t, d.bus(), os.Getuid(), d.inside)}
	external := func(uid int) string {
		return "AUTH EXTERNAL " + hex.EncodeToString([]byte(strconv.Itoa(uid)))
	}
	for _, c := range []struct {
		lines  []string
		answer string
	}{
		{[]string{external(d.inside)}, "OK "},
		{[]string{"AUTH", external(d.inside), "NEGOTIATE_UNIX_FD"}, "AGREE_UNIX_FD"},
		{[]string{"AUTH EXTERNAL", "DATA " + strings.Fields(external(d.inside))[2]}, "OK "},
		{[]string{"AUTH EXTERNAL", "DATA"}, "OK "},
		{[]string{"AUTH EXTERNAL", "CANCEL", external(d.inside)}, "OK "},
		{[]string{"ERROR", external(d.inside)}, "OK "},
		{[]string{"HELLO", external(d.inside)}, "OK "},
		{[]string{external(0)}, "REJECTED "},
		{[]string{external(d.inside + 1)}, "REJECTED "},
		{[]string{"AUTH ANONYMOUS"}, "REJECTED "},
		{[]string{external(0), external(d.inside)}, "OK "},
	} {
		if answer := converse(t, f.dial(t), c.lines...); !strings.HasPrefix(answer+" ", c.answer) {
			t.Errorf("%q: the bus answers %q, not %q", c.lines, answer, c.answer)
		}
	}
	// As sd-bus does it, with the first message, Hello, in the same write.
	c := f.dial(t)
	send(t, c, nul+"AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"+hello)
	r := bufio.NewReader(c)
	for _, want := range []string{"DATA", "OK ", "AGREE_UNIX_FD"} {
		if line, err := r.ReadString('\n'); !strings.HasPrefix(line, want) {
			t.Fatalf("received %q, %v; want %q", line, err, want)
		}
	}
	reply := make([]byte, 16)
	if _, err := io.ReadFull(r, reply); err != nil || reply[1] != 2 { // METHOD_RETURN
		t.Errorf("Hello is answered with % x, %v", reply, err)
	}
}

// hello is the message org.freedesktop.DBus.Hello, little-endian.
var hello = "l\x01\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x6e\x00\x00\x00" +
	field(1, "o", "/org/freedesktop/DBus") + field(6, "s", "org.freedesktop.DBus") +
	field(2, "s", "org.freedesktop.DBus") + field(3, "s", "Hello")

func field(code byte, kind, value string) string {
	s := string([]byte{code, 1}) + kind + "\x00" + string([]byte{byte(len(value)), 0, 0, 0}) + value + "\x00"
	return s + strings.Repeat("\x00", -len(s)&7)
}

// Other users' programs are disconnected.
func TestOtherUser(t *testing.T) {
	headless.Root(t)
	d := open(t, headless.Options{Bus: true})
	relay := d.startRelay(t, d.bus(), d.User.UID, d.inside)
	send := func(uid int) error {
		out, err := d.runAs(t, uid, []string{"DBUS_SESSION_BUS_ADDRESS=unix:path=" + relay}, clients[0].command)
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
	for _, uid := range []int{0, d.inside, 65534} {
		if err := send(uid); err == nil {
			t.Errorf("uid %d is accepted", uid)
		}
	}
	if err := send(d.User.UID); err != nil {
		t.Errorf("the user is refused: %v", err)
	}
	// A program that really has another uid, which the relay expects.
	relay = d.startRelay(t, d.bus(), d.inside, d.inside)
	if err := send(d.inside); err != nil {
		t.Errorf("uid %d is refused: %v", d.inside, err)
	}
	if err := send(d.User.UID); err == nil {
		t.Error("the user is accepted where another uid is expected")
	}
}

// A bus that restarts disconnects its clients; new clients reach the new bus.
func TestRestart(t *testing.T) {
	d := open(t, headless.Options{Bus: true})
	path := filepath.Join(d.RuntimeDir, "second")
	daemon := func() (end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := d.Command(ctx, "dbus-daemon", "--session", "--nofork", "--nopidfile", "--address=unix:path="+path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the bus answers", func() bool {
			c, err := net.Dial("unix", path)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
		return func() { cancel(); cmd.Wait() }
	}
	f := &fixture{path: d.startRelay(t, path, os.Getuid(), d.inside)}
	claim := "AUTH EXTERNAL " + string(encodeUID(d.inside))
	end := daemon()
	old := f.dial(t)
	first := converse(t, old, claim)
	end()
	checkClosed(t, old)
	checkClosed(t, f.dial(t)) // no bus
	end = daemon()
	defer end()
	second := converse(t, f.dial(t), claim)
	if !strings.HasPrefix(first, "OK ") || !strings.HasPrefix(second, "OK ") || first == second {
		t.Errorf("the first bus answered %q, the second %q", first, second)
	}
}

// Without replacing a uid, programs of another uid use Wayland, PipeWire and
// PulseAudio, although they have no rights to those sockets.
func TestPlain(t *testing.T) {
	headless.Root(t)
	d := open(t, headless.Options{Compositor: "sway", Sound: true})
	const other = 65534
	wav := filepath.Join(d.dir, "tone.wav")
	tone := append([]byte("RIFF\xff\xff\xff\x7fWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\xa0\x0f\x00\x00"), make([]byte, 4000)...)
	if err := os.WriteFile(wav, tone, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ socket, variable, command, want string }{
		{d.Getenv("WAYLAND_DISPLAY"), "WAYLAND_DISPLAY=", "wayland-info", "wl_seat"},
		{"pipewire-0", "PIPEWIRE_REMOTE=", "pw-cli info 0", "pipewire-0"},
		{"pulse/native", "PULSE_SERVER=unix:", "pactl info", "Default Sink: headless"},
		{"pulse/native", "PULSE_SERVER=unix:", "paplay " + wav, ""},
	} {
		server := filepath.Join(d.RuntimeDir, c.socket)
		relay := d.startRelay(t, server, other, d.User.UID)
		if out, err := d.runAs(t, other, []string{c.variable + relay}, c.command); err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%s through the relay: %q, %v", c.command, out, err)
		}
		if out, err := d.runAs(t, other, []string{c.variable + server}, c.command); err == nil {
			t.Errorf("%s needs no relay: %q", c.command, out)
		}
		os.Remove(relay)
	}
}
