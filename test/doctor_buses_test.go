package test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chrun/internal/doctor/report"
	"chrun/internal/headless"
)

// typeAndLook types a line of the doctor's in a shell, and there the doctor again. A
// line that starts a bus for one command gets the doctor as that command.
func (d *desk) typeAndLook(m mode, line string, words ...string) report.Report {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	doctor := "exec " + strings.Join(append([]string{chrunctlProgram, "doctor", "--json", d.chroot}, words...), " ")
	script := "{ " + line + "; } >/dev/null || exit 99\n" + doctor
	if strings.HasPrefix(line, "dbus-run-session ") {
		script = "exec dbus-run-session " + strings.TrimPrefix(doctor, "exec ")
	}
	cmd := d.Command(ctx, "sh", "-c", script)
	cmd.Env, cmd.Dir = m.env(cmd.Env), "/tmp"
	return readReport(d.t, runCommand(cmd))
}

// setting is a mode with more variables.
func setting(vars ...string) mode {
	return mode{strings.Join(vars, " "), func(env []string) []string {
		for _, kv := range vars {
			name, _, _ := strings.Cut(kv, "=")
			env = without(name)(env)
		}
		return append(env, vars...)
	}}
}

// fakeServer listens at a socket that everybody may use, and answers each client with
// serve, which may be nil: then it accepts and never answers.
func fakeServer(t *testing.T, u headless.User, serve func(net.Conn)) (socket string) {
	t.Helper()
	socket = filepath.Join(headless.Dir(t, u), "socket")
	l, err := net.Listen("unix", socket)
	if err == nil {
		err = os.Chmod(socket, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		var held []net.Conn // the garbage collector would close them
		for {
			c, err := l.Accept()
			switch {
			case err != nil:
				for _, c := range held {
					c.Close()
				}
				return
			case serve == nil:
				held = append(held, c)
			default:
				serve(c)
				c.Close()
			}
		}
	}()
	return socket
}

// wantGood checks that nothing failed and that a row has an answer with this text.
func wantGood(t *testing.T, rep report.Report, row, text string) {
	t.Helper()
	if f := failures(rep); len(f) > 0 {
		t.Errorf("failed: %s", strings.Join(f, "\n"))
	}
	var texts []string
	for _, c := range rep.Checks {
		if c.Feature == row {
			texts = append(texts, string(c.Status)+": "+c.Text)
		}
	}
	if !slices.ContainsFunc(rep.Checks, func(c report.Check) bool {
		return c.Feature == row && c.Status == report.OK && strings.Contains(c.Text, text)
	}) {
		t.Errorf("%s does not say %q: %s", row, text, strings.Join(texts, "\n"))
	}
}

// A session bus that cannot be used is named, with what mends it.
func TestDoctorBus(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Bus: true})
	foreign := filepath.Join(headless.Dir(t, d.User), "bus") // root's
	cmd := exec.Command("dbus-daemon", "--session", "--nofork", "--nopidfile", "--address=unix:path="+foreign)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	waitFor(t, 5*time.Second, "root's bus", func() bool { return os.Chmod(foreign, 0o666) == nil })
	const variable = "DBUS_SESSION_BUS_ADDRESS"
	closing := fakeServer(t, d.User, func(net.Conn) {})
	for _, c := range []struct{ name, address, fault, command string }{
		{"of another user", foreign, "bus-foreign", "export " + variable + "=unix:path=" + d.RuntimeDir + "/bus"},
		{"never answers", fakeServer(t, d.User, nil), "bus-other", "export " + variable + "=unix:path=" + d.RuntimeDir + "/bus"},
		{"closes", closing, "bus-foreign", "export " + variable + "=unix:path=" + d.RuntimeDir + "/bus"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := setting(variable + "=unix:path=" + c.address)
			rep := d.doctor(m, d.chroot)
			command := wantFault(t, rep, "session-bus", c.fault)
			if command != c.command || rep.Millis > 2500 {
				t.Errorf("%q after %d ms, want %q", command, rep.Millis, c.command)
			}
			wantGood(t, d.typeAndLook(m, command), "session-bus", "answers")
		})
	}
	never := fakeServer(t, d.User, nil)
	m := setting("AT_SPI_BUS_ADDRESS=unix:path=" + never)
	command := wantFault(t, d.doctor(m, d.chroot), "accessibility", "accessibility-hang")
	if !strings.HasSuffix(command, " --deny=accessibility") {
		t.Errorf("%q", command)
	}
	wantGood(t, d.doctor(m, "--", "-c", d.chroot, "--deny=accessibility"), "session-bus", "answers")
	wantFault(t, d.doctor(setting("DBUS_SYSTEM_BUS_ADDRESS=unix:path="+never), d.chroot), "system-bus", "system-bus-hang")
	// chrun finds the bus itself: a note for programs of the host.
	m = setting(variable + "=unix:path=/tmp/chrun-test-no-bus")
	command = wantNote(t, d.doctor(m, d.chroot), "session-bus", "bus-moved")
	rep := d.typeAndLook(m, command)
	wantGood(t, rep, "session-bus", "answers")
	if _, ok := find(rep, "session-bus", "bus-moved"); ok {
		t.Errorf("%s has changed nothing", command)
	}
}

