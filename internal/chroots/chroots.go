// Package chroots decides for chrunctl what concerns named chroots: which
// directory a word means, who the caller is in a tree of subordinate IDs, which
// home belongs to a chroot, whether a setting would stop launches, and what to
// type after an error. It only reads.
package chroots

import (
	"errors"
	"fmt"
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
// IDs.
type Self struct {
	Number     string // the account's number inside; its files belong to the caller
	HasAccount bool   // the tree has an account with that number
}

// FindSelf returns nil if the tree does not belong to the caller's subordinate
// IDs.
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
	if !account.InRanges(account.ReadHostSubIDs(c.Host, "/etc/subuid", c.Account), int(st.Uid)) {
		return nil, nil
	}
	passwd, _ := account.Open(root, "/etc/passwd") // without accounts if it cannot be read
	defer passwd.Close()
	accounts := passwd.Accounts(c.Account.Name, c.Account)
	a, known := accounts.ByName(c.Account.Name)
	if !known || a.UID == 0 {
		a = c.Account
		_, known = accounts.ByUID(a.UID)
	}
	return &Self{Number: strconv.Itoa(a.UID), HasAccount: known}, nil
}

// Edits record who the caller is in the chroot's settings. Files in the tree belong
// to that number, so it must not change later.
func (s *Self) Edits() []config.Edit {
	return []config.Edit{{Key: []string{"identity"}, Value: string(session.Subid)}, {Key: []string{"map"}, Value: s.Number}}
}

// FindPrivateHome returns the caller's private home of a chroot, or "" if it does not
// exist.
func FindPrivateHome(c *session.Caller, ch *config.Chroot) rootfs.HostPath {
	tree, err := rootfs.ResolveHost(ch.Path)
	if err != nil {
		tree = rootfs.HostPath(path.Clean(string(ch.Path))) // it is not mounted
	}
	home, _, err := config.PrivateHome(cli.StateDir(c), cli.DataDir(c), tree, ch)
	if err != nil {
		return ""
	}
	if st, err := os.Stat(string(home)); err != nil || !st.IsDir() {
		return ""
	}
	return home
}

// CheckEdit refuses a setting that would stop every launch: a directory for home
// or a source for bind that does not exist.
func CheckEdit(c *session.Caller, e *config.Edit) error {
	missing := func(p string) error {
		_, err := os.Stat(string(cli.HostPath(c, p)))
		if err == nil {
			return nil
		}
		return cli.WithHint(fmt.Errorf("cannot set %s: %s: %w", strings.Join(e.Key, "."), p, cli.Cause(err)), "to set it anyway: --force")
	}
	if e.Op == config.Remove {
		return nil
	}
	switch value := e.Value.(type) {
	case string:
		isHome := e.Key[len(e.Key)-1] == "home" && (len(e.Key) == 1 || len(e.Key) == 3 && e.Key[0] == "app")
		if isHome && (strings.HasPrefix(value, "/") || strings.HasPrefix(value, "~")) {
			return missing(value)
		}
	case []any:
		for _, v := range value {
			text, _ := v.(string)
			source, _, _, err := config.ParseBind(text)
			if err == nil && e.Key[len(e.Key)-1] == "bind" {
				err = missing(source)
			} else {
				err = nil // config reports a mistake in the form
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// FormatSetting writes a setting in the form that chrunctl set reads, on one line.
func FormatSetting(s *config.Setting) string {
	op := "="
	if s.Element {
		op = "+="
	}
	if text := session.Quote(s.Key + op + s.Value); !strings.ContainsAny(text, "\n\t") {
		return text
	}
	return fmt.Sprintf("%s%s%q", s.Key, op, s.Value)
}
