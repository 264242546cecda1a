// Package account reads passwd(5) and group(5) lines and makes the ones that
// differ inside a chroot. It knows files and, on the host alone, getent(1):
// no NSS. What it reads from a chroot is hostile: it takes time and memory in
// proportion to the size, and any bytes.
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

// String is the passwd(5) line, without the newline. Characters that would end
// a field are left out.
func (a Account) String() string {
	return fmt.Sprintf("%s:x:%d:%d:%s:%s:%s", clean(a.Name), a.UID, a.GID, clean(a.Comment), clean(a.Home), clean(a.Shell))
}

// Bytes, not runes: a home need not be UTF-8.
var cleaner = strings.NewReplacer(":", "", "\n", "", "\r", "", "\x00", "")

func clean(s string) string { return cleaner.Replace(s) }

// Parse reads one line, as glibc does: blanks may lead. False for comments, NIS
// lines and broken ones, and for names that would not survive as LOGNAME, in a
// path or on a terminal.
func Parse(line string) (Account, bool) {
	f := strings.Split(strings.TrimLeft(strings.TrimSuffix(line, "\r"), " \t"), ":")
	if len(f) != 7 || !validName(f[0]) || strings.Contains(line, "\x00") {
		return Account{}, false
	}
	uid, err1 := number(f[2])
	gid, err2 := number(f[3])
	if err1 != nil || err2 != nil {
		return Account{}, false
	}
	return Account{Name: f[0], UID: uid, GID: gid, Comment: f[4], Home: f[5], Shell: f[6]}, true
}

func validName(s string) bool {
	return s != "" && !strings.Contains("#+-", s[:1]) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' || r == ':' })
}

// number reads a uid or gid as it is usually written: without leading zeros,
// so that lookups may search for the digits. The greatest one means "none" to
// the kernel.
func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err == nil && (n == 1<<32-1 || len(s) > 1 && s[0] == '0') {
		err = strconv.ErrRange
	}
	return int(n), err
}