// A variable that names a bus that does not run is a fault only if there is no other.
func TestDoctorNoBus(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	m := setting("DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/chrun-test-no-bus,guid=0123456789abcdef0123456789abcdef")
	command := wantFault(t, d.doctor(m, d.chroot), "session-bus", "bus-stale")
	wantGood(t, d.typeAndLook(m, command), "session-bus", "answers")
	deaf := setting("DBUS_SESSION_BUS_ADDRESS=unix:path=" + fakeServer(t, d.User, nil))
	if command = wantFault(t, d.doctor(deaf, d.chroot), "session-bus", "bus-hang"); command != "dbus-run-session chrun --chroot="+d.chroot {
		t.Errorf("%q", command)
	}
	wantGood(t, d.typeAndLook(deaf, command), "session-bus", "answers")
	if f := failures(d.doctor(both, d.chroot)); len(f) > 0 {
		t.Errorf("without a bus: %s", strings.Join(f, "\n"))
	}
	if f := failures(d.doctor(m, "--", "-c", d.chroot, "--deny", "session-bus")); len(f) > 0 {
		t.Errorf("denied: %s", strings.Join(f, "\n"))
	}
}

// Names on the bus are never activated: services that would be started write a file.
// Programs that have a name and do not answer are named.
func TestDoctorActivatesNothing(t *testing.T) {
	d := openDesktop(t, headless.Options{Bus: true, Home: makeHome(t, nil)})
	trace := filepath.Join(headless.Dir(t, d.User), "started")
	names := []string{"org.freedesktop.portal.Desktop", "org.freedesktop.Notifications", "org.kde.StatusNotifierWatcher", "org.a11y.Bus",
		"org.freedesktop.IBus", "org.freedesktop.portal.IBus", "org.fcitx.Fcitx5", "org.freedesktop.portal.Fcitx"}
	dir := filepath.Join(d.RuntimeDir, "dbus-1/services") // before the host's (dbus-daemon(1))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text := "[D-BUS Service]\nName=" + name + "\nExec=/usr/bin/touch " + trace + "\n"
		if err := os.WriteFile(filepath.Join(dir, name+".service"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Output("gdbus", "call", "--session", "-d", "org.freedesktop.DBus", "-o", "/", "-m", "org.freedesktop.DBus.ReloadConfig"); err != nil {
		t.Fatal(err)
	}
	rep := d.doctor(both, d.chroot)
	wantGood(t, rep, "session-bus", "portal starts on demand; notifications start on demand; no tray")
	wantGood(t, rep, "accessibility", "on demand")
	if _, err := os.Stat(trace); err == nil {
		t.Error("a service was started")
	}
	if _, err := d.Output("gdbus", "call", "--session", "--timeout", "1", "-d", names[0], "-o", "/", "-m", "x.y"); err == nil {
		t.Error("the service answers")
	}
	if _, err := os.Stat(trace); err != nil {
		t.Errorf("the test shows nothing: %v", err)
	}
	for name, fault := range map[string]string{names[0]: "portal-hang", names[1]: "notifications-hang"} {
		ctx, cancel := context.WithCancel(context.Background())
		c := d.start(ctx, both, nil, "python3", "-c", nameOwner, name)
		var out safeBuffer
		c.Stdout = &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 10*time.Second, name, func() bool {
			text, _ := d.Output("gdbus", "call", "--session", "-d", "org.freedesktop.DBus", "-o", "/", "-m", "org.freedesktop.DBus.NameHasOwner", name)
			return strings.Contains(text, "true")
		})
		rep := d.doctor(both, d.chroot)
		command := wantFault(t, rep, "session-bus", fault)
		if rep.Millis > 2500 {
			t.Errorf("%s: %d ms", fault, rep.Millis)
		}
		if fault == "notifications-hang" {
			wantGood(t, d.typeAndLook(both, command+"; sleep 0.2"), "session-bus", "notifications start on demand")
		}
		cancel()
		c.Wait()
	}
}

// Servers for keys, cards and printers are asked as programs ask them.
func TestDoctorAgents(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Home: makeHome(t, nil)})
	card := func(words ...uint32) func(net.Conn) {
		return func(c net.Conn) {
			c.Read(make([]byte, 20))
			binary.Write(c, binary.NativeEndian, words)
		}
	}
	reply := func(text string) func(net.Conn) {
		return func(c net.Conn) { c.Read(make([]byte, 200)); c.Write([]byte(text)) }
	}
	for _, c := range []struct {
		name, variable string
		serve          func(net.Conn)
		row, fault     string
		text           string // if it is good
	}{
		{"ssh", "SSH_AUTH_SOCK", reply("\x00\x00\x00\x05\x0c\x00\x00\x00\x03"), "agents", "", "keys: 3"},
		{"ssh refuses", "SSH_AUTH_SOCK", reply("\x00\x00\x00\x01\x05"), "agents", "ssh-agent-failed", ""},
		{"ssh closes", "SSH_AUTH_SOCK", reply(""), "agents", "ssh-agent-failed", ""},
		{"ssh never answers", "SSH_AUTH_SOCK", nil, "agents", "ssh-agent-failed", ""},
		{"cups", "CUPS_SERVER", reply("HTTP/1.1 200 OK\r\n\r\n"), "printing", "", "answers"},
		{"cups never answers", "CUPS_SERVER", nil, "printing", "cups-failed", ""},
		{"no cups", "CUPS_SERVER", reply("SSH-2.0-x\n"), "printing", "cups-failed", ""},
		{"cups endless", "CUPS_SERVER", reply(strings.Repeat("x", 1<<20)), "printing", "cups-failed", ""},
		{"pcscd", "PCSCLITE_CSOCK_NAME", card(4, 5, 0), "smartcard", "", "pcscd answers"},
		{"pcscd refuses", "PCSCLITE_CSOCK_NAME", card(3, 0, 0x8010001d), "smartcard", "pcscd-version", ""},
		{"pcscd by polkit", "PCSCLITE_CSOCK_NAME", card(), "smartcard", "pcscd-failed", ""},
		{"pcscd never answers", "PCSCLITE_CSOCK_NAME", nil, "smartcard", "pcscd-failed", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := setting(c.variable + "=" + fakeServer(t, d.User, c.serve))
			rep := d.doctor(m, "--feature", c.row, d.chroot)
			if rep.Millis > 2500 {
				t.Errorf("%d ms", rep.Millis)
			}
			switch {
			case c.fault != "":
				wantFault(t, rep, c.row, c.fault)
			default:
				wantGood(t, rep, c.row, c.text)
			}
		})
	}
	// What the doctor says to type starts an agent.
	m := setting("SSH_AUTH_SOCK=" + fakeServer(t, d.User, nil))
	command := wantFault(t, d.doctor(m, d.chroot), "agents", "ssh-agent-failed")
	wantGood(t, d.typeAndLook(m, command), "agents", "keys: 0")
	m = setting("SSH_AUTH_SOCK=/tmp/chrun-test-no-agent")
	command = wantNote(t, d.doctor(m, d.chroot), "agents", "ssh-agent-stale")
	wantGood(t, d.typeAndLook(m, command), "agents", "keys: 0")
	// gpg-agent greets.
	if err := os.Mkdir(filepath.Join(d.Getenv("HOME"), ".gnupg"), 0o700); err != nil {
		t.Fatal(err)
	}
	os.Chown(filepath.Join(d.Getenv("HOME"), ".gnupg"), d.User.UID, d.User.GID)
	if _, err := d.Output("gpg-connect-agent", "getinfo pid", "/bye"); err != nil {
		t.Fatal(err)
	}
	wantGood(t, d.doctor(both, d.chroot), "agents", "gpg-agent answers")
}

