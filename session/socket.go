package session

import (
	"os"
	"path"
	"strings"
)

// SocketBinds shares the socket p at its own path. What lies in the runtime
// directory needs nothing: it is bound whole, so that a server which restarts
// and makes a new socket is found again; but for a program of another uid. Elsewhere the socket's directory is
// bound when it is the caller's own and small in meaning (not the home or above
// it, not a top-level directory), for the same reason; else the socket alone.
func SocketBinds(c *Caller, p HostPath, why string) []Bind {
	switch {
	case c.Private:
		return []Bind{{Source: p, Dest: Path(p), Why: why}}
	case c.RuntimeDir != "" && p.IsBelow(c.RuntimeDir):
		return nil
	}
	dir := HostPath(path.Dir(string(p)))
	st, err := os.Lstat(string(dir))
	if err == nil && st.IsDir() && Owner(st) == c.UID &&
		!HostPath(c.Account.Home).IsBelow(dir) && strings.Count(string(dir), "/") > 1 {
		return []Bind{{Source: dir, Dest: Path(dir), Why: why}}
	}
	return []Bind{{Source: p, Dest: Path(p), Why: why}}
}
