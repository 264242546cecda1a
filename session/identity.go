package session

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/account"
	"chrun/session/acl"
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
	// Idmap: root has exchanged the account's number and the caller's on the
	// tree's files (mount_setattr(2), MOUNT_ATTR_IDMAP); the rest is as Match.
	Idmap Kind = "idmap"
	// Grant: root makes the program run under the account's number, and gives
	// that access to the caller's desktop for as long as it runs.
	Grant Kind = "grant"
	// AsRoot: root is root in the chroot.
	AsRoot Kind = "root"
	// Direct: root mounts, and the program has the caller's uid: for hosts
	// without user namespaces.
	Direct Kind = "direct"
)

// Kinds are what can be asked for; auto is the simplest that works.
var Kinds = []Kind{"auto", Match, Remap, Subid, Idmap, Grant}

// ParseKind reads the name of one that can be asked for.
func ParseKind(s string) (Kind, error) {
	if k := Kind(s); slices.Contains(Kinds, k) {
		return k, nil
	}
	names := make([]string, len(Kinds))
	for i, k := range Kinds {
		names[i] = string(k)
	}
	return "", fmt.Errorf("%q: it is %s", s, strings.Join(names, ", "))
}

// Identity says whose uid the program has, seen from where.
type Identity struct {
	Kind     Kind
	UID, GID int // of the program, in the kernel
	// InsideUID and InsideGID are the numbers that the program sees.
	InsideUID, InsideGID int
	// UIDs and GIDs map a user namespace (user_namespaces(7)); none, no namespace.
	UIDs, GIDs account.IDMap `json:",omitempty"`
	Why        string
}

// HasUserNamespace says whether the program has a user namespace of its own.
func (i *Identity) HasUserNamespace() bool { return len(i.UIDs) > 0 }

// NeedsNewuidmap says whether newuidmap(1) has to write the map: it has more than the
// one line that a user may write.
func (i *Identity) NeedsNewuidmap() bool { return len(i.UIDs) > 1 }

// RootMounts says whether root mounts, who opens what the desktop's user named with
// that user's rights.
func (i *Identity) RootMounts() bool { return i.Kind == Grant || i.Kind == AsRoot || i.Kind == Direct }

// IdentityCase is what an identity is decided from.
type IdentityCase struct {
	Requested    Kind // "" is auto
	Caller   *Caller
	Account  account.Account // inside, with its own numbers
	Known    bool            // the tree knows the account
	NamedByNumber bool            // the account was named by its number
	// OwnerUID and OwnerGID own the tree.
	OwnerUID, OwnerGID int
	// SubUIDs and SubGIDs are the caller's subordinate ids.
	SubUIDs, SubGIDs []account.Range
	MappedNumber           int  // the account's number where the ids are subordinate
	Root             bool // this process is root, on behalf of the caller
	Idmapped         bool // and has idmapped the tree before it became the caller
	HostUserName             func(uid int) (name string, ok bool)
	IsHostGroup        func(gid int) bool
}

// IdentityError says that an identity cannot be had: what is missing and which
// other would serve.
type IdentityError struct {
	Kind  Kind
	Why   string
	Alternative string // a flag that would serve, or ""
	TrySudo  bool   // the same words serve under sudo
}

func (e *IdentityError) Error() string {
	return fmt.Sprintf("cannot use --identity=%s: %s", e.Kind, e.Why)
}

// ErrRootName says that root inside could not write the tree: it would be a name.
var ErrRootName = errors.New("root would be a name alone")

// Decide picks the simplest identity that works, or the one that was asked for.
// Errors are *IdentityError and ErrRootName.
func (c *IdentityCase) Decide() (id Identity, err error) {
	kind := c.Requested
	if kind == "" || kind == "auto" {
		kind = c.auto()
	}
	if c.Account.UID == 0 && c.Caller.UID != 0 && !c.Root && c.nameAlone(kind) {
		return id, ErrRootName
	}
	if c.Root && kind != AsRoot && kind != Grant && kind != Direct {
		return id, &IdentityError{Kind: kind, Why: "it takes user namespaces, and there are none here", Alternative: "auto"}
	}
	switch kind {
	case Match:
		id = c.match("the caller's own uid, mapped to the same number in a user namespace")
	case Idmap:
		if !c.Idmapped {
			return id, &IdentityError{Kind: kind, Why: "only root can show files with exchanged owners", Alternative: "remap", TrySudo: true}
		}
		id = c.match(fmt.Sprintf("the tree's files of %d are the caller's, by an idmapped mount", c.Account.UID))
		id.Kind = Idmap
	case Remap:
		id, err = c.remap()
	case Subid:
		id, err = c.subid()
	case Grant:
		id, err = c.grant()
	case AsRoot:
		id = Identity{Kind: AsRoot, Why: "root enters without a user namespace"}
	case Direct:
		id = c.match("the caller's own uid, given up by root; there are no user namespaces")
		id.Kind, id.UIDs, id.GIDs = Direct, nil, nil
	}
	return id, err
}

