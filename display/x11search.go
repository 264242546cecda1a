package display

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"chrun/display/x11"
	"chrun/session"
	"chrun/session/rootfs"
)

// candidate is a server that may be the caller's.
type candidate struct {
	display x11.Display
	route   route
	cookie  cookie
}

// searchX11 shares a server of the caller if the environment was lost: the first one whose
// cookie it finds, or else the first one that the caller runs.
func searchX11(f *session.Facts) session.Share {
	found, dead := listServers(f, newCookieFinder(f))
	if len(found) == 0 {
		return session.Share{State: "none: DISPLAY was unset, and you have no running X server", Notes: dead}
	}
	best := max(0, slices.IndexFunc(found, func(c candidate) bool { return len(c.cookie.entries) > 0 }))
	details := []string{"DISPLAY was unset"}
	var windows []string
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
		windows = []string{fmt.Sprintf("the window opens on %s, the %s of %s; to choose another: DISPLAY=%s chrun …",
			names[best], why, strings.Join(names, ", "), names[max(0, 1-best)])}
	}
	s := found[best].route.share(f, found[best].display, found[best].cookie, details...)
	s.Notes = append(s.Notes, dead...)
	s.Windows = windows
	return s
}

// listServers returns the X servers that may be the caller's, and why others are
// not reachable.
func listServers(f *session.Facts, k *cookieFinder) (found []candidate, dead []string) {
	for _, n := range listDisplays(f.Caller) {
		d := x11.Display{Number: n, Screen: -1}
		own, possible := checkOwner(k, d)
		if !possible {
			continue
		}
		r, err := findRoute(f, d)
		if err != nil {
			dead = append(dead, fmt.Sprintf("%v: %v", d, err))
			continue
		}
		c := candidate{d, r, k.find(d)}
		// A server of root may belong to another session, unless we have its cookie.
		if own || len(c.cookie.entries) > 0 {
			found = append(found, c)
		}
	}
	return found, dead
}

// listDisplays returns the numbers of the displays of all X servers on this
// machine in ascending order.
func listDisplays(c *session.Caller) []int {
	numbers := map[int]bool{}
	for name := range c.Listeners().Names {
		dir := path.Dir(name)
		if dir != "@"+x11.SocketDir && dir != string(c.Host.Join(x11.SocketDir)) {
			continue
		}
		if n, ok := x11.ParseSocketName(path.Base(name)); ok {
			numbers[n] = true
		}
	}
	// Servers in another mount namespace, and sockets behind symlinks, have other
	// names in that table (WSLg).
	dir := c.Host.Join(x11.SocketDir)
	entries, _ := rootfs.ListHost(dir)
	for _, e := range entries {
		if n, ok := x11.ParseSocketName(e.Name()); ok && !numbers[n] && c.IsListening(dir.Join(e.Name())) {
			numbers[n] = true
		}
	}
	return slices.Sorted(maps.Keys(numbers))
}

// checkOwner determines whether the caller runs the server of d, and whether the
// server may at least be of the caller's session: that of a display manager runs as
// root. An abstract socket has no owner, but its server has.
func checkOwner(k *cookieFinder, d x11.Display) (own, possible bool) {
	if socket, ok := k.c.FindSocket(hostSocket(k.c, d)); ok {
		if st, err := os.Stat(string(socket.Real)); err == nil {
			owner := session.Owner(st)
			return owner == k.c.UID, owner == k.c.UID || owner == 0
		}
	}
	for _, s := range k.findServers(d) {
		own = own || s.Owner == k.c.UID && s.Number == d.Number
		// With -displayfd the number is not on the command line.
		possible = possible || s.Number < 0
	}
	return own, own || possible
}
