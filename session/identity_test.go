package session

import (
	"errors"
	"strings"
	"testing"

	"chrun/session/account"
)

// alice is the caller of the identity tests.
var alice = &Caller{UID: 1500, GID: 1600, Account: account.Account{Name: "alice", UID: 1500, GID: 1600}}

// The accounts of the identity tests, and alice's subordinate ids.
var (
	same = account.Account{Name: "alice", UID: 1500, GID: 1500}
	user = account.Account{Name: "user", UID: 1000, GID: 1000}
	root = account.Account{Name: "root"}
	subs = []account.Range{{First: 100000, Count: 65536}}
)

// decideAsAlice decides c for alice, on a host on which uid 7 is bob and gid 7
// exists.
func decideAsAlice(c IdentityCase) (Identity, error) {
	c.Caller, c.MappedNumber = alice, alice.UID
	c.HostUserName = func(uid int) (string, bool) { return "bob", uid == 7 }
	c.IsHostGroup = func(gid int) bool { return gid == 7 }
	return c.Decide()
}

// subordinate is a tree that belongs to alice's subordinate ids.
func subordinate(a account.Account, known bool) IdentityCase {
	return IdentityCase{Account: a, Known: known, OwnerUID: 100000, OwnerGID: 100000, SubUIDs: subs, SubGIDs: subs}
}

func TestIdentity(t *testing.T) {
	for _, c := range []struct {
		name   string
		c      IdentityCase
		want   Kind
		uid    int // in the kernel
		inside int
	}{
		{"the caller", IdentityCase{Account: same, Known: true}, Match, 1500, 1500},
		{"an account that the tree lacks", IdentityCase{Account: same}, Match, 1500, 1500},
		{"another account", IdentityCase{Account: user, Known: true}, Match, 1500, 1500},
		{"remap", IdentityCase{Requested: Remap, Account: user, Known: true}, Remap, 1500, 1000},
		{"remap to the same number", IdentityCase{Requested: Remap, Account: same, Known: true}, Match, 1500, 1500},
		{"root of the caller's own tree", IdentityCase{Account: root, OwnerUID: 1500, OwnerGID: 1600}, Remap, 1500, 0},
		{"subordinate ids", subordinate(same, false), Subid, 1500, 1500},
		{"root of a tree with subordinate ids", subordinate(root, false), Subid, 100000, 0},
		{"another user's subordinate ids", IdentityCase{Account: same, OwnerUID: 300000, OwnerGID: 300000, SubUIDs: subs, SubGIDs: subs}, Match, 1500, 1500},
		{"idmap", IdentityCase{Account: user, Known: true, Idmapped: true}, Idmap, 1500, 1500},
		{"grant", IdentityCase{Requested: Grant, Root: true, Account: user, Known: true}, Grant, 1000, 1000},
		{"grant to a user of the host, by number", IdentityCase{Requested: Grant, Root: true, Known: true, NamedByNumber: true,
			Account: account.Account{Name: "x", UID: 7, GID: 70}}, Grant, 7, 7},
		{"root", IdentityCase{Root: true, Account: root, Known: true}, AsRoot, 0, 0},
		{"no user namespaces", IdentityCase{Root: true, Requested: Direct, Account: same, Known: true}, Direct, 1500, 1500},
	} {
		id, err := decideAsAlice(c.c)
		if err != nil || id.Kind != c.want || id.UID != c.uid || id.InsideUID != c.inside || id.Why == "" {
			t.Errorf("%s: %+v, %v", c.name, id, err)
		}
		if want := id.Kind != AsRoot && id.Kind != Grant && id.Kind != Direct; id.HasUserNamespace() != want || id.RootMounts() == want {
			t.Errorf("%s: user namespace %v, root mounts %v", c.name, id.HasUserNamespace(), id.RootMounts())
		}
		if id.NeedsNewuidmap() != (id.Kind == Subid) {
			t.Errorf("%s: newuidmap %v", c.name, id.NeedsNewuidmap())
		}
	}
}

// A refused identity tells what works instead.
func TestIdentityRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		c    IdentityCase
		want IdentityError
		why  string // part of Why
	}{
		{"another account of a tree with subordinate ids", subordinate(user, true), IdentityError{Kind: Subid, Alternative: Match}, "user is uid 1000"},
		{"subid without subordinate ids", IdentityCase{Requested: Subid, Account: same}, IdentityError{Kind: Subid, Alternative: Match}, "alice has no subordinate ids"},
		{"subid for another user's tree", IdentityCase{Requested: Subid, Account: same, OwnerUID: 7, OwnerGID: 8, SubUIDs: subs, SubGIDs: subs},
			IdentityError{Kind: Subid, Alternative: Match}, "7:8"},
		{"idmap without root", IdentityCase{Requested: Idmap, Account: user, Known: true}, IdentityError{Kind: Idmap, Alternative: Remap, TrySudo: true}, "only root"},
		{"grant without root", IdentityCase{Requested: Grant, Account: user, Known: true}, IdentityError{Kind: Grant, Alternative: Remap, TrySudo: true}, "only root"},
		{"grant to root", IdentityCase{Requested: Grant, Root: true, Account: root, Known: true}, IdentityError{Kind: Grant, Alternative: "auto"}, "root"},
		{"grant to the caller", IdentityCase{Requested: Grant, Root: true, Account: same, Known: true}, IdentityError{Kind: Grant, Alternative: Match}, "already"},
		{"grant to an unknown account", IdentityCase{Requested: Grant, Root: true, Account: user}, IdentityError{Kind: Grant, Alternative: Match}, "no such account"},
		{"grant to a user of the host", IdentityCase{Requested: Grant, Root: true, Known: true, Account: account.Account{Name: "x", UID: 7, GID: 7}},
			IdentityError{Kind: Grant, Alternative: Remap}, "uid 7 belongs to bob on the host"},
		{"remap without user namespaces", IdentityCase{Requested: Remap, Root: true, Account: user, Known: true}, IdentityError{Kind: Remap, Alternative: "auto"}, "user namespaces"},
	} {
		_, err := decideAsAlice(c.c)
		var refused *IdentityError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.want.Why = refused.Why; *refused != c.want || !strings.Contains(refused.Why, c.why) {
			t.Errorf("%s: %+v, want %+v because of %q", c.name, *refused, c.want, c.why)
		}
	}
}

// Root of a tree that the caller does not own could not modify it.
func TestPowerlessRoot(t *testing.T) {
	for name, c := range map[string]IdentityCase{
		"auto":              {Account: root, Known: true},
		"match":             {Requested: Match, OwnerUID: 1500, Account: root, Known: true},
		"remap":             {Requested: Remap, OwnerUID: 33, Account: root, Known: true},
		"not a subordinate": {Requested: Subid, Account: root},
		"grant":             {Requested: Grant, Account: root},
	} {
		_, err := decideAsAlice(c)
		if e := (*PowerlessRootError)(nil); !errors.As(err, &e) || e.OwnerUID != c.OwnerUID {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A tree may put its account into any group.
func TestSafeGID(t *testing.T) {
	isHostGroup := func(gid int) bool { return gid == 6 || gid == 5 }
	for a, want := range map[account.Account]int{{UID: 1000, GID: 1000}: 1000, {UID: 1000, GID: 6}: 1000, {UID: 5, GID: 6}: -1, {UID: 5, GID: 77}: 77, {UID: 1000}: 1000} {
		if got := SafeGID(a, isHostGroup); got != want {
			t.Errorf("%v: %d, want %d", a, got, want)
		}
	}
}
