package acl

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// String returns the short text form of acl(5).
func (l List) String() string {
	names := map[Tag]string{UserObj: "u", User: "u", GroupObj: "g", Group: "g", Mask: "m", Other: "o"}
	var s []string
	for _, e := range l {
		id := ""
		if e.Tag.hasID() {
			id = strconv.FormatUint(uint64(e.ID), 10)
		}
		s = append(s, names[e.Tag]+":"+id+":"+e.Perm.String())
	}
	return strings.Join(s, ",")
}

func (p Perm) String() string {
	s := []byte("rwx")
	for i := range s {
		if p&(4>>i) == 0 {
			s[i] = '-'
		}
	}
	return string(s)
}

// parse decodes hexadecimal digits, with spaces between them, and parses the result.
func parse(t *testing.T, text string) (List, error) {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return Parse(data)
}

const stored = "02000000 0100 0700 ffffffff 0200 0600 39300000 0400 0000 ffffffff 1000 0600 ffffffff 2000 0000 ffffffff"

func TestParse(t *testing.T) {
	l, err := parse(t, stored)
	if err != nil || l.String() != "u::rwx,u:12345:rw-,g::---,m::rw-,o::---" {
		t.Errorf("%s, %v", l, err)
	}
	if got := fromMode(0o700).With(12345, 6); !reflect.DeepEqual(got, l) {
		t.Errorf("With makes %s", got)
	}
	if perm, ok := l.UserPerm(12345); !ok || perm != 6 {
		t.Errorf("UserPerm: %v, %v", perm, ok)
	}
	if _, ok := l.UserPerm(0); ok {
		t.Error("root has an entry")
	}
	for name, bad := range map[string]string{
		"nothing":        "",
		"header":         "02000000",
		"half a header":  "0200",
		"version":        "03000000 0100 0700 ffffffff 0400 0000 ffffffff 2000 0000 ffffffff",
		"cut":            stored[:len(stored)-2],
		"no other":       "02000000 0100 0700 ffffffff 0400 0000 ffffffff",
		"order":          "02000000 0400 0000 ffffffff 0100 0700 ffffffff 2000 0000 ffffffff",
		"twice":          "02000000 0100 0700 ffffffff 0100 0700 ffffffff 0400 0000 ffffffff 2000 0000 ffffffff",
		"user twice":     "02000000 0100 0700 ffffffff 0200 0600 39300000 0200 0600 39300000 0400 0000 ffffffff 1000 0600 ffffffff 2000 0000 ffffffff",
		"users unsorted": "02000000 0100 0700 ffffffff 0200 0600 39300000 0200 0600 38300000 0400 0000 ffffffff 1000 0600 ffffffff 2000 0000 ffffffff",
		"no mask":        "02000000 0100 0700 ffffffff 0200 0600 39300000 0400 0000 ffffffff 2000 0000 ffffffff",
		"permissions":    "02000000 0100 0800 ffffffff 0400 0000 ffffffff 2000 0000 ffffffff",
		"tag 0":          "02000000 0000 0700 ffffffff 0100 0700 ffffffff 0400 0000 ffffffff 2000 0000 ffffffff",
		"two tags":       "02000000 0100 0700 ffffffff 0300 0700 ffffffff 0400 0000 ffffffff 2000 0000 ffffffff",
		"unknown tag":    "02000000 0100 0700 ffffffff 0400 0000 ffffffff 2000 0000 ffffffff 4000 0000 ffffffff",
		"id of owner":    "02000000 0100 0700 00000000 0400 0000 ffffffff 2000 0000 ffffffff",
		"unmapped":       "02000000 0100 0700 ffffffff 0200 0600 ffffffff 0400 0000 ffffffff 1000 0600 ffffffff 2000 0000 ffffffff",
		"huge":           "02000000" + strings.Repeat("0200 0600 39300000", 8192),
	} {
		if l, err := parse(t, bad); err == nil {
			t.Errorf("%s: %s", name, l)
		}
	}
}

// effective returns what each entry grants after the mask is applied, without
// the entry for except.
func effective(l List, except int) map[Entry]Perm {
	rights := map[Entry]Perm{}
	for _, e := range l {
		perm := e.Perm
		if e.inGroupClass() {
			perm &= l.mask()
		}
		if e.Tag != Mask && (e.Tag != User || e.ID != uint32(except)) {
			rights[Entry{Tag: e.Tag, ID: e.ID}] = perm
		}
	}
	return rights
}