// If nothing answers, each server is named, and the doctor still ends in time.
func TestDoctorNothingAnswers(t *testing.T) {
	d := openDesktop(t, headless.Options{Home: makeHome(t, nil)})
	never := fakeServer(t, d.User, nil)
	rep := d.doctor(setting("DBUS_SESSION_BUS_ADDRESS=unix:path="+never, "DBUS_SYSTEM_BUS_ADDRESS=unix:path="+never, "AT_SPI_BUS_ADDRESS=unix:path="+never,
		"SSH_AUTH_SOCK="+never, "CUPS_SERVER="+never, "PCSCLITE_CSOCK_NAME="+never), d.chroot)
	for row, fault := range map[string]string{"session-bus": "bus-hang", "system-bus": "system-bus-hang", "accessibility": "accessibility-hang",
		"agents": "ssh-agent-failed", "printing": "cups-failed", "smartcard": "pcscd-failed"} {
		if c, ok := find(rep, row, fault); !ok || c.Status != report.Failed {
			t.Errorf("%s does not name %s: %s", row, fault, strings.Join(failures(rep), "\n"))
		}
	}
	if rep.Millis > 2500 {
		t.Errorf("%d ms", rep.Millis)
	}
}

func hasNote(rep report.Report, fault string) bool {
	return slices.ContainsFunc(rep.Checks, func(c report.Check) bool { return c.Fault == fault && c.Status == report.Note })
}

