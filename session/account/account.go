// Package account reads passwd(5) and group(5) lines and makes the ones that
// differ inside. It knows files only: no NSS.
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
	clean := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == ':' || r == '\n' || r == 0 {
				return -1
			}
			return r
		}, s)
	}
	return fmt.Sprintf("%s:x:%d:%d:%s:%s:%s", clean(a.Name), a.UID, a.GID, clean(a.Comment), clean(a.Home), clean(a.Shell))
}

// Parse reads one line; false for comments, NIS lines and broken ones.
func Parse(line string) (Account, bool) {
	f := strings.Split(line, ":")
	if len(f) != 7 || f[0] == "" || strings.ContainsAny(f[0][:1], "#+-") {
		return Account{}, false
	}
	uid, err1 := number(f[2])
	gid, err2 := number(f[3])
	if err1 != nil || err2 != nil {
		return Account{}, false
	}
	return Account{Name: f[0], UID: uid, GID: gid, Comment: f[4], Home: f[5], Shell: f[6]}, true
}

func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	return int(n), err
}
