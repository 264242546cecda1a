package display

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"chrun/display/x11"
	"chrun/session"
)

// candidate is a server that may be the caller's.
type candidate struct {
	display x11.Display
	way     way
	cookie  cookie
}

// searchX11 offers a server of the caller's where DISPLAY got lost: the first
// that has a cookie for us, else the first that the caller runs.
func searchX11(f *session.Facts) session.Share {
	k := newCookies(f.Caller)
	var found []candidate
	var dead []string
	for _, n := range listening(f.Caller) {
		d := x11.Display{Number: n, Screen: -1}
		own, maybe := owned(k, d)
		if !maybe {
			continue
		}
		w, err := reach(f, d)
		if err != nil {
			dead = append(dead, fmt.Sprintf("%v: %v", d, err))
			continue
		}
		c := candidate{d, w, k.find(d)}
		// Another session's server may run as root too: ours has a cookie.
		if own || len(c.cookie.entries) > 0 {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return session.Share{State: "none: DISPLAY was unset, and no X server of ours is running", Notes: dead}
	}
	best := max(0, slices.IndexFunc(found, func(c candidate) bool { return len(c.cookie.entries) > 0 }))
	details := []string{"DISPLAY was unset"}
	if len(found) > 1 {
		why := "lowest number"
		if len(found[best].cookie.entries) > 0 {
			why = "lowest number with a cookie"
		}
		var names []string
		for _, c := range found {
			names = append(names, c.display.String())
		}
		details = append(details, fmt.Sprintf("%s of %s", why, strings.Join(names, ", ")))
	}
	s := found[best].way.share(f, found[best].display, found[best].cookie, details...)
	s.Notes = append(s.Notes, dead...)
	return s
}

// listening returns the numbers of all X servers of the machine, in order.
func listening(c *session.Caller) []int {
	numbers := map[int]bool{}
	for name := range c.Listeners() {
		dir := path.Dir(name)
		if dir != "@"+x11.SocketDir && dir != string(c.Host.Join(x11.SocketDir)) {
			continue
		}
		if n, ok := x11.ParseSocketName(path.Base(name)); ok {
			numbers[n] = true
		}
	}
	return slices.Sorted(maps.Keys(numbers))
}

// owned says whether the caller runs the server of d, or at least may do so:
// one started by root for the caller's session is root's. An abstract socket
// has no owner; its server has.
func owned(k *cookies, d x11.Display) (own, maybe bool) {
	socket := hostSocket(k.c, d)
	st, err := os.Lstat(string(socket))
	if err == nil && st.Mode()&fs.ModeSocket != 0 && k.c.Listeners().Live(socket) {
		owner := session.Owner(st)
		return owner == k.c.UID, owner == k.c.UID || owner == 0
	}
	for _, s := range k.serving(d) {
		own = own || s.Owner == k.c.UID && s.Number == d.Number
		// Its command line does not say its number (-displayfd).
		maybe = maybe || s.Number < 0
	}
	return own, own || maybe
}
