// Package grants says how each kind of change that a journal holds is made and
// taken back, and where the journals are. Both commands replay them.
package grants

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
	"chrun/display/x11/hosts"
	"chrun/session"
	"chrun/session/acl"
	"chrun/session/grant"
	"chrun/session/rootfs"
)

// Dir is where root's journal is. A user makes no changes that need one.
const Dir = "/run/chrun/journal"

// Open opens root's journal, and makes it.
func Open() (*grant.Journal, error) {
	parent := path.Dir(Dir)
	if err := os.Mkdir(parent, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	// Who can write there could take the journal away.
	if st, err := os.Lstat(parent); err != nil {
		return nil, err
	} else if !st.IsDir() || session.Owner(st) != os.Geteuid() || st.Mode()&0o022 != 0 {
		return nil, fmt.Errorf("cannot use the journal %s: %s is not a directory that only root can write", Dir, parent)
	}
	return grant.Open(Dir)
}

// Table is handed to a journal.
var Table = grant.Table{
	grant.KindACL: {
		IsApplied: func(g grant.Grant) (bool, error) { return socket(g).Has(g.ACL.UID, acl.Perm(g.ACL.Perm)) },
		Apply:     func(g grant.Grant) error { return socket(g).Add(g.ACL.UID, acl.Perm(g.ACL.Perm)) },
		Revoke:    func(g grant.Grant) error { return socket(g).Remove(g.ACL.UID, acl.Perm(g.ACL.Perm)) },
	},
	grant.KindHost: {
		IsApplied: func(g grant.Grant) (has bool, err error) {
			err = onDisplay(g, func(c *hosts.Conn) error {
				list, enabled, err := c.List()
				has = !enabled
				for _, h := range list {
					has = has || h == hosts.LocalUser(g.Host.UID)
				}
				return err
			})
			return has, err
		},
		Apply: func(g grant.Grant) error {
			return onDisplay(g, func(c *hosts.Conn) error { return c.Add(hosts.LocalUser(g.Host.UID)) })
		},
		Revoke: func(g grant.Grant) error {
			err := onDisplay(g, func(c *hosts.Conn) error { return c.Remove(hosts.LocalUser(g.Host.UID)) })
			if errors.Is(err, hosts.ErrGone) {
				err = nil // and its list with it
			}
			return err
		},
	},
}

// For is the change that lets uid in. owner is whose desktop it is.
func For(a session.Admission, owner, uid int) (g grant.Grant, err error) {
	if a.Socket != "" {
		real, err := rootfs.RealHost(a.Socket)
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
		return grant.Grant{Kind: grant.KindACL, ACL: &grant.ACL{Path: string(real), Device: f.Device, Inode: f.Inode,
			Owner: f.Owner, UID: uid, Perm: 6}}, nil
	}
	d, err := x11.ParseDisplay(a.Display, session.IsSocket)
	if err != nil {
		return g, err
	}
	var server hosts.Server
	err = As(owner, func() error { server, err = hosts.ServerOf(d, nil); return err })
	return grant.Grant{Kind: grant.KindHost, Host: &grant.Host{Display: a.Display, PID: server.PID, Start: server.Start, UID: uid}}, err
}

// Connect connects to a display as uid. The caller closes the result.
func Connect(display string, uid int) (c *hosts.Conn, err error) {
	d, err := x11.ParseDisplay(display, session.IsSocket)
	if err != nil {
		return nil, err
	}
	err = As(uid, func() error { c, err = hosts.Dial(d, nil); return err })
	return c, err
}

func socket(g grant.Grant) acl.Socket {
	return acl.Socket{Path: g.ACL.Path, Device: g.ACL.Device, Inode: g.ACL.Inode, Owner: g.ACL.Owner}
}

// onDisplay connects as the server's user: it may admit nobody else (Xwayland).
func onDisplay(g grant.Grant, do func(*hosts.Conn) error) error {
	d, err := x11.ParseDisplay(g.Host.Display, session.IsSocket)
	if err != nil {
		return err
	}
	st, err := os.Stat("/proc/" + strconv.Itoa(g.Host.PID))
	if errors.Is(err, fs.ErrNotExist) {
		return hosts.ErrGone
	} else if err != nil {
		return err
	}
	return As(session.Owner(st), func() error {
		c, err := hosts.Server{PID: g.Host.PID, Start: g.Host.Start}.Dial(d, nil)
		if err != nil {
			return err
		}
		defer c.Close()
		return do(c)
	})
}

// As runs do on a thread that has the effective uid of another user; only root
// can.
func As(uid int, do func() error) error {
	if uid == os.Geteuid() {
		return do()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	set := func(uid int) error {
		_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0))
		if errno != 0 {
			return os.NewSyscallError("setresuid", errno)
		}
		return nil
	}
	old := os.Geteuid()
	if err := set(uid); err != nil {
		return err
	}
	err := do()
	if back := set(old); back != nil {
		panic(back) // this thread must not go on as somebody else
	}
	return err
}
