package account

import (
	"bytes"
	"iter"
	"strconv"
)

// Table is the content of a passwd(5) file. Lookups scan the whole file: a launch
// makes only one or two, for which an index would cost more.
type Table []byte

// All yields the accounts in the order of the file.
func (t Table) All() iter.Seq[Account] {
	return func(yield func(Account) bool) {
		for line := range splitLines(t) {
			if a, ok := Parse(string(line)); ok && !yield(a) {
				return
			}
		}
	}
}

// ByUID finds the first account with the number uid, as getpwuid(3) does.
func (t Table) ByUID(uid int) (Account, bool) {
	return t.find([]byte(":"+strconv.Itoa(uid)+":"), func(a Account) bool { return a.UID == uid })
}

// ByName finds the first account called name, as getpwnam(3) does.
func (t Table) ByName(name string) (Account, bool) {
	return t.find([]byte(name+":"), func(a Account) bool { return a.Name == name })
}

// find returns the first account that matches. It parses only lines that contain
// hint, which is faster.
func (t Table) find(hint []byte, matches func(Account) bool) (Account, bool) {
	for line := range splitLines(t) {
		if !bytes.Contains(line, hint) {
			continue
		}
		if a, ok := Parse(string(line)); ok && matches(a) {
			return a, true
		}
	}
	return Account{}, false
}

// Groups is the content of a group(5) file.
type Groups []byte

// ByGID finds the name of the first group with the number gid.
func (g Groups) ByGID(gid int) (name string, ok bool) {
	hint := []byte(":" + strconv.Itoa(gid))
	for line := range splitLines(g) {
		if !bytes.Contains(line, hint) {
			continue
		}
		if name, n, ok := parseGroup(line); ok && n == gid {
			return name, true
		}
	}
	return "", false
}

// parseGroup parses name:password:gid[:members].
func parseGroup(line []byte) (name string, gid int, ok bool) {
	if bytes.IndexByte(line, 0) >= 0 {
		return "", 0, false
	}
	f := bytes.SplitN(bytes.TrimRight(line, "\r"), []byte(":"), 4)
	if len(f) < 3 {
		return "", 0, false
	}
	name = string(firstField(line))
	gid, err := parseID(string(f[2]))
	return name, gid, err == nil && validName(name)
}

// firstField returns the first field of a line without leading blanks, or nil if
// the line has no second field.
func firstField(line []byte) []byte {
	name, _, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return nil
	}
	return bytes.TrimLeft(name, " \t")
}

// splitLines yields the lines of data without their newlines.
func splitLines(data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(data) > 0 {
			line, rest, _ := bytes.Cut(data, []byte("\n"))
			if !yield(line) {
				return
			}
			data = rest
		}
	}
}
