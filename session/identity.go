package session

import (
	"fmt"

	"chrun/session/account"
)

// Kind names a way to bring the caller's uid and the account's together.
type Kind string

const (
	// Match: the program has the caller's uid, and sees that number.
	Match Kind = "match"
	// Remap: the program has the caller's uid, and sees the account's number.
	Remap Kind = "remap"
	// Subid: the tree belongs to the caller's subordinate ids (subuid(5)), all of
	// which are mapped; the account inside is the caller outside.
	Subid Kind = "subid"
	// Idmap: root has swapped the account's number and the caller's on the
	// tree's files (mount_setattr(2), MOUNT_ATTR_IDMAP); the rest is as Match.
	Idmap Kind = "idmap"
	// Grant: root makes the program run under the account's number, and grants
	// that number access to the caller's desktop while it runs.
	Grant Kind = "grant"
	// AsRoot: root is root in the chroot.
	AsRoot Kind = "root"
	// Direct: root mounts, and the program has the caller's uid: for hosts
	// without user namespaces.
	Direct Kind = "direct"
)

// Kinds are the kinds that a person can request; auto is the simplest that works.
var Kinds = []Kind{"auto", Match, Remap, Subid, Idmap, Grant}

// Identity is the uid of the program: in the kernel, and as the program sees it.
type Identity struct {
	Kind     Kind
	UID, GID int // in the kernel
	// InsideUID and InsideGID are the numbers that the program sees.
	InsideUID, InsideGID int
	// UIDs and GIDs are the maps of the user namespace (user_namespaces(7)).
	// They are empty if there is none.
	UIDs, GIDs account.IDMap `json:",omitempty"`
	Why        string
}

// HasUserNamespace reports whether the program has its own user namespace.
func (i *Identity) HasUserNamespace() bool { return len(i.UIDs) > 0 }

// NeedsNewuidmap reports whether newuidmap(1) has to write the map: a user may
// write only one line of it.
func (i *Identity) NeedsNewuidmap() bool { return len(i.UIDs) > 1 }

// RootMounts reports whether root mounts. Root then opens the paths that the
// desktop's user named with the rights of that user.
func (i *Identity) RootMounts() bool {
	return i.Kind == Grant || i.Kind == AsRoot || i.Kind == Direct
}

// IdentityCase is what an identity is decided from.
type IdentityCase struct {
	Requested     Kind // "" is auto
	Caller        *Caller
	Account       account.Account // inside, with its own numbers
	Known         bool            // the tree knows the account
	NamedByNumber bool            // the person named the account by its number
	// OwnerUID and OwnerGID own the tree.
	OwnerUID, OwnerGID int
	// SubUIDs and SubGIDs are the caller's subordinate ids.
	SubUIDs, SubGIDs []account.Range
	MappedNumber     int  // the caller's number inside, if the ids are subordinate
	Root             bool // this process is root, on behalf of the caller
	Idmapped         bool // root idmapped the tree before it became the caller
	HostUserName     func(uid int) (name string, ok bool)
	IsHostGroup      func(gid int) bool
}

// IdentityError reports that an identity cannot be used.
type IdentityError struct {
	Kind        Kind
	Why         string
	Alternative Kind // an identity that works, or ""
	TrySudo     bool // the same command works under sudo
}

func (e *IdentityError) Error() string {
	return fmt.Sprintf("cannot use --identity=%s: %s", e.Kind, e.Why)
}

// PowerlessRootError reports that root inside would not be able to modify the
// tree, because the tree does not belong to the caller.
type PowerlessRootError struct {
	OwnerUID int // of the tree
}

func (e *PowerlessRootError) Error() string {
	return fmt.Sprintf("cannot be root: the chroot belongs to uid %d, so root here could not modify it", e.OwnerUID)
}

// Decide chooses the simplest identity that works, or checks the requested one.
// Errors are *IdentityError and *PowerlessRootError.
func (c *IdentityCase) Decide() (id Identity, err error) {
	kind := c.Requested
	if kind == "" || kind == "auto" {
		kind = c.chooseKind()
	}
	if c.Account.UID == 0 && c.Caller.UID != 0 && !c.Root && !c.rootCanModify(kind) {
		return id, &PowerlessRootError{OwnerUID: c.OwnerUID}
	}
	if c.Root && kind != AsRoot && kind != Grant && kind != Direct {
		return id, &IdentityError{Kind: kind, Why: "it requires user namespaces, which are not available here", Alternative: "auto"}
	}
	switch kind {
	case Match:
		id = c.match("the caller's own uid, mapped to the same number in a user namespace")
	case Idmap:
		if !c.Idmapped {
			return id, &IdentityError{Kind: kind, Why: "only root can create an idmapped mount", Alternative: Remap, TrySudo: true}
		}
		id = c.match(fmt.Sprintf("files of uid %d in the tree belong to the caller, by an idmapped mount", c.Account.UID))
		id.Kind = Idmap
	case Remap:
		id = c.remap()
	case Subid:
		id, err = c.subid()
	case Grant:
		id, err = c.grant()
	case AsRoot:
		id = Identity{Kind: AsRoot, Why: "root enters without a user namespace"}
	case Direct:
		id = c.match("root mounts and then becomes the caller; user namespaces are not available")
		id.Kind, id.UIDs, id.GIDs = Direct, nil, nil
	}
	return id, err
}

// rootCanModify reports whether root inside could modify the tree.
func (c *IdentityCase) rootCanModify(kind Kind) bool {
	switch kind {
	case Subid:
		return c.checkSubordinate() == nil
	case Remap:
		return c.OwnerUID == c.Caller.UID
	}
	return false
}

