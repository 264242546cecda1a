// Package acl adds one entry to the POSIX ACL of a socket and takes it away
// again (acl(5); format: Linux, include/uapi/linux/posix_acl_xattr.h). Nobody
// else's rights change by either.
//
// Ids are those of the user namespace it runs in: use it in the host's.
package acl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Perm is what an entry grants: unix's 4 read, 2 write, 1 execute.
type Perm uint16

// All is every permission.
const All Perm = 7

func (p Perm) String() string {
	s := []byte("rwx")
	for i := range s {
		if p&(4>>i) == 0 {
			s[i] = '-'
		}
	}
	return string(s)
}

// Tag says whom an entry is for; the order is that in a List.
type Tag uint16

// Tags of entries. User and Group name an id.
const (
	UserObj  Tag = 1 << iota // the owner
	User                     // a user
	GroupObj                 // the owning group
	Group                    // a group
	Mask                     // the most that User, GroupObj and Group entries grant
	Other
)

func (t Tag) named() bool { return t == User || t == Group }

// Entry is one entry of an ACL.
type Entry struct {
	Tag  Tag
	Perm Perm
	ID   uint32 // of User and Group; else none
}

// none is the id of an entry that names nobody, and how ids look that the user
// namespace does not know.
const none = 1<<32 - 1

// List is an ACL, in the order of its tags and ids.
type List []Entry

const (
	version   = 2
	entrySize = 8
	maxSize   = 1 << 16 // XATTR_SIZE_MAX
)

// Parse reads the value of system.posix_acl_access. It is as strict as libacl,
// which asks for more than the kernel does.
func Parse(data []byte) (List, error) {
	switch {
	case len(data) > maxSize:
		return nil, errors.New("the ACL is too large")
	case len(data) < 4 || len(data)%entrySize != 4:
		return nil, errors.New("the ACL is truncated")
	case binary.LittleEndian.Uint32(data) != version:
		return nil, errors.New("the ACL has an unknown version")
	}
	var l List
	for data = data[4:]; len(data) > 0; data = data[entrySize:] {
		l = append(l, Entry{
			Tag:  Tag(binary.LittleEndian.Uint16(data)),
			Perm: Perm(binary.LittleEndian.Uint16(data[2:])),
			ID:   binary.LittleEndian.Uint32(data[4:]),
		})
	}
	return l, l.check()
}

// Format writes the value of system.posix_acl_access.
func (l List) Format() []byte {
	data := binary.LittleEndian.AppendUint32(nil, version)
	for _, e := range l {
		data = binary.LittleEndian.AppendUint16(data, uint16(e.Tag))
		data = binary.LittleEndian.AppendUint16(data, uint16(e.Perm))
		data = binary.LittleEndian.AppendUint32(data, e.ID)
	}
	return data
}

func (l List) check() error {
	var seen Tag
	last := Entry{}
	for _, e := range l {
		switch {
		case e.Tag < UserObj || e.Tag > Other || e.Tag&(e.Tag-1) != 0:
			return fmt.Errorf("the ACL has an entry of unknown tag %#x", uint16(e.Tag))
		case e.Perm > All:
			return fmt.Errorf("the ACL has unknown permissions %#x", uint16(e.Perm))
		case e.Tag.named() && e.ID == none:
			return errors.New("the ACL names somebody whom this user namespace does not know")
		case !e.Tag.named() && e.ID != none:
			return errors.New("the ACL has an id where none belongs")
		case e.Tag < last.Tag, e.Tag == last.Tag && (!e.Tag.named() || e.ID <= last.ID):
			return errors.New("the ACL has entries twice or out of order")
		}
		seen |= e.Tag
		last = e
	}
	switch {
	case seen&(UserObj|GroupObj|Other) != UserObj|GroupObj|Other:
		return errors.New("the ACL lacks the entries of the mode")
	case seen&(User|Group) != 0 && seen&Mask == 0:
		return errors.New("the ACL lacks a mask")
	case 4+len(l)*entrySize > maxSize:
		return errors.New("the ACL is too large")
	}
	return nil
}

