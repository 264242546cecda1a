package account

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chrun/session/rootfs"
)

// Range is a part of the ids: First and the Count-1 behind it.
type Range struct{ First, Count int }

// Has says whether id is in the range.
func (r Range) Has(id int) bool { return id >= r.First && id-r.First < r.Count }

// HostSubIDs are the ranges that the host's file, /etc/subuid or /etc/subgid,
// gives an account.
func HostSubIDs(host rootfs.HostPath, file string, a Account) []Range {
	data, _ := rootfs.ReadHost(host.Join(file), 0, 0)
	return SubIDs(data, a.Name, a.UID)
}

// Among says whether id is in one of the ranges.
func Among(list []Range, id int) bool {
	return slices.ContainsFunc(list, func(r Range) bool { return r.Has(id) })
}

// SubIDs reads the ranges of an account from subuid(5) or subgid(5), whose
// lines begin with its name or number. Broken lines are passed over.
func SubIDs(file []byte, name string, uid int) (list []Range) {
	for line := range lines(file) {
		f := strings.Split(string(bytes.TrimSpace(line)), ":")
		if len(f) != 3 || f[0] != name && f[0] != strconv.Itoa(uid) {
			continue
		}
		first, err1 := number(f[1])
		count, err2 := number(f[2])
		if err1 == nil && err2 == nil && count > 0 && first > 0 && first+count <= 1<<32-1 {
			list = append(list, Range{first, count})
		}
	}
	return list
}

// IDMap is a uid_map or gid_map (user_namespaces(7)).
type IDMap []IDLine

// IDLine says that Count ids from Inside are those from Outside.
type IDLine struct{ Inside, Outside, Count int }

// String is the map as the kernel reads it.
func (m IDMap) String() string {
	var b strings.Builder
	for _, l := range m {
		fmt.Fprintf(&b, "%d %d %d\n", l.Inside, l.Outside, l.Count)
	}
	return b.String()
}

// Args are the map as newuidmap(1) takes it.
func (m IDMap) Args() []string { return strings.Fields(m.String()) }

// Outer returns the id outside of one inside, -1 if it has none.
func (m IDMap) Outer(inside int) int {
	for _, l := range m {
		if (Range{l.Inside, l.Count}).Has(inside) {
			return l.Outside + inside - l.Inside
		}
	}
	return -1
}

// Inner returns the id inside of one outside, -1 if it has none.
func (m IDMap) Inner(outside int) int {
	for _, l := range m {
		if (Range{l.Outside, l.Count}).Has(outside) {
			return l.Inside + outside - l.Outside
		}
	}
	return -1
}

// One maps a single id.
func One(inside, outside int) IDMap { return IDMap{{inside, outside, 1}} }

// Subordinate maps the ids 0 … r.Count-1 to the range r, but hole to own: 0 is
// the owner of a tree that was made without root, and its account is the caller.
func Subordinate(r Range, hole, own int) (m IDMap) {
	add := func(inside, outside, count int) {
		if count > 0 {
			m = append(m, IDLine{inside, outside, count})
		}
	}
	add(0, r.First, min(hole, r.Count))
	add(hole, own, 1)
	add(hole+1, r.First+hole+1, r.Count-hole-1)
	return m
}

// Exchange maps every id to itself, but a to b and b to a.
func Exchange(a, b int) (m IDMap) {
	const all = 1<<32 - 1
	if a == b {
		return IDMap{{0, 0, all}}
	}
	low, high := min(a, b), max(a, b)
	for _, l := range (IDMap{{0, 0, low}, {low, high, 1}, {low + 1, low + 1, high - low - 1}, {high, low, 1}, {high + 1, high + 1, all - high - 1}}) {
		if l.Count > 0 {
			m = append(m, l)
		}
	}
	return m
}
