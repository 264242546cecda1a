// Package menu does what only a launch from a menu needs (chrun --app ID): a
// systemd scope for the program, and a warning if an instance elsewhere will open
// the program's window. The calls are sent before the launch is planned and the
// answers read afterwards, so that waiting for them costs little. It starts
// nothing and prints nothing.
package menu

import (
	"os"
	"strings"
	"time"
	"unicode"

	"chrun/desktop"
	"chrun/desktop/menu/wire"
	"chrun/session"
	"chrun/session/config"
)

// answerTime is how long the desktop may take to answer.
const answerTime = 2 * time.Second

// ValidID reports whether s can be an application ID: the name of a desktop
// entry's file without ".desktop", as in lists of defaults, which split at ';'.
func ValidID(s string) bool {
	return s != "" && len(s) <= 200 && strings.Trim(s, " ") == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune("/;\u2028\u2029", r) })
}

// Pending are the calls whose answers are still to be read. Close it.
type Pending struct {
	manager *wire.Conn // the user's systemd; nil if there is none
	unit    string
	job     uint32 // the serial of the call

	bus   *wire.Conn // the session bus; nil if there is none
	name  string     // the program's name on the bus
	owner uint32     // the serial of the call
}

// Begin sends the calls for the menu entry app of a chroot with this name, "" if
// it has none. It does nothing if this process is not the caller's own.
func Begin(c *session.Caller, app, chroot string) *Pending {
	p := &Pending{}
	if c.UID != 0 && c.UID == os.Getuid() {
		p.startScope(c, app)
		p.findOwner(c, busName(app, chroot))
	}
	return p
}

// Close closes the connections.
func (p *Pending) Close() {
	for _, c := range []*wire.Conn{p.manager, p.bus} {
		if c != nil {
			c.Close()
		}
	}
	*p = Pending{}
}

// Launch is what the texts of Finish depend on.
type Launch struct {
	Tree    session.HostPath
	Config  *config.Config
	Command []string
	Home    session.HostPath // the caller's home if the program uses it, else ""
}

// Finish waits for the answers. It returns a note if there is no scope, and a
// warning if the window will open in an instance that is not in the tree of l.
func (p *Pending) Finish(l Launch) (note, warning string) {
	if p.manager != nil {
		if err := p.joinScope(); err != nil {
			note = "no systemd scope: " + err.Error()
		}
	}
	if p.bus != nil {
		if pid := p.ownerPID(); pid > 0 {
			warning = describeInstance(p.name, pid, l)
		}
	}
	if warning == "" {
		warning = findProfileLock(l)
	}
	p.Close()
	return note, warning
}

// findOwner asks the session bus which process owns the name.
func (p *Pending) findOwner(c *session.Caller, name string) {
	if !strings.Contains(name, ".") { // cannot be a name on a bus
		return
	}
	socket := desktop.BusSocket(c)
	if socket == "" {
		return
	}
	bus, err := wire.Dial(socket, c.UID, answerTime)
	if err != nil {
		return
	}
	call := wire.Call{Dest: "org.freedesktop.DBus", Path: "/org/freedesktop/DBus", Interface: "org.freedesktop.DBus",
		Member: "GetConnectionUnixProcessID", Signature: "s"}
	call.Body.String(name)
	bus.Hello()
	p.bus, p.name = bus, name
	p.owner, _ = bus.Send(&call)
}

// ownerPID returns the process that owns the name, 0 if there is none.
func (p *Pending) ownerPID() int {
	answer, err := p.bus.Reply(p.owner)
	if err != nil {
		return 0
	}
	return int(answer.Uint32())
}