// fromMode is the ACL that a file without one has.
func fromMode(mode uint32) List {
	return List{{UserObj, Perm(mode>>6) & All, none}, {GroupObj, Perm(mode>>3) & All, none}, {Other, Perm(mode) & All, none}}
}

// Has returns what the entry for uid says, before the mask; false if there is
// none. That the owner or a group gets in otherwise does not count.
func (l List) Has(uid int) (Perm, bool) {
	i := l.find(uid)
	if i < 0 {
		return 0, false
	}
	return l[i].Perm, true
}

func (l List) find(uid int) int {
	return slices.IndexFunc(l, func(e Entry) bool { return e.Tag == User && e.ID == uint32(uid) })
}

// mask is what entries of the group class grant at most.
func (l List) mask() Perm {
	for _, e := range l {
		if e.Tag == Mask {
			return e.Perm
		}
	}
	return All
}

// With returns l with an entry for uid. The mask widens as setfacl(1) does it,
// but what it had kept from others stays kept: they lose that permission, of
// which they had nothing.
func (l List) With(uid int, perm Perm) List {
	l = slices.Clone(l)
	old := l.mask()
	wide := old | perm
	if !l.masked() {
		wide = perm
		for _, e := range l {
			if e.Tag == GroupObj {
				wide |= e.Perm
			}
		}
	}
	for i := range l {
		if l[i].grouped() {
			l[i].Perm &^= wide &^ old
		}
	}
	l = l.put(Entry{Mask, wide, none})
	return l.put(Entry{User, perm, uint32(uid)})
}

// Without returns l without the entry for uid. Where no other user or group is
// named nothing but the mode remains. Else the mask narrows to what it lets
// through for the others; one that was wider than all of l stays.
func (l List) Without(uid int) List {
	i := l.find(uid)
	if i < 0 {
		return slices.Clone(l)
	}
	mask, all := l.mask(), l.granted()
	l = slices.Delete(slices.Clone(l), i, i+1)
	if !slices.ContainsFunc(l, func(e Entry) bool { return e.Tag.named() }) {
		l = slices.DeleteFunc(l, func(e Entry) bool { return e.Tag == Mask })
		for i := range l {
			if l[i].Tag == GroupObj {
				l[i].Perm &= mask
			}
		}
		return l
	}
	if mask&all == all && mask != all {
		return l
	}
	return l.put(Entry{Mask, l.granted() & mask, none})
}

// grouped says whether the mask applies to e.
func (e Entry) grouped() bool { return e.Tag.named() || e.Tag == GroupObj }

func (l List) masked() bool {
	return slices.ContainsFunc(l, func(e Entry) bool { return e.Tag == Mask })
}

// granted is all that entries of the group class grant together.
func (l List) granted() (all Perm) {
	for _, e := range l {
		if e.grouped() {
			all |= e.Perm
		}
	}
	return all
}

// put sets e in its place, over one for the same.
func (l List) put(e Entry) List {
	i, found := slices.BinarySearchFunc(l, e, func(a, b Entry) int {
		if a.Tag != b.Tag {
			return int(a.Tag) - int(b.Tag)
		}
		return int(int64(a.ID) - int64(b.ID))
	})
	if found {
		l[i] = e
		return l
	}
	return slices.Insert(l, i, e)
}

// String is the short text form of acl(5).
func (l List) String() string {
	names := map[Tag]string{UserObj: "u", User: "u", GroupObj: "g", Group: "g", Mask: "m", Other: "o"}
	var s []string
	for _, e := range l {
		id := ""
		if e.Tag.named() {
			id = strconv.FormatUint(uint64(e.ID), 10)
		}
		s = append(s, names[e.Tag]+":"+id+":"+e.Perm.String())
	}
	return strings.Join(s, ",")
}
