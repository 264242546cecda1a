// Package grants applies and revokes the changes that admit a program to another
// user's desktop: entries in the ACL of a socket and in the host list of an X
// server. They are recorded in root's journal, so that chrun and chrunctl can
// revoke those of launches that were killed.
package grants

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"chrun/display/x11"
	"chrun/display/x11/xhost"
	"chrun/session"
	"chrun/session/acl"
	"chrun/session/grant"
	"chrun/session/rootfs"
)

// Dir is the directory of root's journal. What other users change needs none.
const Dir = "/run/chrun/journal"

// Open opens root's journal and creates it if it does not exist.
func Open() (*grant.Journal, error) {
	parent := path.Dir(Dir)
	if err := os.Mkdir(parent, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	// Whoever can write to parent could replace the journal.
	if st, err := os.Lstat(parent); err != nil {
		return nil, err
	} else if !st.IsDir() || session.Owner(st) != os.Geteuid() || st.Mode()&0o022 != 0 {
		return nil, fmt.Errorf("cannot use the journal %s: %s is not a directory that only root can write", Dir, parent)
	}
	return grant.Open(Dir)
}

// CountDead returns how many launches were killed and have left changes. It changes
// nothing. Only root can read its journal.
func CountDead() (int, error) {
	if _, err := os.Stat(Dir); err != nil {
		return 0, nil
	}
	journal, err := Open()
	if err != nil {
		return 0, err
	}
	defer journal.Close()
	return journal.CountDead(Table(nil))
}

// Table returns how a journal applies and revokes each kind of grant. start
// starts the helper processes that talk to X servers.
func Table(start xhost.StartFunc) grant.Table {
	return grant.Table{
		grant.KindACL: {
			IsApplied: func(g grant.Grant) (bool, error) { return socketOf(g).Has(g.ACL.UID, acl.Perm(g.ACL.Perm)) },
			Apply:     func(g grant.Grant) error { return socketOf(g).Add(g.ACL.UID, acl.Perm(g.ACL.Perm)) },
			Revoke: func(g grant.Grant) error {
				err := socketOf(g).Remove(g.ACL.UID, acl.Perm(g.ACL.Perm))
				if errors.Is(err, acl.ErrLeft) {
					return fmt.Errorf("%w: %w", grant.ErrLeft, err)
				}
				return err
			},
		},
		grant.KindHost: {
			IsApplied: func(g grant.Grant) (bool, error) {
				c, s, err := serverClient(g, start)
				if err != nil {
					return false, err
				}
				return c.HasUser(s, g.Host.UID)
			},
			Apply: func(g grant.Grant) error {
				c, s, err := serverClient(g, start)
				if err != nil {
					return err
				}
				return c.AddUser(s, g.Host.UID)
			},
			Revoke: func(g grant.Grant) error {
				c, s, err := serverClient(g, start)
				if err == nil {
					err = c.RemoveUser(s, g.Host.UID)
				}
				if errors.Is(err, xhost.ErrEnded) {
					return nil // and its host list with it
				}
				return err
			},
		},
	}
}

// ForAdmission returns the grant that gives uid access to the socket of a, which
// must belong to the desktop user owner, or to root.
func ForAdmission(a session.Admission, owner, uid int) (g grant.Grant, err error) {
	real, err := rootfs.ResolveHost(a.Socket)
	if err != nil {
		return g, err
	}
	f, err := acl.Open(string(real))
	if err != nil {
		return g, err
	}
	defer f.Close()
	if f.Owner != owner && f.Owner != 0 {
		return g, fmt.Errorf("%s belongs to uid %d", a.Socket, f.Owner)
	}
	if f.Device != a.Device || f.Inode != a.Inode {
		return g, fmt.Errorf("%s: %w", a.Socket, acl.ErrReplaced)
	}
	return ForSocket(f, uid)
}

// ForSocket returns the grant that gives uid access to an open socket.
func ForSocket(f *acl.File, uid int) (g grant.Grant, err error) {
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(f.Descriptor()))
	if err != nil {
		return g, err
	}
	return grant.Grant{Kind: grant.KindACL, ACL: &grant.ACL{Path: real, Device: f.Device, Inode: f.Inode,
		Owner: f.Owner, UID: uid, Perm: 6, Handle: f.Handle()}}, nil
}

// ForDisplay returns the grant that gives uid access to the X server s.
func ForDisplay(display string, s xhost.Server, uid int) grant.Grant {
	return grant.Grant{Kind: grant.KindHost, Host: &grant.Host{Display: display, PID: s.PID, Start: s.Start, UID: uid}}
}

// Connect connects to a display as the desktop user owner. The caller closes the
// result.
func Connect(display string, owner int, start xhost.StartFunc) (*xhost.Conn, error) {
	d, err := x11.ParseDisplay(display, session.IsSocket)
	if err != nil {
		return nil, err
	}
	c := &xhost.Client{Display: d, UID: owner, Start: start}
	return c.Connect()
}

func socketOf(g grant.Grant) acl.Socket {
	return acl.Socket{Path: g.ACL.Path, Device: g.ACL.Device, Inode: g.ACL.Inode, Owner: g.ACL.Owner, Handle: g.ACL.Handle}
}

// serverClient returns a client of the server of g that connects as the user who
// runs it: the server may admit only that one (Xwayland).
func serverClient(g grant.Grant, start xhost.StartFunc) (*xhost.Client, xhost.Server, error) {
	s := xhost.Server{PID: g.Host.PID, Start: g.Host.Start}
	d, err := x11.ParseDisplay(g.Host.Display, session.IsSocket)
	if err != nil {
		return nil, s, err
	}
	uid, err := processUID(s.PID)
	if errors.Is(err, fs.ErrNotExist) {
		err = xhost.ErrEnded
	}
	if err != nil {
		return nil, s, err
	}
	return &xhost.Client{Display: d, UID: uid, Start: start}, s, nil
}

// processUID returns the effective uid of a process. The owner of /proc/PID can
// be root instead: that of a compositor with file capabilities is.
func processUID(pid int) (int, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "Uid:" {
			return strconv.Atoi(f[2])
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no uid", pid)
}