// nameAlone says whether root inside could not write the tree.
func (c *IdentityCase) nameAlone(kind Kind) bool {
	switch kind {
	case Subid:
		return c.subordinate() != nil
	case Remap:
		return c.OwnerUID != c.Caller.UID
	}
	return true
}

func (c *IdentityCase) auto() Kind {
	switch {
	case c.Root && c.Account.UID == 0:
		return AsRoot
	case c.Root:
		return Direct
	case c.Idmapped:
		return Idmap
	case c.subordinate() == nil:
		return Subid
	case c.Account.UID == 0 && c.Caller.UID != 0:
		return Remap // of a tree that is the caller's own
	}
	return Match
}

func (c *IdentityCase) match(why string) Identity {
	uid, gid := c.Caller.UID, c.Caller.GID
	return Identity{Kind: Match, UID: uid, GID: gid, InsideUID: uid, InsideGID: gid,
		UIDs: account.MapOne(uid, uid), GIDs: account.MapOne(gid, gid), Why: why}
}

// remap shows the account's number for the caller's uid.
func (c *IdentityCase) remap() (Identity, error) {
	u, g := c.Account.UID, c.Account.GID
	if u == c.Caller.UID {
		return c.match("the account has the caller's number already"), nil
	}
	id := c.match(fmt.Sprintf("the caller's own uid, which the program sees as %d", u))
	id.Kind, id.InsideUID, id.InsideGID = Remap, u, g
	id.UIDs, id.GIDs = account.MapOne(u, c.Caller.UID), account.MapOne(g, c.Caller.GID)
	return id, nil
}

// subordinate says why the tree's ids are not the caller's subordinate ones;
// nil if they are.
func (c *IdentityCase) subordinate() error {
	_, ok1 := behind(c.SubUIDs, c.OwnerUID)
	_, ok2 := behind(c.SubGIDs, c.OwnerGID)
	switch {
	case len(c.SubUIDs) == 0 || len(c.SubGIDs) == 0:
		return fmt.Errorf("%s has no ids in /etc/subuid and /etc/subgid", c.Caller.Account.Name)
	case !ok1 || !ok2:
		return fmt.Errorf("the tree belongs to %d:%d, which are none of your subordinate ids (/etc/subuid, /etc/subgid)", c.OwnerUID, c.OwnerGID)
	}
	return nil
}

// behind is the part of the caller's ranges from id on.
func behind(ranges []account.Range, id int) (account.Range, bool) {
	for _, r := range ranges {
		if r.Contains(id) {
			return account.Range{First: id, Count: r.Count - (id - r.First)}, true
		}
	}
	return account.Range{}, false
}

// subid maps all of the tree's ids: its root is the owner of the tree, and its
// account number c.Number is the caller.
func (c *IdentityCase) subid() (Identity, error) {
	if err := c.subordinate(); err != nil {
		return Identity{}, &IdentityError{Kind: Subid, Why: err.Error(), Alternative: "match"}
	}
	uids, _ := behind(c.SubUIDs, c.OwnerUID)
	gids, _ := behind(c.SubGIDs, c.OwnerGID)
	id := Identity{Kind: Subid, UID: c.Caller.UID, GID: c.Caller.GID, InsideUID: c.MappedNumber, InsideGID: c.MappedNumber,
		UIDs: account.MapSubordinate(uids, c.MappedNumber, c.Caller.UID), GIDs: account.MapSubordinate(gids, c.MappedNumber, c.Caller.GID),
		Why: fmt.Sprintf("the tree belongs to the caller's subordinate ids from %d on; the caller is %d there", c.OwnerUID, c.MappedNumber)}
	switch u := c.Account.UID; {
	case u == 0:
		id.UID, id.GID, id.InsideUID, id.InsideGID = c.OwnerUID, c.OwnerGID, 0, 0
	case c.Known && u != c.MappedNumber:
		return id, &IdentityError{Kind: Subid, Alternative: "match",
			Why: fmt.Sprintf("the account that is you in this chroot has the number %d, and %s has %d", c.MappedNumber, c.Account.Name, u)}
	}
	return id, nil
}

// grant gives the account's own number.
func (c *IdentityCase) grant() (Identity, error) {
	u := c.Account.UID
	fail := func(why, other string, sudo bool) (Identity, error) {
		return Identity{}, &IdentityError{Kind: Grant, Why: why, Alternative: other, TrySudo: sudo}
	}
	switch name, taken := c.HostUserName(u); {
	case !c.Root:
		return fail("only root can run a program under another uid", "remap", true)
	case u == 0:
		return fail("root needs no grant", "auto", false)
	case !c.Known:
		return fail("the chroot does not know the account", "match", false)
	case u == c.Caller.UID:
		return fail("the account has your number already", "match", false)
	case taken && u != c.Caller.UID && !c.NamedByNumber:
		return fail(fmt.Sprintf("the number %d is that of %s on the host, who would have your desktop; if you mean that: -u %d", u, name, u), "remap", false)
	}
	g := SafeGID(c.Account, c.IsHostGroup)
	if g < 0 {
		g = nogroup
	}
	return Identity{Kind: Grant, UID: u, GID: g, InsideUID: u, InsideGID: g,
		Why: fmt.Sprintf("the program runs as uid %d, which is let into the desktop of %s meanwhile", u, c.Caller.Account.Name)}, nil
}

