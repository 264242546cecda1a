package main

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/desktop"
	"chrun/desktop/dbus"
	"chrun/internal/cli"
	"chrun/internal/helper"
	"chrun/internal/request"
	"chrun/session"
)

// entry is what a launch from a menu asks of the desktop. The questions are sent
// at once and heard when all is planned, so that the answers cost no time.
type entry struct {
	manager *dbus.Conn // systemd's, of the user
	unit    string
	started uint32 // the serial of the call
	bus     *dbus.Conn
	owner   uint32 // the serial of the call
}

// limit is how long the desktop may take to answer.
const limit = 2 * time.Second

// ask sends the questions, if there is somebody to ask.
func (e *entry) ask(flags *cli.Flags, c *session.Caller) {
	app := flags.App
	if app == "" || flags.DryRun != "" || flags.List || c.UID == 0 || c.UID != os.Getuid() {
		return
	}
	if p := c.RuntimeDir.Join("systemd/private"); c.RuntimeDir != "" && c.Listeners().IsLive(p) {
		if conn, err := dbus.Dial(&unix.SockaddrUnix{Name: string(p)}, c.UID, limit); err == nil {
			e.manager, e.unit = conn, unit(app)
			e.started, _ = conn.Send(scope(e.unit, app))
		}
	}
	if !strings.Contains(app, ".") { // no name on a bus
		return
	}
	addr := desktop.BusAddress(c)
	if addr == nil {
		return
	}
	if conn, err := dbus.Dial(addr, c.UID, limit); err == nil {
		e.bus = conn
		conn.Bus()
		e.owner, _ = conn.Send(owner(app))
	}
}

// close hangs up.
func (e *entry) close() {
	for _, c := range []*dbus.Conn{e.manager, e.bus} {
		if c != nil {
			c.Close()
		}
	}
	*e = entry{}
}

// hear waits for the answers.
func (e *entry) hear(c *command, l *request.Launch) {
	if e.manager != nil {
		if err := e.join(); err != nil {
			c.note(fmt.Sprintf("no systemd scope: %v", err))
		}
	}
	if e.bus != nil {
		if text := e.other(l); text != "" {
			c.warn(text)
			if !cli.IsTerminal(2) {
				helper.Notify(c.env, c.flags.App, text)
			}
		}
	}
	e.close()
}

// unit is the name of a scope for an entry (systemd, "Desktop Environment
// Integration"): xdg-desktop-portal takes the id from it. A name has less than
// 256 bytes.
func unit(app string) string {
	var random [4]byte
	unix.Getrandom(random[:], 0)
	var b strings.Builder
	for i := range len(app) {
		if c := app[i]; 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == ':' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	id := b.String()
	if len(id) > 220 {
		id = "chrun"
	}
	return "app-chrun-" + id + "-" + hex.EncodeToString(random[:]) + ".scope"
}

// scope asks the user's manager for a scope with this process in it
// (org.freedesktop.systemd1(5)); what is cloned later is in it, too.
func scope(unit, app string) *dbus.Call {
	c := &dbus.Call{Dest: "org.freedesktop.systemd1", Path: "/org/freedesktop/systemd1",
		Iface: "org.freedesktop.systemd1.Manager", Member: "StartTransientUnit", Sig: "ssa(sv)a(sa(sv))"}
	b := &c.Body
	b.String(unit)
	b.String("fail")
	b.Array(8, func() {
		for _, p := range [][2]string{{"Description", app}, {"Slice", "app.slice"}, {"CollectMode", "inactive-or-failed"}} {
			b.Struct()
			b.String(p[0])
			b.StringVariant(p[1])
		}
		b.Struct()
		b.String("PIDs")
		b.Signature("au")
		b.Array(4, func() { b.Uint32(uint32(os.Getpid())) })
	})
	b.Array(8, func() {})
	return c
}

// join waits until this process is in the scope.
func (e *entry) join() error {
	if _, err := e.manager.Reply(e.started); err != nil {
		return err
	}
	result := ""
	_, err := e.manager.Wait(func(m *dbus.Message) bool {
		if m.Type != dbus.Signal || m.Member != "JobRemoved" || m.Sig != "uoss" {
			return false
		}
		m.Uint32()
		_ = m.String()
		unit := m.String()
		result = m.String()
		return unit == e.unit
	})
	if err == nil && result != "done" {
		err = fmt.Errorf("the job ended with %q", result)
	}
	return err
}

// other says whose window will open where a program outside this chroot has the
// name on the bus that a single instance of this one takes.
func (e *entry) other(l *request.Launch) string {
	answer, err := e.bus.Reply(e.owner)
	// A renamed entry's program has the name on the bus that it had before.
	name := strings.TrimSuffix(l.Flags.App, "."+l.Choice.Name)
	if name != l.Flags.App {
		answer, err = e.bus.Call(owner(name))
	}
	if err != nil {
		return ""
	}
	pid := answer.Uint32()
	// The root of a launch may be a mirror of the tree's: then /usr is the same.
	at := fmt.Sprintf("/proc/%d/root", pid)
	is := func(dir string) bool { return same(at, dir) || same(at+"/usr", dir+"/usr") }
	if _, err := os.Stat(at); err != nil || is(string(l.Root.Dir())) {
		return ""
	}
	whose := "elsewhere"
	if is("/") {
		whose = "on the host"
	}
	all, _ := l.Choice.Config().All()
	for _, ch := range all {
		if is(string(ch.Path)) {
			whose = "in " + ch.Name
		}
	}
	text := fmt.Sprintf("%s runs %s already (process %d): the window will be that one's", name, whose, pid)
	if len(l.Flags.Command) > 0 {
		program := path.Base(l.Flags.Command[0])
		if own := instances[program]; own != "" {
			return text + "; for one of its own: " + program + " " + own
		}
		text += fmt.Sprintf("; end that one first, or see what %s --help offers", cmp.Or(program, "it"))
	}
	return text
}

// same says whether two paths lead to one file.
func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// owner asks which process has a name on the bus.
func owner(name string) *dbus.Call {
	c := &dbus.Call{Dest: "org.freedesktop.DBus", Path: "/org/freedesktop/DBus", Iface: "org.freedesktop.DBus",
		Member: "GetConnectionUnixProcessID", Sig: "s"}
	c.Body.String(name)
	return c
}

// instances are the switches by which programs that insist on one instance start
// another (their manual pages).
var instances = map[string]string{
	"firefox": "--new-instance", "firefox-esr": "--new-instance", "firefox-bin": "--new-instance", "thunderbird": "--new-instance",
	"gedit": "--standalone", "gnome-text-editor": "--standalone", "eog": "--new-instance", "geany": "--new-instance",
	"mousepad": "--disable-server", "xfce4-terminal": "--disable-server", "gimp": "--new-instance", "gimp-2.10": "--new-instance",
	"kate": "--new", "inkscape": "--app-id-tag=TAG", "vlc": "--no-one-instance",
}
