package request

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/account"
)

// decideIdentity decides whose uid the program has, given the account a that it
// is to be; known reports whether the tree has that account.
func (l *Launch) decideIdentity(a account.Account, known bool) (id session.Identity, err error) {
	c := l.Caller
	if l.Role.Bare {
		if asked := session.Kind(l.Flags.Identity); asked != "" && asked != "auto" {
			return id, &session.IdentityError{Kind: asked, Why: "no user has called root"}
		}
		if a.UID != 0 {
			return id, fmt.Errorf("cannot become %q from root: run chrun as the user whose desktop it is", a.Name)
		}
		if err := l.refuseUnmappedRoot(); err != nil {
			return id, err
		}
		return session.Identity{Kind: session.AsRoot, Why: "root enters without a user namespace"}, nil
	}
	st, err := l.Root.Stat("/")
	if err != nil {
		return id, &cli.ChrootError{Verb: "enter", Dir: l.Choice.Path, Err: err}
	}
	_, notNumeric := strconv.Atoi(l.User.Value)
	ic := session.IdentityCase{Requested: l.Role.Kind, Caller: c, Account: a, Known: known, NamedByNumber: notNumeric == nil,
		OwnerUID: int(st.Uid), OwnerGID: int(st.Gid), MappedNumber: c.UID, Root: l.Role.Root, Idmapped: l.Role.Tree >= 0,
		HostUserName: func(uid int) (string, bool) { return HolderOfUID(uid, c.Account) },
		IsHostGroup:  func(gid int) bool { return HostHasGroup(gid, c.Account) }}
	if ic.Requested == "" {
		ic.Requested = session.Kind(l.Identity.Value)
	}
	if l.Choice.Map != "" {
		ic.MappedNumber, _ = strconv.Atoi(l.Choice.Map) // checked when the file was read
	}
	if ic.OwnerUID != 0 && ic.OwnerUID != c.UID || ic.Requested == session.Subid {
		mine := c.Account
		mine.UID = c.UID
		ic.SubUIDs, ic.SubGIDs = account.ReadHostSubIDs(c.Host, "/etc/subuid", mine), account.ReadHostSubIDs(c.Host, "/etc/subgid", mine)
	}
	if id, err = ic.Decide(); err != nil {
		return id, l.explainRefusal(err)
	}
	if id.Kind == session.AsRoot {
		if err := l.refuseUnmappedRoot(); err != nil {
			return id, err
		}
	}
	if who, taken := ic.HostUserName(id.UID); id.Kind == session.Grant && taken {
		l.warnings = append(l.warnings, fmt.Sprintf("uid %d belongs to %s on the host: it has access to your desktop while the program runs", id.UID, who))
	}
	return id, nil
}

// refuseUnmappedRoot refuses to enter a tree of somebody's subordinate IDs as root of
// the host: its files would belong to uid 0, which is nobody there.
func (l *Launch) refuseUnmappedRoot() error {
	st, err := l.Root.Stat("/")
	if err != nil || st.Uid == 0 {
		return nil
	}
	holder, ok := account.SubIDHolder(int(st.Uid), "/")
	if !ok {
		return nil
	}
	words := []string{"chrun"}
	if l.Role.Bare || holder != l.Caller.Account.Name {
		words = []string{"sudo", "-u", holder, "chrun"}
	}
	words = slices.Concat(words, []string{"-c", l.Choice.HintName(l.Root.Dir()), "-u", "root"}, l.Flags.Words("chroot", "user", "identity"), l.Flags.Command)
	return cli.WithHint(fmt.Errorf("cannot be root in %q as root of the host: its files belong to the subordinate IDs of %s, and those of uid 0 would be nobody's there", l.Facts.Name, holder),
		session.Quote(words...))
}

// HostAccountName is the host's name for a uid.
func HostAccountName(uid int) (name string, ok bool) {
	a, ok := account.LookUpHostUser(strconv.Itoa(uid), "/")
	return a.Name, ok
}

// HolderOfUID is who has a uid on the host, apart from the subordinate ids of caller.
func HolderOfUID(uid int, caller account.Account) (who string, ok bool) {
	return account.HolderOfUID(uid, caller, "/")
}

// HostHasGroup reports whether somebody has a gid on the host, apart from the
// subordinate ids of caller.
func HostHasGroup(gid int, caller account.Account) bool {
	_, ok := account.HolderOfGID(gid, caller, "/")
	return ok
}

// explainRefusal adds the command to type instead to a refused identity.
func (l *Launch) explainRefusal(err error) error {
	var e *session.IdentityError
	var powerless *session.PowerlessRootError
	chroot := l.Choice.HintName(l.Root.Dir())
	switch {
	case errors.As(err, &powerless):
		name, ok := HostAccountName(powerless.OwnerUID)
		if !ok {
			name = strconv.Itoa(powerless.OwnerUID)
		}
		return cli.WithHint(fmt.Errorf("cannot be root in %q: %s belongs to %s", l.Facts.Name, l.Root.Dir(), name),
			sudoLine(l.Flags, chroot, "root", l.Flags.Command))
	case errors.As(err, &e) && e.TrySudo:
		words := l.Flags.Command // with what a file of the user's says, which root does not read
		if !l.User.FromFlag && l.User.Value != "" {
			words = append([]string{"-u", l.User.Value}, words...)
		}
		if !l.Identity.FromFlag {
			words = append([]string{"--identity=" + string(e.Kind)}, words...)
		}
		return cli.WithHint(err, sudoLine(l.Flags, chroot, "", words))
	case errors.As(err, &e) && e.Alternative != "":
		words := slices.Concat(l.Role.Program(), l.Flags.Words("identity"), []string{"--identity=" + string(e.Alternative)}, l.Flags.Command)
		return cli.WithHint(err, session.Quote(words...))
	}
	return err
}

// setuidPrograms become root by a setuid file, which has no effect in a user
// namespace with one uid.
var setuidPrograms = []string{"sudo", "su", "doas", "pkexec"}

// refuseSetuid refuses a COMMAND that could only fail.
func (l *Launch) refuseSetuid(kind session.Kind) error {
	command := l.Flags.Command
	if len(command) == 0 || kind == session.Subid || kind == session.AsRoot || !slices.Contains(setuidPrograms, command[0]) {
		return nil
	}
	rest := command[1:]
	if command[0] == "su" || len(rest) > 0 && isOption(rest[0]) {
		rest = nil
	}
	return cli.WithHint(fmt.Errorf("cannot run %q: no program can become root in this launch", command[0]),
		sudoLine(l.Flags, l.Choice.HintName(l.Root.Dir()), "root", rest))
}
