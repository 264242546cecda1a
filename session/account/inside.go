package account

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Passwd is a tree's passwd file as it is seen inside: the line of a comes
// first, so that both its name and its number find it; other lines of that
// name are left out; every other byte is kept. It is tree itself, and not
// changed, when name and number find exactly a there already.
func Passwd(tree []byte, a Account) (data []byte, changed bool) {
	want := a.String()
	byName, ok1 := Table(tree).ByName(a.Name)
	byUID, ok2 := Table(tree).ByUID(a.UID)
	if ok1 && ok2 && byName.String() == want && byUID.String() == want {
		return tree, false
	}
	data = make([]byte, 0, len(tree)+len(want)+1)
	data = append(append(data, want...), '\n')
	name := []byte(clean(a.Name))
	for rest := tree; len(rest) > 0; {
		n := bytes.IndexByte(rest, '\n') + 1
		if n == 0 {
			n = len(rest)
		}
		line := rest[:n]
		rest = rest[n:]
		if !bytes.Equal(first(line), name) {
			data = append(data, line...)
		}
	}
	return data, true
}

// Group is a tree's group file as it is seen inside: when no group has the
// number gid, one called name is added at the end, or name_GID if that name is
// taken. Every byte of tree is kept.
func Group(tree []byte, gid int, name string) (data []byte, changed bool) {
	if _, ok := Groups(tree).ByGID(gid); ok {
		return tree, false
	}
	name = strings.TrimSpace(strings.ReplaceAll(clean(name), ",", ""))
	if !validName(name) {
		name = "group_" + strconv.Itoa(gid)
	}
	taken := map[string]bool{}
	for line := range lines(tree) {
		if n := first(line); bytes.HasPrefix(n, []byte(name)) {
			taken[string(n)] = true
		}
	}
	for base, i := name, 0; taken[name]; i++ {
		name = base + "_" + strconv.Itoa(gid)
		if i > 0 {
			name += "_" + strconv.Itoa(i)
		}
	}
	data = bytes.Clone(tree)
	if n := len(data); n > 0 && data[n-1] != '\n' {
		data = append(data, '\n')
	}
	return fmt.Appendf(data, "%s:x:%d:\n", name, gid), true
}

// NoSuchAccountError says that a chroot has no account of that name or number.
type NoSuchAccountError struct {
	Want  string
	Names []string // some people's accounts that it has
}

func (e *NoSuchAccountError) Error() string {
	return fmt.Sprintf("cannot find the account %q in the chroot", e.Want)
}

// Hint is what to type instead, or "".
func (e *NoSuchAccountError) Hint() string {
	if len(e.Names) == 0 {
		return ""
	}
	return "accounts there: " + strings.Join(e.Names, ", ")
}

// Choose finds the account inside: the one that want names (a login name, else
// a number), or for "" the one with the caller's number. Where the chroot does
// not know the caller, the caller is supplied, and known is false; so is root,
// whom no system lacks.
//
// The result is the line of the tree, with its numbers. A supplied account has
// the first of caller.Shell, /bin/bash and /bin/sh that runs inside.
func Choose(passwd Table, want string, caller Account, runs func(shell string) bool) (a Account, known bool, err error) {
	a, known = passwd.wanted(want, caller)
	switch {
	case known:
		if a.Shell == "" {
			a.Shell = "/bin/sh" // passwd(5)
		}
	case want == "" || want == caller.Name || want == strconv.Itoa(caller.UID):
		a = caller
		a.Shell = "/bin/sh"
		for _, shell := range []string{caller.Shell, "/bin/bash"} {
			if shell != "" && runs(shell) {
				a.Shell = shell
				break
			}
		}
	case want == "root" || want == "0":
		a = Account{Name: "root", Home: "/root", Shell: "/bin/sh"}
	default:
		return Account{}, false, &NoSuchAccountError{Want: want, Names: passwd.people()}
	}
	return a, known, nil
}

func (t Table) wanted(want string, caller Account) (Account, bool) {
	if want == "" {
		return t.ByUID(caller.UID)
	}
	if a, ok := t.ByName(want); ok {
		return a, true
	}
	uid, err := number(want)
	if err != nil {
		return Account{}, false
	}
	return t.ByUID(uid)
}

// people lists a few accounts that are neither the system's nor nobody.
func (t Table) people() (names []string) {
	for a := range t.All() {
		if a.UID >= 1000 && a.UID < 65534 && !slices.Contains(names, a.Name) {
			if names = append(names, a.Name); len(names) == 5 {
				break
			}
		}
	}
	return names
}