// With and Without never change the effective permissions of anybody else.
func TestOthersUnchanged(t *testing.T) {
	for range 20000 {
		l := fromMode(rand.Uint32())
		for range rand.IntN(4) {
			l = l.set(Entry{User, Perm(rand.IntN(8)), rand.Uint32N(5)})
			l = l.set(Entry{Mask, Perm(rand.IntN(8)), noID})
		}
		if rand.IntN(3) == 0 {
			l = l.set(Entry{Group, Perm(rand.IntN(8)), rand.Uint32N(5)})
			l = l.set(Entry{Mask, Perm(rand.IntN(8)), noID})
		}
		before := slices.Clone(l)
		uid, perm := rand.IntN(6), Perm(rand.IntN(8))
		with := l.With(uid, perm)
		without := with.Without(uid)
		if has, ok := with.UserPerm(uid); !ok || has&with.mask() != perm || with.validate() != nil {
			t.Fatalf("%s with %d:%s is %s, %v", l, uid, perm, with, with.validate())
		}
		if _, ok := without.UserPerm(uid); ok || without.validate() != nil {
			t.Fatalf("%s without %d is %s, %v", with, uid, without, without.validate())
		}
		for _, after := range []List{with, without} {
			if want, got := effective(l, uid), effective(after, uid); !reflect.DeepEqual(want, got) {
				t.Fatalf("%s with %d:%s: %s gives others %v, before %v", l, uid, perm, after, got, want)
			}
		}
		if !slices.Equal(l, before) {
			t.Fatalf("the original list became %s, it was %s", l, before)
		}
	}
}

func TestWithout(t *testing.T) {
	for _, tt := range []struct{ before, after string }{
		// ACLs that setfacl made are restored.
		{"u::rwx,g::r-x,o::---", "u::rwx,g::r-x,o::---"},
		{"u::rwx,u:5:r--,g::---,m::r--,o::---", "u::rwx,u:5:r--,g::---,m::r--,o::---"},
		{"u::rwx,g::---,g:7:rwx,m::rwx,o::r--", "u::rwx,g::---,g:7:rwx,m::rwx,o::r--"},
		// So is a mask that somebody set wider than necessary. After a narrower
		// one, the permission that it denied is not given back.
		{"u::rwx,u:5:r--,g::---,m::rwx,o::---", "u::rwx,u:5:r--,g::---,m::rwx,o::---"},
		{"u::rwx,u:5:rwx,g::r--,m::r--,o::---", "u::rwx,u:5:r-x,g::r--,m::r--,o::---"},
	} {
		l := text(t, tt.before)
		if got := l.With(9, 6).Without(9).String(); got != tt.after {
			t.Errorf("%s became %s, want %s", l, got, tt.after)
		}
		if got := l.Without(9); !slices.Equal(got, l) {
			t.Errorf("%s became %s when a missing entry was removed", l, got)
		}
	}
	// After chmod 700 in between, nobody gains when the entry is removed.
	if got := text(t, "u::rwx,u:9:rw-,g::r-x,m::---,o::---").Without(9).String(); got != "u::rwx,g::---,o::---" {
		t.Errorf("after chmod 700: %s", got)
	}
}

// text parses what List.String returns.
func text(t *testing.T, s string) (l List) {
	t.Helper()
	tags := map[string]Tag{"u": UserObj, "g": GroupObj, "m": Mask, "o": Other}
	for _, field := range strings.Split(s, ",") {
		f := strings.Split(field, ":")
		e := Entry{Tag: tags[f[0]], ID: noID}
		if f[1] != "" {
			e.Tag, e.ID = e.Tag<<1, uint32(f[1][0]-'0')
		}
		for i, c := range "rwx" {
			if f[2][i] == byte(c) {
				e.Perm |= 4 >> i
			}
		}
		l = append(l, e)
	}
	if err := l.validate(); err != nil || l.String() != s {
		t.Fatal(s, l, err)
	}
	return l
}

func FuzzParse(f *testing.F) {
	for _, l := range []List{nil, fromMode(0o640), fromMode(0o700).With(5, 6), fromMode(0o777).With(7, 1).With(8, 2)} {
		f.Add(l.Format())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse(data)
		if err != nil {
			return
		}
		if !bytes.Equal(l.Format(), data) {
			t.Errorf("%x became %x", data, l.Format())
		}
		with := l.With(77, 6)
		for _, l := range []List{with, with.Without(77)} {
			if again, err := Parse(l.Format()); len(l) < maxSize/entrySize-2 && (err != nil || !slices.Equal(again, l)) {
				t.Errorf("%s became %s, %v", l, again, err)
			}
		}
	})
}
