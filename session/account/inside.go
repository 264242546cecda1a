package account

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PatchPasswd returns the passwd file that a program inside sees. The line of a
// comes first, so that lookups by name and by number find it. Other lines with
// that name are removed; every other byte stays. If lookups in tree already
// find exactly a, PatchPasswd returns tree and false.
func PatchPasswd(tree []byte, a Account) (data []byte, changed bool) {
	want := a.String()
	byName, ok1 := Table(tree).ByName(a.Name)
	byUID, ok2 := Table(tree).ByUID(a.UID)
	if ok1 && ok2 && byName.String() == want && byUID.String() == want {
		return tree, false
	}
	data = make([]byte, 0, len(tree)+len(want)+1)
	data = append(append(data, want...), '\n')
	name := []byte(cleanField(a.Name))
	for rest := tree; len(rest) > 0; {
		n := bytes.IndexByte(rest, '\n') + 1
		if n == 0 {
			n = len(rest)
		}
		line := rest[:n]
		rest = rest[n:]
		if !bytes.Equal(firstField(line), name) {
			data = append(data, line...)
		}
	}
	return data, true
}

// PatchGroup returns the group file that a program inside sees. If no group has
// the number gid, it appends one called name, or name_GID if that name is taken.
// Every byte of tree stays.
func PatchGroup(tree []byte, gid int, name string) (data []byte, changed bool) {
	if _, ok := Groups(tree).ByGID(gid); ok {
		return tree, false
	}
	name = groupName(name, gid)
	taken := map[string]bool{}
	for line := range splitLines(tree) {
		if n := firstField(line); bytes.HasPrefix(n, []byte(name)) {
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

// groupName returns the name for a group of a caller called name, if it is free.
func groupName(name string, gid int) string {
	name = strings.TrimSpace(strings.ReplaceAll(cleanField(name), ",", ""))
	if !validName(name) {
		return "group_" + strconv.Itoa(gid)
	}
	return name
}

// NoSuchAccountError reports that a chroot has no account with a name or number.
type NoSuchAccountError struct {
	Name  string
	Names []string // some accounts of people in the chroot
}

func (e *NoSuchAccountError) Error() string {
	return fmt.Sprintf("cannot find the account %q in the chroot", e.Name)
}

// Hint returns the accounts that exist, or "".
func (e *NoSuchAccountError) Hint() string {
	if len(e.Names) == 0 {
		return ""
	}
	return "accounts in the chroot: " + strings.Join(e.Names, ", ")
}

// Choose finds the account inside for user, which is a login name or a number,
// or "" for the account with the caller's number. If the chroot does not have
// the caller, or root, Choose supplies the account, and known is false.
//
// A known account has the numbers of its line in passwd. A supplied account has
// the first of caller.Shell, /bin/bash and /bin/sh that canRun accepts.
func Choose(passwd Table, user string, caller Account, canRun func(shell string) bool) (a Account, known bool, err error) {
	a, known = passwd.lookUp(user, caller)
	switch {
	case known:
		if a.Shell == "" {
			a.Shell = "/bin/sh" // passwd(5)
		}
	case user == "" || user == caller.Name || user == strconv.Itoa(caller.UID):
		a = caller
		a.Shell = "/bin/sh"
		for _, shell := range []string{caller.Shell, "/bin/bash"} {
			if shell != "" && canRun(shell) {
				a.Shell = shell
				break
			}
		}
	case user == "root" || user == "0":
		a = Account{Name: "root", Home: "/root", Shell: "/bin/sh"}
	default:
		return Account{}, false, &NoSuchAccountError{Name: user, Names: passwd.listPeople()}
	}
	return a, known, nil
}

func (t Table) lookUp(user string, caller Account) (Account, bool) {
	if user == "" {
		return t.ByUID(caller.UID)
	}
	if a, ok := t.ByName(user); ok {
		return a, true
	}
	uid, err := parseID(user)
	if err != nil {
		return Account{}, false
	}
	return t.ByUID(uid)
}

// listPeople lists up to five accounts of people: no system accounts, not nobody.
func (t Table) listPeople() (names []string) {
	for a := range t.All() {
		if a.UID >= 1000 && a.UID < 65534 && !slices.Contains(names, a.Name) {
			if names = append(names, a.Name); len(names) == 5 {
				break
			}
		}
	}
	return names
}
