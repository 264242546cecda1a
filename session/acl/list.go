// Package acl adds an entry to the POSIX ACL of a socket and removes it again
// (acl(5); format: Linux, include/uapi/linux/posix_acl_xattr.h). Neither changes
// the rights of anybody else.
//
// The kernel translates ids to those of the caller's user namespace, so this
// package must run in the host's.
package acl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Perm is a set of permissions: 4 read, 2 write, 1 execute.
type Perm uint16

// All is every permission.
const All Perm = 7

// Tag tells for whom an entry is. A List is ordered by tag.
type Tag uint16

// Tags of entries. Only User and Group entries have an id.
const (
	UserObj  Tag = 1 << iota // the owner
	User                     // a user
	GroupObj                 // the owning group
	Group                    // a group
	Mask                     // the upper limit of User, GroupObj and Group entries
	Other
)

// hasID reports whether entries with tag t have an id.
func (t Tag) hasID() bool { return t == User || t == Group }

// Entry is one entry of an ACL.
type Entry struct {
	Tag  Tag
	Perm Perm
	ID   uint32 // noID unless the tag is User or Group
}

// noID is the id of entries without one, and of users and groups that have no
// number in the user namespace.
const noID = 1<<32 - 1

// List is an ACL, ordered by tag and then by id.
type List []Entry

const (
	version   = 2
	entrySize = 8
	maxSize   = 1 << 16 // XATTR_SIZE_MAX
)

// Parse reads the value of system.posix_acl_access. It is as strict as libacl,
// which is stricter than the kernel.
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
	return l, l.validate()
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

func (l List) validate() error {
	var seen Tag
	last := Entry{}
	for _, e := range l {
		switch {
		case e.Tag < UserObj || e.Tag > Other || e.Tag&(e.Tag-1) != 0:
			return fmt.Errorf("the ACL has an entry with the unknown tag %#x", uint16(e.Tag))
		case e.Perm > All:
			return fmt.Errorf("the ACL has unknown permissions %#x", uint16(e.Perm))
		case e.Tag.hasID() && e.ID == noID:
			return errors.New("the ACL has an entry for somebody who has no number in this user namespace")
		case !e.Tag.hasID() && e.ID != noID:
			return errors.New("the ACL has an id in an entry that must not have one")
		case e.Tag < last.Tag, e.Tag == last.Tag && (!e.Tag.hasID() || e.ID <= last.ID):
			return errors.New("the ACL has duplicate or unordered entries")
		}
		seen |= e.Tag
		last = e
	}
	switch {
	case seen&(UserObj|GroupObj|Other) != UserObj|GroupObj|Other:
		return errors.New("the ACL lacks an entry for the owner, the group or others")
	case seen&(User|Group) != 0 && seen&Mask == 0:
		return errors.New("the ACL lacks a mask")
	case 4+len(l)*entrySize > maxSize:
		return errors.New("the ACL is too large")
	}
	return nil
}

// fromMode returns the ACL that stands for the mode of a file without one.
func fromMode(mode uint32) List {
	return List{{UserObj, Perm(mode>>6) & All, noID}, {GroupObj, Perm(mode>>3) & All, noID}, {Other, Perm(mode) & All, noID}}
}

// UserPerm returns the permissions in the User entry for uid, before the mask is
// applied. ok is false if there is no such entry.
func (l List) UserPerm(uid int) (perm Perm, ok bool) {
	i := l.find(uid)
	if i < 0 {
		return 0, false
	}
	return l[i].Perm, true
}

func (l List) find(uid int) int {
	return slices.IndexFunc(l, func(e Entry) bool { return e.Tag == User && e.ID == uint32(uid) })
}

// mask returns the upper limit of entries in the group class.
func (l List) mask() Perm {
	for _, e := range l {
		if e.Tag == Mask {
			return e.Perm
		}
	}
	return All
}

// With returns l with an entry for uid. The mask becomes wider, as with
// setfacl(1). So that nobody gains by that, permissions which the old mask had
// denied are removed from the other entries.
func (l List) With(uid int, perm Perm) List {
	l = slices.Clone(l)
	old := l.mask()
	wide := old | perm
	if !l.hasMask() {
		wide = perm
		for _, e := range l {
			if e.Tag == GroupObj {
				wide |= e.Perm
			}
		}
	}
	for i := range l {
		if l[i].inGroupClass() {
			l[i].Perm &^= wide &^ old
		}
	}
	l = l.set(Entry{Mask, wide, noID})
	return l.set(Entry{User, perm, uint32(uid)})
}

// Without returns l without the entry for uid. If no other User or Group entry is
// left, the mask goes too and the ACL is equivalent to a mode. Otherwise the
// mask becomes as narrow as the remaining entries allow, unless it was wider
// than necessary before.
func (l List) Without(uid int) List {
	i := l.find(uid)
	if i < 0 {
		return slices.Clone(l)
	}
	mask, all := l.mask(), l.groupClassPerm()
	l = slices.Delete(slices.Clone(l), i, i+1)
	if !slices.ContainsFunc(l, func(e Entry) bool { return e.Tag.hasID() }) {
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
	return l.set(Entry{Mask, l.groupClassPerm() & mask, noID})
}

// inGroupClass reports whether the mask applies to e.
func (e Entry) inGroupClass() bool { return e.Tag.hasID() || e.Tag == GroupObj }

func (l List) hasMask() bool {
	return slices.ContainsFunc(l, func(e Entry) bool { return e.Tag == Mask })
}

// groupClassPerm returns the union of the permissions in the group class.
func (l List) groupClassPerm() (all Perm) {
	for _, e := range l {
		if e.inGroupClass() {
			all |= e.Perm
		}
	}
	return all
}

// set inserts e, or replaces the entry with the same tag and id.
func (l List) set(e Entry) List {
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
