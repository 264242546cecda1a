// Package grant is the journal of changes to a desktop that outlive a system
// call: who made them, and how they are taken back whatever becomes of the
// launch. It knows typed data alone, and never a command to run or a path to
// remove; how a kind is done and undone is handed in.
//
// A journal belongs to the uid that makes the changes. What it holds is written
// before the change, and undone by the launch that ends last or, if that was
// killed, by the next sweep.
package grant

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
)

// Grant is one change. Kind says which of the fields is set.
type Grant struct {
	Kind string `json:"kind"`
	ACL  *ACL   `json:"acl,omitempty"`
	Host *Host  `json:"host,omitempty"`
}

// Kinds of grants.
const (
	KindACL  = "acl"
	KindHost = "host"
)

// ACL is an entry in the POSIX ACL of a socket.
type ACL struct {
	Path   string `json:"path"` // to find it; Device and Inode say whether it is it
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	Owner  int    `json:"owner"` // uid
	UID    int    `json:"uid"`   // who gets in
	Perm   uint16 `json:"perm"`  // of 7
}

// Host is SI:localuser:#UID in the host list of an X server.
type Host struct {
	Display string `json:"display"`          // to find it; PID and Start say whether it is it
	PID     int    `json:"pid"`              // of the server
	Start   string `json:"start"`            // field 22 of /proc/PID/stat
	UID     int    `json:"uid"`              // who gets in
	Cookie  string `json:"cookie,omitempty"` // the Xauthority file; "" is none
}

// Kind is how one kind of change is made and taken back. Each is called with
// the journal locked, and may be called again for what it has done already.
type Kind struct {
	// Has says whether the change is there, whoever made it.
	Has func(Grant) (bool, error)
	Do  func(Grant) error
	// Undo leaves alone what has changed since, and what is gone: that is no
	// error. An error is what may pass: the journal keeps the grant.
	Undo func(Grant) error
}

// Table has the kinds by name.
type Table map[string]Kind

// maxID is the largest uid; the next means "none" to the kernel.
const maxID = 1<<32 - 2

func (g Grant) check(table Table) error {
	bad := errors.New("its fields are not those of a grant")
	switch {
	case table[g.Kind].Undo == nil:
		return fmt.Errorf("the kind of grant %q is unknown", g.Kind)
	case (g.ACL != nil) != (g.Kind == KindACL), (g.Host != nil) != (g.Kind == KindHost):
		return bad
	}
	id := func(n int) bool { return n >= 0 && n <= maxID }
	file := func(p string) bool { return path.IsAbs(p) && path.Clean(p) == p && len(p) < 4096 }
	if a := g.ACL; a != nil && (!file(a.Path) || a.Inode == 0 || !id(a.Owner) || !id(a.UID) || a.Perm == 0 || a.Perm > 7) {
		return bad
	}
	if h := g.Host; h != nil && (h.Display == "" || len(h.Display) >= 4096 || h.PID <= 0 || h.Start == "" || len(h.Start) > 20 ||
		!id(h.UID) || h.Cookie != "" && !file(h.Cookie)) {
		return bad
	}
	return nil
}

// target is what g changes: two of one target are one change. A socket is its
// path too, which is without symlinks: the number of an inode that has gone is
// soon another's.
func (g Grant) target() any {
	switch {
	case g.ACL != nil:
		return ACL{Path: g.ACL.Path, Device: g.ACL.Device, Inode: g.ACL.Inode, UID: g.ACL.UID, Perm: g.ACL.Perm}
	case g.Host != nil:
		return Host{PID: g.Host.PID, Start: g.Host.Start, UID: g.Host.UID}
	}
	return nil
}

func (g Grant) String() string {
	switch {
	case g.ACL != nil:
		return fmt.Sprintf("%s to uid %d", g.ACL.Path, g.ACL.UID)
	case g.Host != nil:
		return fmt.Sprintf("display %s to uid %d", g.Host.Display, g.Host.UID)
	}
	return g.Kind
}

// line is the one form in which g is written.
func (g Grant) line() ([]byte, error) {
	data, err := json.Marshal(g)
	return append(data, '\n'), err
}

// parse reads one line, without its end, as line writes it and in no other way.
func parse(data []byte, table Table) (g Grant, err error) {
	if err := json.Unmarshal(data, &g); err != nil {
		return Grant{}, errors.New("it is no grant")
	}
	if err := g.check(table); err != nil {
		return Grant{}, err
	}
	if again, err := g.line(); err != nil || string(again) != string(data)+"\n" {
		return Grant{}, errors.New("it is not as chrun writes it")
	}
	return g, nil
}
