// Package grant keeps a journal of the changes that launches make to a desktop,
// so that each change is revoked even if its launch is killed. The journal holds
// only typed data, never a command to run or a path to remove; callers pass in
// how each kind of change is applied and revoked.
//
// A journal belongs to the uid that makes the changes. A change is recorded
// before it is made. The last launch that shares it revokes it when it ends; if
// that launch is killed, the next sweep does.
package grant

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
)

// Grant is one change. Kind tells which of the other fields is set.
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
	Path   string `json:"path"`   // finds the socket
	Device uint64 `json:"device"` // identifies it, together with Inode
	Inode  uint64 `json:"inode"`
	Owner  int    `json:"owner"` // uid
	UID    int    `json:"uid"`   // the user who is granted access
	Perm   uint16 `json:"perm"`  // permission bits, 1 to 7
	// Handle finds the socket if it was moved. It is "" if the file system has none.
	Handle string `json:"handle,omitempty"`
}

// Host is SI:localuser:#UID in the host list of an X server.
type Host struct {
	Display string `json:"display"`          // finds the server
	PID     int    `json:"pid"`              // identifies it, together with Start
	Start   string `json:"start"`            // field 22 of /proc/PID/stat
	UID     int    `json:"uid"`              // the user who is granted access
	Cookie  string `json:"cookie,omitempty"` // the Xauthority file, or ""
}

// Kind applies and revokes one kind of change. Its functions are called with
// the journal locked and must be idempotent.
type Kind struct {
	// IsApplied reports whether the change is in place, whoever made it.
	IsApplied func(Grant) (bool, error)
	Apply     func(Grant) error
	// Revoke does nothing, and returns nil, if the target no longer exists or
	// somebody else has changed it since. If it returns an error, the journal
	// keeps the grant and the next sweep tries again.
	Revoke func(Grant) error
}

// ErrLeft is returned by Revoke if nobody can tell whether the target still exists.
// The journal keeps the grant, without complaint.
var ErrLeft = errors.New("the target cannot be found")

// Table maps the name of each kind to its functions.
type Table map[string]Kind

// maxID is the largest uid; the kernel reserves the next number for "no id".
const maxID = 1<<32 - 2

func (g Grant) validate(table Table) error {
	bad := errors.New("its fields are not valid for its kind")
	switch {
	case table[g.Kind].Revoke == nil:
		return fmt.Errorf("the kind of grant %q is unknown", g.Kind)
	case (g.ACL != nil) != (g.Kind == KindACL), (g.Host != nil) != (g.Kind == KindHost):
		return bad
	}
	isID := func(n int) bool { return n >= 0 && n <= maxID }
	isFile := func(p string) bool { return path.IsAbs(p) && path.Clean(p) == p && len(p) < 4096 }
	if a := g.ACL; a != nil && (!isFile(a.Path) || a.Inode == 0 || !isID(a.Owner) || !isID(a.UID) || a.Perm == 0 || a.Perm > 7 || len(a.Handle) > 300) {
		return bad
	}
	if h := g.Host; h != nil && (h.Display == "" || len(h.Display) >= 4096 || h.PID <= 0 || h.Start == "" || len(h.Start) > 20 ||
		!isID(h.UID) || h.Cookie != "" && !isFile(h.Cookie)) {
		return bad
	}
	return nil
}

// target identifies what g changes: grants with the same target are one change.
// It includes the path of a socket, which has no symlinks, because inode numbers
// are soon used again.
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

// line returns the only form in which g is written.
func (g Grant) line() ([]byte, error) {
	data, err := json.Marshal(g)
	return append(data, '\n'), err
}

// parse reads a line, given without its newline. It accepts exactly what line
// writes.
func parse(data []byte, table Table) (g Grant, err error) {
	if err := json.Unmarshal(data, &g); err != nil {
		return Grant{}, errors.New("it is not a grant")
	}
	if err := g.validate(table); err != nil {
		return Grant{}, err
	}
	if again, err := g.line(); err != nil || string(again) != string(data)+"\n" {
		return Grant{}, errors.New("it is not in the form that chrun writes")
	}
	return g, nil
}