// What a bus says reaches the terminal as text.
func TestDoctorBusText(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	socket := fakeServer(t, d.User, func(c net.Conn) {
		c.Read(make([]byte, 200))
		c.Write([]byte("REJECTED \x1b[2J\x07\r\n"))
		c.Write(bytes.Repeat([]byte("x"), 5<<20))
	})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := d.Command(ctx, chrunctlProgram, "doctor", d.chroot)
	cmd.Env, cmd.Dir = append(cmd.Env, "DBUS_SESSION_BUS_ADDRESS=unix:path="+socket), "/tmp"
	if r := runCommand(cmd); r.code != 1 || strings.ContainsAny(r.stdout, "\x1b\x07") {
		t.Errorf("%+v", r)
	}
}

// An input method that is set up and does not run is a note, and what the doctor says
// starts it.
func TestDoctorInputMethod(t *testing.T) {
	d := openDesktop(t, headless.Options{X11: true, Bus: true, Home: makeHome(t, nil), Private: true})
	m := setting("XMODIFIERS=@im=ibus")
	command := wantNote(t, d.doctor(m, d.chroot), "input-method", "ibus-not-running")
	if rep := d.typeAndLook(m, command+"; sleep 2"); hasNote(rep, "ibus-not-running") {
		t.Errorf("%s has changed nothing: %+v", command, rep.Checks)
	} else {
		wantGood(t, rep, "input-method", "ibus runs")
	}
	m = setting("XMODIFIERS=@im=fcitx")
	if command = wantNote(t, d.doctor(m, d.chroot), "input-method", "ibus-not-set"); !strings.HasPrefix(command, "export ") {
		t.Errorf("%q", command)
	}
	// Programs then need modules, of which the chroot has none.
	wantFault(t, d.typeAndLook(m, command), "input-method", "no-input-module")
	// A compositor may do without.
	w := openDesktop(t, headless.Options{Compositor: "weston", Bus: true, Home: makeHome(t, nil), Private: true})
	rep := w.doctor(setting("GTK_IM_MODULE=ibus"), w.chroot)
	if c, ok := find(rep, "input-method", "no-input-module"); !ok || c.Status != report.Note {
		t.Errorf("%+v", c)
	}
}