func (c *IdentityCase) chooseKind() Kind {
	switch {
	case c.Root && c.Account.UID == 0:
		return AsRoot
	case c.Root:
		return Direct
	case c.Idmapped:
		return Idmap
	case c.checkSubordinate() == nil:
		return Subid
	case c.Account.UID == 0 && c.Caller.UID != 0:
		return Remap // root of the caller's own tree
	}
	return Match
}

func (c *IdentityCase) match(why string) Identity {
	uid, gid := c.Caller.UID, c.Caller.GID
	return Identity{Kind: Match, UID: uid, GID: gid, InsideUID: uid, InsideGID: gid,
		UIDs: account.MapOne(uid, uid), GIDs: account.MapOne(gid, gid), Why: why}
}

func (c *IdentityCase) remap() Identity {
	u, g := c.Account.UID, c.Account.GID
	if u == c.Caller.UID {
		return c.match("the account already has the caller's uid")
	}
	id := c.match(fmt.Sprintf("the caller's own uid, which the program sees as %d", u))
	id.Kind, id.InsideUID, id.InsideGID = Remap, u, g
	id.UIDs, id.GIDs = account.MapOne(u, c.Caller.UID), account.MapOne(g, c.Caller.GID)
	return id
}

// checkSubordinate returns why the tree's ids are not subordinate ids of the
// caller, nil if they are.
func (c *IdentityCase) checkSubordinate() error {
	_, hasUID := rangeFrom(c.SubUIDs, c.OwnerUID)
	_, hasGID := rangeFrom(c.SubGIDs, c.OwnerGID)
	switch {
	case len(c.SubUIDs) == 0 || len(c.SubGIDs) == 0:
		return fmt.Errorf("%s has no subordinate ids in /etc/subuid and /etc/subgid", c.Caller.Account.Name)
	case !hasUID || !hasGID:
		return fmt.Errorf("the tree belongs to %d:%d, which are not among your subordinate ids (/etc/subuid, /etc/subgid)", c.OwnerUID, c.OwnerGID)
	}
	return nil
}

// rangeFrom returns the part of the ranges from id on, to the end of its range.
func rangeFrom(ranges []account.Range, id int) (account.Range, bool) {
	for _, r := range ranges {
		if r.Contains(id) {
			return account.Range{First: id, Count: r.Count - (id - r.First)}, true
		}
	}
	return account.Range{}, false
}

// subid maps all ids of the tree: the owner of the tree is root, and the caller
// is c.MappedNumber.
func (c *IdentityCase) subid() (Identity, error) {
	if err := c.checkSubordinate(); err != nil {
		return Identity{}, &IdentityError{Kind: Subid, Why: err.Error(), Alternative: Match}
	}
	number := c.MappedNumber
	uids, _ := rangeFrom(c.SubUIDs, c.OwnerUID)
	gids, _ := rangeFrom(c.SubGIDs, c.OwnerGID)
	id := Identity{Kind: Subid, UID: c.Caller.UID, GID: c.Caller.GID, InsideUID: number, InsideGID: number,
		UIDs: account.MapSubordinate(uids, number, c.Caller.UID), GIDs: account.MapSubordinate(gids, number, c.Caller.GID),
		Why: fmt.Sprintf("the tree belongs to the caller's subordinate ids from %d on; inside, the caller is %d", c.OwnerUID, number)}
	switch u := c.Account.UID; {
	case u == 0:
		id.UID, id.GID, id.InsideUID, id.InsideGID = c.OwnerUID, c.OwnerGID, 0, 0
	case c.Known && u != number:
		return id, &IdentityError{Kind: Subid, Alternative: Match,
			Why: fmt.Sprintf("you are uid %d in this chroot, but %s is uid %d", number, c.Account.Name, u)}
	}
	return id, nil
}

// grant gives the program the account's own number.
func (c *IdentityCase) grant() (Identity, error) {
	u := c.Account.UID
	fail := func(why string, alternative Kind) (Identity, error) {
		return Identity{}, &IdentityError{Kind: Grant, Why: why, Alternative: alternative, TrySudo: !c.Root}
	}
	switch name, taken := c.HostUserName(u); {
	case !c.Root:
		return fail("only root can run a program under another uid", Remap)
	case u == 0:
		return fail("root needs no grant", "auto")
	case !c.Known:
		return fail("the chroot has no such account", Match)
	case u == c.Caller.UID:
		return fail("the account already has your uid", Match)
	case taken && !c.NamedByNumber:
		return fail(fmt.Sprintf("uid %d belongs to %s on the host, who would gain access to your desktop; to allow that, use -u %d", u, name, u), Remap)
	}
	g := SafeGID(c.Account, c.IsHostGroup)
	if g < 0 {
		g = nogroup
	}
	return Identity{Kind: Grant, UID: u, GID: g, InsideUID: u, InsideGID: g,
		Why: fmt.Sprintf("the program runs as uid %d, which is granted access to %s's desktop while it runs", u, c.Caller.Account.Name)}, nil
}

// nogroup owns no files, by convention.
const nogroup = 65534

// SafeGID returns the gid that a may have in the kernel: its gid in the tree, or
// else its uid, if that is not a group of the host (such as disk or tty); or -1.
// The tree is not trusted: it may put its account into any group.
func SafeGID(a account.Account, isHostGroup func(gid int) bool) int {
	for _, gid := range []int{a.GID, a.UID} {
		if gid != 0 && !isHostGroup(gid) {
			return gid
		}
	}
	return -1
}
