// Package chroots answers what chrunctl asks about named chroots: which
// directory a word means, who the caller is in a tree of subordinate ids, and
// which home belongs to a chroot. It only reads.
package chroots

import (
	"errors"
	"os"
	"path"
	"strconv"
	"strings"

	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// FindTree returns the canonical path of the chroot that dir leads to. Errors are
// *cli.ChrootError.
func FindTree(c *session.Caller, dir string) (rootfs.HostPath, error) {
	fail := func(err error) error { return &cli.ChrootError{Verb: "use", Dir: rootfs.HostPath(dir), Err: err} }
	full := dir
	switch {
	case dir == "":
		return "", fail(errors.New("it is empty"))
	case dir == "~" || strings.HasPrefix(dir, "~/"):
		full = path.Join(c.Account.Home, dir[1:])
	case !path.IsAbs(dir) && c.Cwd == "":
		return "", fail(errors.New("the working directory has no name"))
	case !path.IsAbs(dir):
		full = string(c.Cwd) + "/" + dir // not path.Join: the kernel must resolve "link/.."
	}
	root, err := rootfs.Open(rootfs.HostPath(full))
	if err != nil {
		return "", fail(err)
	}
	defer root.Close()
	return root.Dir(), nil
}

// Self is who the caller is in a tree that belongs to the caller's subordinate
// ids.
type Self struct {
	Number     string // the account's number inside; its files belong to the caller
	HasAccount bool   // the tree has an account with that number
}

// FindSelf returns nil if the tree does not belong to the caller's subordinate
// ids.
func FindSelf(c *session.Caller, tree rootfs.HostPath) (*Self, error) {
	root, err := rootfs.Open(tree)
	if err != nil {
		return nil, &cli.ChrootError{Verb: "use", Dir: tree, Err: err}
	}
	defer root.Close()
	st, err := root.Stat("/")
	if err != nil || c.UID == 0 || int(st.Uid) == c.UID {
		return nil, err
	}
	if !account.InRanges(account.ReadHostSubIDs("/", "/etc/subuid", c.Account), int(st.Uid)) {
		return nil, nil
	}
	passwd, _ := root.Read("/etc/passwd")
	a, known := account.Table(passwd).ByName(c.Account.Name)
	if !known || a.UID == 0 {
		a = c.Account
		_, known = account.Table(passwd).ByUID(a.UID)
	}
	return &Self{Number: strconv.Itoa(a.UID), HasAccount: known}, nil
}

// PrivateHome is the caller's private home of a chroot, "" if there is none yet.
func PrivateHome(c *session.Caller, ch *config.Chroot) rootfs.HostPath {
	tree, err := rootfs.ResolveHost(ch.Path)
	if err != nil {
		tree = rootfs.HostPath(path.Clean(string(ch.Path))) // it is not mounted
	}
	home, _ := config.PrivateHome(cli.StateDir(c), cli.DataDir(c), tree, ch)
	if st, err := os.Stat(string(home)); err != nil || !st.IsDir() {
		return ""
	}
	return home
}