// nogroup owns nothing, by convention.
const nogroup = 65534

// SafeGID is the gid that a may have in the kernel: its own by the tree, which
// may say anything, unless that is a group of the host's (disk, tty); then its
// uid, unless that is one too; else -1.
func SafeGID(a account.Account, hostGroup func(gid int) bool) int {
	for _, gid := range []int{a.GID, a.UID} {
		if gid != 0 && !hostGroup(gid) {
			return gid
		}
	}
	return -1
}

// Foreign says whether the desktop's servers know the program under another
// uid than it has or sees: its buses go through a relay.
func (f *Facts) NeedsBusRelay() bool {
	return f.Identity.Kind != "" && (f.Identity.UID != f.Caller.UID || f.Identity.InsideUID != f.Caller.UID)
}

// Writable says whether the program could write the directory p of the tree.
func (f *Facts) Writable(p Path) bool {
	id := &f.Identity
	if id.Kind == "" || id.UID == f.Caller.UID {
		return f.Root.CanAccess(p, unix.W_OK|unix.X_OK)
	}
	st, err := f.Root.Stat(p)
	if err != nil || f.Root.IsReadOnly() {
		return false
	}
	switch {
	case id.UID == 0:
		return true
	case id.InsideUID == 0: // of the ids that are mapped
		return id.UIDs.ToInside(int(st.Uid)) >= 0
	}
	return int(st.Uid) == id.UID && st.Mode&0o200 != 0
}

// trusted refuses, where root mounts, to let the desktop's user lay files over
// those that say who is who, or what runs.
func (b *builder) trusted(dest Path) error {
	if !b.f.Identity.RootMounts() || b.req.NoDesktop {
		return nil
	}
	at, _, _, rest, err := b.walk(dest)
	if err == nil {
		dest = at.Join(rest...)
	}
	top, _, _ := strings.Cut(strings.TrimPrefix(string(dest), "/"), "/")
	if slices.Contains([]string{"etc", "usr", "bin", "sbin", "boot", "dev", "proc", "sys", "run"}, top) || strings.HasPrefix(top, "lib") {
		return fmt.Errorf("cannot share anything on %s: root mounts in this launch, and nobody else decides what is there", dest)
	}
	return nil
}

// plain reaches the socket of s through a relay where it cannot have an ACL, and
// the program needs one.
func (b *builder) plain(s Bind) bool {
	if b.f.Identity.Kind != Grant || !IsSocket(s.Source) {
		return false
	}
	f, err := acl.Open(string(s.Source))
	if err != nil {
		return false
	}
	defer f.Close()
	if _, err = f.Get(); !errors.Is(err, acl.ErrUnsupported) {
		return false
	}
	if _, err := b.place(Path(path.Dir(string(s.Dest))), Dir); err != nil {
		return false
	}
	b.plan.Relays = append(b.plan.Relays, Relay{Bus: string(s.Source), Path: s.Dest, Raw: true})
	return true
}

// admit lists the sockets that a program of another uid must be let into, and
// gives it what it shall own.
func (b *builder) admit() {
	id, c := b.f.Identity, b.f.Caller
	if id.RootMounts() && !b.req.NoDesktop {
		for i, m := range b.plan.Mounts {
			if m.Kind == FromHost && !slices.Contains([]string{"base", "gpu", "devices"}, m.Feature) {
				b.plan.Mounts[i].NoSuidNoDev = true
			}
		}
	}
	// Root makes the small files of a direct launch too.
	if id.UID == c.UID && id.Kind != Direct || b.req.NoDesktop {
		return
	}
	for i, n := range b.plan.Tmpfs {
		private := n.Path == "runtime" || strings.HasPrefix(n.Path, "runtime/")
		if private && n.Kind == Dir {
			b.plan.Tmpfs[i].Mode = 0o700
		}
		ours := strings.TrimPrefix(string(PrivateDir), "/")
		b.plan.Tmpfs[i].OwnedByProgram = private || n.Path == "home" || n.Path == ours || strings.HasPrefix(n.Path, ours+"/")
	}
	if id.Kind != Grant {
		return // root inside needs none
	}
	for _, m := range b.plan.Mounts {
		var st unix.Stat_t
		if m.Kind != FromHost || unix.Stat(m.Source, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
			continue
		}
		// Nobody is let in where the caller is not: root decides by no path of the caller's.
		if err := unix.Access(m.Source, unix.W_OK); err != nil {
			b.fail(fmt.Errorf("cannot let uid %d into %s, which refuses you: %w", id.UID, m.Source, err))
			continue
		}
		b.plan.Admissions = append(b.plan.Admissions, Admission{Socket: HostPath(m.Source), Dest: m.Dest, Device: st.Dev, Inode: st.Ino, Why: m.Feature + ": " + m.Why})
	}
}
