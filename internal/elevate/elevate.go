// Package elevate is what root does on behalf of a user. "sudo chrun firefox"
// becomes the user who called root and makes that user's launch. Only if root
// has to mount does it stay root; then it reads everything with the user's
// rights, and only what nobody but root can have written decides what is
// mounted. One exception: a file of the user's may ask for idmap, for a tree that
// only root can replace (configuredIdmap).
package elevate

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"chrun/internal/cli"
	"chrun/internal/helper"
	"chrun/internal/request"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// Call is how root was called.
type Call struct {
	Flags  *cli.Flags
	Args   []string // the whole command line, with argv[0]
	Env    session.Environ
	System string // the directory of the configuration for all users
	Warn   func(text string)
}

// A Decision is what root does for the desktop user: become that user and make
// the user's ordinary launch, or mount for a launch with the user's rights.
type Decision struct {
	Choice *request.Choice // the chroot, if root mounts; else nil
	Kind   session.Kind    // the identity, if root mounts and has decided on one
	// RootInside is set if root mounts and the program is root inside.
	RootInside bool

	user   account.Account
	groups []int
	env    session.Environ // of the user's launch
	tree   int             // descriptor of an idmapped tree, or -1
}

// Decide finds the desktop user and decides. The result is nil if there is no
// desktop user, so that root enters as it is.
func Decide(c Call) (*Decision, error) {
	u, ok, err := desktopUser(c.Env, c.Args)
	if !ok {
		return nil, err
	}
	if err := refuseTracing(u, dumpableFile); err != nil {
		return nil, err
	}
	d := &Decision{user: u, groups: hostGroups(u), env: userEnviron(u, c.Env), tree: -1}
	if c.Flags.List {
		return d, nil // the user's own list
	}
	root := &session.Caller{Account: account.Account{Home: "/root"}, Cwd: cli.WorkingDir()}
	conf, err := config.Load(cli.ConfigSource(root, c.System, func(err error) { c.Warn(err.Error()) }))
	if err != nil {
		return nil, err
	}
	choice, chooseErr := request.Choose(c.Flags, conf, c.Env)
	kind, mounts := requested(c.Flags, choice, u)
	named := true
	if kind == "" && !mounts {
		own, err := d.configuredIdmap(c)
		if err != nil {
			return nil, err
		}
		if own != nil {
			choice, chooseErr, kind, mounts, named = own, nil, session.Idmap, true, false
		}
	}
	d.RootInside = mounts && kind != session.Grant && kind != session.Idmap
	if !mounts {
		if canMakeNamespaces(u, d.groups) {
			return d, nil
		}
		if kind == "" || kind == "auto" || kind == session.Match {
			kind = session.Direct
		}
	}
	switch {
	case chooseErr != nil:
		return nil, d.explainChoice(c, chooseErr)
	case kind == session.Idmap:
		d.tree, err = d.idmapTree(c, choice, named)
	default:
		d.Choice, d.Kind = choice, kind
	}
	return d, err
}

// requested is the identity that the flags and root's configuration ask for, ""
// if none, and whether root has to mount for it. choice is nil if root's
// configuration does not know the chroot.
func requested(flags *cli.Flags, choice *request.Choice, u account.Account) (kind session.Kind, mounts bool) {
	user, kind := flags.User, session.Kind(flags.Identity)
	if choice != nil {
		if user == "" {
			user = choice.User
		}
		if kind == "" {
			kind = session.Kind(choice.Identity)
		}
	}
	if (kind == "" || kind == "auto") && choice != nil && isSubordinate(choice.Path, u) {
		return kind, false // root inside is the user's too: files of the host's root would spoil the tree
	}
	return kind, user == "root" || user == "0" || kind == session.Grant || kind == session.Idmap
}

// isSubordinate reports whether a tree belongs to the subordinate ids of u.
func isSubordinate(tree rootfs.HostPath, u account.Account) bool {
	var st unix.Stat_t
	if unix.Stat(string(tree), &st) != nil || st.Uid == 0 {
		return false
	}
	return account.InRanges(account.ReadHostSubIDs("/", "/etc/subuid", u), int(st.Uid))
}

// canMakeNamespaces reports whether u may make user namespaces, by trying.
func canMakeNamespaces(u account.Account, groups []int) bool {
	return helper.Probe(u.UID, u.GID, groups) == nil
}

// TakeRights gives this process the rights of the desktop user and returns that
// user as the caller. The saved uid stays root's, for Regain, and no debugger of the
// user's reaches the process; signals do.
func (d *Decision) TakeRights() (*session.Caller, error) {
	u := d.user
	err := errors.Join(syscall.Setgroups(d.groups), syscall.Setresgid(u.GID, u.GID, 0), syscall.Setresuid(u.UID, u.UID, 0))
	if err != nil {
		return nil, fmt.Errorf("cannot take the rights of %s: %w", u.Name, err)
	}
	caller := cli.NewCaller(u.UID, u.GID, d.env)
	caller.Groups, caller.ThroughRoot = d.groups, true
	return caller, nil
}

// Regain makes the process root again, once everything is decided.
func (d *Decision) Regain() error {
	if err := errors.Join(syscall.Setresuid(0, 0, 0), syscall.Setresgid(0, 0, 0), syscall.Setgroups(nil)); err != nil {
		return fmt.Errorf("cannot become root again: %w", err)
	}
	return nil
}
