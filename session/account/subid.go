package account

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chrun/session/rootfs"
)

// Range is a range of Count IDs that begins with First.
type Range struct{ First, Count int }

// Contains reports whether id is in the range.
func (r Range) Contains(id int) bool { return id >= r.First && id-r.First < r.Count }

// ReadHostSubIDs returns the ranges of an account in the host's file, which is
// /etc/subuid or /etc/subgid.
func ReadHostSubIDs(host rootfs.HostPath, file string, a Account) []Range {
	data, _ := rootfs.ReadHost(host.Join(file), 64<<20, 0)
	return parseSubIDs(data, a.Name, a.UID)
}

// InRanges reports whether id is in one of the ranges.
func InRanges(list []Range, id int) bool {
	return slices.ContainsFunc(list, func(r Range) bool { return r.Contains(id) })
}

// parseSubIDs returns the ranges of an account in subuid(5) or subgid(5), whose
// lines begin with a name or number. It skips malformed lines.
func parseSubIDs(file []byte, name string, uid int) (list []Range) {
	for line := range splitLines(file) {
		f := strings.Split(string(bytes.TrimSpace(line)), ":")
		if len(f) != 3 || f[0] != name && f[0] != strconv.Itoa(uid) {
			continue
		}
		first, err1 := parseID(f[1])
		count, err2 := parseID(f[2])
		if err1 == nil && err2 == nil && count > 0 && first > 0 && first+count <= 1<<32-1 {
			list = append(list, Range{first, count})
		}
	}
	return list
}

// SubIDCommand is the command that gives a user, in the words of a shell, IDs from first
// on; from 0 on means IDs that nobody has in the host's files.
func SubIDCommand(user string, first int, host rootfs.HostPath) string {
	if first == 0 {
		first = nextFree(host)
	}
	ids := fmt.Sprintf("%d-%d", first, first+65535)
	return "sudo usermod --add-subuids " + ids + " --add-subgids " + ids + " " + user
}

// nextFree returns the first ID after those that the host's files give to somebody.
func nextFree(host rootfs.HostPath) int {
	first := 100000 // useradd's SUB_UID_MIN
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		data, _ := rootfs.ReadHost(host.Join(file), 64<<20, 0)
		for line := range splitLines(data) {
			name, _, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
			for _, r := range parseSubIDs(line, name, -1) {
				first = max(first, r.First+r.Count)
			}
		}
	}
	return first
}

// IDMap is a uid_map or gid_map (user_namespaces(7)).
type IDMap []IDLine

// IDLine maps the Count IDs from Inside to those from Outside.
type IDLine struct{ Inside, Outside, Count int }

// String returns the map in the format of the kernel.
func (m IDMap) String() string {
	var b strings.Builder
	for _, l := range m {
		fmt.Fprintf(&b, "%d %d %d\n", l.Inside, l.Outside, l.Count)
	}
	return b.String()
}

// Args returns the map as arguments of newuidmap(1).
func (m IDMap) Args() []string { return strings.Fields(m.String()) }

// ToInside returns the ID inside for an ID outside, or -1 if it is not mapped.
func (m IDMap) ToInside(outside int) int {
	for _, l := range m {
		if (Range{l.Outside, l.Count}).Contains(outside) {
			return l.Inside + outside - l.Outside
		}
	}
	return -1
}

// MapOne maps a single ID.
func MapOne(inside, outside int) IDMap { return IDMap{{inside, outside, 1}} }

// MapSubordinate maps the IDs 0 … r.Count-1 to the range r, except hole, which
// it maps to own. This suits a tree that was made without root: its root is the
// first subordinate ID, and the account hole is the caller.
func MapSubordinate(r Range, hole, own int) (m IDMap) {
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

// MapSwap maps every ID to itself, except a to b and b to a.
func MapSwap(a, b int) (m IDMap) {
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
