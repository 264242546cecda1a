package session

import (
	"errors"
	"testing"

	"chrun/session/account"
)

// Which identity, and why not, for who asks for what in whose tree.
func TestIdentity(t *testing.T) {
	alice := &Caller{UID: 1500, GID: 1600, Account: account.Account{Name: "alice", UID: 1500, GID: 1600}}
	same := account.Account{Name: "alice", UID: 1500, GID: 1500}
	user := account.Account{Name: "user", UID: 1000, GID: 1000}
	root := account.Account{Name: "root"}
	subs := []account.Range{{First: 100000, Count: 65536}}
	for _, c := range []struct {
		name string
		c    IdentityCase
		want Kind
		uid  int // in the kernel
		sees int
		err  string
	}{
		{"the caller", IdentityCase{Account: same, Known: true}, Match, 1500, 1500, ""},
		{"supplied", IdentityCase{Account: same}, Match, 1500, 1500, ""},
		{"another account", IdentityCase{Account: user, Known: true}, Match, 1500, 1500, ""},
		{"remap", IdentityCase{Requested: Remap, Account: user, Known: true}, Remap, 1500, 1000, ""},
		{"remap to oneself", IdentityCase{Requested: Remap, Account: same, Known: true}, Match, 1500, 1500, ""},
		{"root is a name", IdentityCase{Account: root, Known: true}, "", 0, 0, ErrRootName.Error()},
		{"root is a name, though asked for", IdentityCase{Requested: Match, OwnerUID: 1500, Account: root, Known: true}, "", 0, 0, ErrRootName.Error()},
		{"root of a tree of one's own", IdentityCase{Account: root, OwnerUID: 1500, OwnerGID: 1600}, Remap, 1500, 0, ""},
		{"subordinate", IdentityCase{Account: same, OwnerUID: 100000, OwnerGID: 100000, SubUIDs: subs, SubGIDs: subs}, Subid, 1500, 1500, ""},
		{"root of a subordinate tree", IdentityCase{Account: root, OwnerUID: 100000, OwnerGID: 100000, SubUIDs: subs, SubGIDs: subs}, Subid, 100000, 0, ""},
		{"another account of it", IdentityCase{Account: user, Known: true, OwnerUID: 100000, OwnerGID: 100000, SubUIDs: subs, SubGIDs: subs}, "", 0, 0,
			"cannot use --identity=subid: the account that is you in this chroot has the number 1500, and user has 1000"},
		{"somebody else's subordinate ids", IdentityCase{Account: same, OwnerUID: 300000, OwnerGID: 300000, SubUIDs: subs, SubGIDs: subs}, Match, 1500, 1500, ""},
		{"subid without ranges", IdentityCase{Requested: Subid, Account: same}, "", 0, 0, "cannot use --identity=subid: alice has no ids in /etc/subuid and /etc/subgid"},
		{"idmap without root", IdentityCase{Requested: Idmap, Account: user, Known: true}, "", 0, 0, "cannot use --identity=idmap: only root can show files with exchanged owners"},
		{"idmap", IdentityCase{Account: user, Known: true, Idmapped: true}, Idmap, 1500, 1500, ""},
		{"grant without root", IdentityCase{Requested: Grant, Account: user, Known: true}, "", 0, 0, "cannot use --identity=grant: only root can run a program under another uid"},
		{"grant", IdentityCase{Requested: Grant, Root: true, Account: user, Known: true}, Grant, 1000, 1000, ""},
		{"grant to root", IdentityCase{Requested: Grant, Root: true, Account: root, Known: true}, "", 0, 0, "cannot use --identity=grant: root needs no grant"},
		{"grant to oneself", IdentityCase{Requested: Grant, Root: true, Account: same, Known: true}, "", 0, 0, "cannot use --identity=grant: the account has your number already"},
		{"root of nobody's subordinate tree", IdentityCase{Requested: Subid, Account: root}, "", 0, 0, ErrRootName.Error()},
		{"root by grant, without root", IdentityCase{Requested: Grant, Account: root}, "", 0, 0, ErrRootName.Error()},
		{"grant to nobody's account", IdentityCase{Requested: Grant, Root: true, Account: user}, "", 0, 0, "cannot use --identity=grant: the chroot does not know the account"},
		{"grant to somebody of the host", IdentityCase{Requested: Grant, Root: true, Known: true, Account: account.Account{Name: "x", UID: 7, GID: 7}}, "", 0, 0,
			"cannot use --identity=grant: the number 7 is that of bob on the host, who would have your desktop; if you mean that: -u 7"},
		{"and so meant", IdentityCase{Requested: Grant, Root: true, Known: true, NamedByNumber: true, Account: account.Account{Name: "x", UID: 7, GID: 70}}, Grant, 7, 7, ""},
		{"root", IdentityCase{Root: true, Account: root, Known: true}, AsRoot, 0, 0, ""},
		{"no user namespaces", IdentityCase{Root: true, Requested: Direct, Account: same, Known: true}, Direct, 1500, 1500, ""},
	} {
		c.c.Caller, c.c.MappedNumber = alice, alice.UID
		c.c.HostUserName = func(uid int) (string, bool) { return "bob", uid == 7 }
		c.c.IsHostGroup = func(gid int) bool { return gid == 7 }
		id, err := c.c.Decide()
		switch {
		case c.err != "" && (err == nil || err.Error() != c.err):
			t.Errorf("%s: %v, want %s", c.name, err, c.err)
		case c.err == "" && (err != nil || id.Kind != c.want || id.UID != c.uid || id.InsideUID != c.sees || id.Why == ""):
			t.Errorf("%s: %+v, %v", c.name, id, err)
		}
		if namespace := id.Kind != AsRoot && id.Kind != Grant && id.Kind != Direct; err == nil && id.HasUserNamespace() != namespace {
			t.Errorf("%s: namespace %v", c.name, id.HasUserNamespace())
		}
		if e := (*IdentityError)(nil); errors.As(err, &e) && e.Alternative == "" && !e.TrySudo && e.Kind != Subid {
			t.Errorf("%s: nothing else is named", c.name)
		}
	}
}

// A tree may say that its account is in any group.
func TestSafeGID(t *testing.T) {
	host := func(gid int) bool { return gid == 6 || gid == 5 }
	for a, want := range map[account.Account]int{{UID: 1000, GID: 1000}: 1000, {UID: 1000, GID: 6}: 1000, {UID: 5, GID: 6}: -1, {UID: 5, GID: 77}: 77, {UID: 1000}: 1000} {
		if got := SafeGID(a, host); got != want {
			t.Errorf("%v: %d, want %d", a, got, want)
		}
	}
}
