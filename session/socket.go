package session

import (
	"os"
	"path"
	"strings"
)

// SocketBinds shares the socket p at its own path.
//
// If possible it binds the directory of the socket, so that the program also
// finds the new socket of a restarted server. The runtime directory is bound as
// a whole anyway. Another directory must belong to the caller, and must not be
// the home, above it, or a top-level directory. A program that has another uid
// gets only the socket.
func SocketBinds(f *Facts, p HostPath, why string) []Bind {
	c, single := f.Caller, []Bind{{Source: p, Dest: Path(p), Why: why}}
	switch {
	case f.PrivateRuntimeDir():
		return single
	case c.RuntimeDir != "" && p.IsBelow(c.RuntimeDir):
		return nil
	}
	dir := HostPath(path.Dir(string(p)))
	st, err := os.Lstat(string(dir))
	if err == nil && st.IsDir() && Owner(st) == c.UID &&
		!HostPath(c.Account.Home).IsBelow(dir) && strings.Count(string(dir), "/") > 1 {
		return []Bind{{Source: dir, Dest: Path(dir), Why: why}}
	}
	return single
}
