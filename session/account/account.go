// Package account finds accounts in passwd(5) and group(5) files, and adds the
// caller's to those of a chroot. It also reads subordinate IDs, and the search
// path that a login to the chroot would set. It does not use NSS: it reads
// files, and on the host also runs getent(1).
//
// Files of a chroot are hostile. They may contain any bytes, and reading takes
// time and memory in proportion to their size.
package account

import (
	"fmt"
	"strconv"
	"strings"
)

// Account is a line of passwd(5).
type Account struct {
	Name     string
	UID, GID int
	Comment  string // GECOS
	Home     string
	Shell    string
}

// String returns the passwd(5) line without the newline. It drops characters
// that would end a field.
func (a Account) String() string {
	return fmt.Sprintf("%s:x:%d:%d:%s:%s:%s", cleanField(a.Name), a.UID, a.GID, cleanField(a.Comment), cleanField(a.Home), cleanField(a.Shell))
}

// cleanField keeps invalid UTF-8, which the path of a home may contain.
func cleanField(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(":\n\r\x00", r) }), "")
}

// Parse parses one line as glibc does: leading blanks are ignored. It returns
// false for comments, NIS lines and malformed lines, and for names that are
// unsafe in LOGNAME, in a path or on a terminal.
func Parse(line string) (Account, bool) {
	f := strings.Split(strings.TrimLeft(strings.TrimSuffix(line, "\r"), " \t"), ":")
	if len(f) != 7 || !validName(f[0]) || strings.Contains(line, "\x00") {
		return Account{}, false
	}
	uid, err1 := parseID(f[2])
	gid, err2 := parseID(f[3])
	if err1 != nil || err2 != nil {
		return Account{}, false
	}
	return Account{Name: f[0], UID: uid, GID: gid, Comment: f[4], Home: f[5], Shell: f[6]}, true
}

func validName(s string) bool {
	return s != "" && !strings.Contains("#+-", s[:1]) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' || r == ':' })
}

// parseID parses a uid or gid. It rejects leading zeros, because lookups search
// for the digits, and the greatest number, which the kernel takes as "none".
func parseID(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err == nil && (n == 1<<32-1 || len(s) > 1 && s[0] == '0') {
		err = strconv.ErrRange
	}
	return int(n), err
}
