package menu

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/desktop/menu/wire"
	"chrun/session"
)

// startScope asks the user's systemd for a scope with this process in it, and so
// with the program.
func (p *Pending) startScope(c *session.Caller, app string) {
	socket := c.RuntimeDir.Join("systemd/private")
	if c.RuntimeDir == "" || !c.Listeners().IsLive(socket) {
		return
	}
	manager, err := wire.Dial(string(socket), c.UID, answerTime)
	if err != nil {
		return
	}
	p.manager, p.unit = manager, scopeName(app)
	p.job, _ = manager.Send(startTransientUnit(p.unit, app, os.Getpid()))
}

// joinScope waits until this process is in the scope.
func (p *Pending) joinScope() error {
	if _, err := p.manager.Reply(p.job); err != nil {
		return err
	}
	result := ""
	_, err := p.manager.Wait(func(m *wire.Message) bool {
		if m.Type != wire.Signal || m.Member != "JobRemoved" || m.Signature != "uoss" {
			return false
		}
		m.Uint32()     // number of the job
		_ = m.String() // its path
		unit := m.String()
		result = m.String()
		return unit == p.unit
	})
	if err == nil && result != "done" {
		err = fmt.Errorf("the job ended with %q", result)
	}
	return err
}

// scopeName returns the name of a new scope for an application (systemd, "Desktop
// Environment Integration"). xdg-desktop-portal reads the ID from it.
func scopeName(app string) string {
	const maxID = 220 // bytes; a unit name has at most 255
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
	if len(id) > maxID {
		id = "chrun"
	}
	return "app-chrun-" + id + "-" + hex.EncodeToString(random[:]) + ".scope"
}

// startTransientUnit is the call that creates a scope (org.freedesktop.systemd1(5)).
func startTransientUnit(unit, app string, pid int) *wire.Call {
	c := &wire.Call{Dest: "org.freedesktop.systemd1", Path: "/org/freedesktop/systemd1",
		Interface: "org.freedesktop.systemd1.Manager", Member: "StartTransientUnit", Signature: "ssa(sv)a(sa(sv))"}
	b := &c.Body
	b.String(unit)
	b.String("fail") // if it exists
	b.Array(8, func() {
		for _, p := range [][2]string{{"Description", app}, {"Slice", "app.slice"}, {"CollectMode", "inactive-or-failed"}} {
			b.Struct()
			b.String(p[0])
			b.Signature("s")
			b.String(p[1])
		}
		b.Struct()
		b.String("PIDs")
		b.Signature("au")
		b.Array(4, func() { b.Uint32(uint32(pid)) })
	})
	b.Array(8, func() {})
	return c
}
