package session

import (
	"os"
	"path"
	"strings"

	"chrun/session/rootfs"
)

// Socket is a Unix socket of the host on which a server listens.
type Socket struct {
	Real HostPath // without symlinks: this is what is bound
	// Path is what variables inside name: a path in the runtime directory as it
	// was asked for, since symlinks there are visible inside too; else Real.
	Path HostPath
}

// FindSocket finds the socket that p leads to, through symlinks too: WSLg has
// them, and people make runtime directories of them. All features find their
// sockets with it. ok is false if no server listens.
func (c *Caller) FindSocket(p HostPath) (s Socket, ok bool) {
	if !path.IsAbs(string(p)) {
		return Socket{}, false
	}
	real := c.Listeners().find(p)
	if real == "" {
		return Socket{}, false
	}
	s = Socket{Real: real, Path: real}
	if p = HostPath(path.Clean(string(p))); c.isInRuntimeDir(p) {
		s.Path = p
	}
	return s, true
}

// IsListening reports whether a server listens on the socket that p leads to.
func (c *Caller) IsListening(p HostPath) bool { _, ok := c.FindSocket(p); return ok }

func (c *Caller) isInRuntimeDir(p HostPath) bool {
	return c.RuntimeDir != "" && p.IsBelow(c.RuntimeDir)
}

// Binds shares the socket at Path.
//
// If possible it binds the directory of the socket, so that the program also
// finds the new socket of a restarted server. The runtime directory is bound as
// a whole anyway. Another directory must belong to the caller, and must not be
// the home, above it, or a top-level directory. A program that has another uid
// gets only the socket.
func (s Socket) Binds(f *Facts, why string) []Bind {
	c := f.Caller
	switch {
	case f.PrivateRuntimeDir():
		return []Bind{{Source: s.Real, Dest: Path(s.Path), Why: why}}
	case c.isInRuntimeDir(s.Real):
		return nil
	}
	dir := HostPath(path.Dir(string(s.Real)))
	st, err := os.Lstat(string(dir))
	if err == nil && st.IsDir() && Owner(st) == c.UID &&
		!HostPath(c.Account.Home).IsBelow(dir) && strings.Count(string(dir), "/") > 1 {
		return []Bind{{Source: dir, Dest: Path(dir), Why: why}}
	}
	return []Bind{{Source: s.Real, Dest: Path(s.Real), Why: why}}
}

// SystemBinds shares the socket of a server of the machine, which is in the
// directory dir of the host: at /run/NAME inside, so that the socket of a
// restarted server is found.
func (s Socket) SystemBinds(f *Facts, dir Path, why string) []Bind {
	source := f.Caller.Host.Join(string(dir))
	binds := []Bind{{Source: source, Dest: dir, ReadOnly: true, Why: why}}
	if real, err := rootfs.ResolveHost(source); err == nil && !s.Real.IsBelow(real) {
		binds = append(binds, s.Binds(f, why)...) // the socket is a symlink to another directory
	}
	return binds
}
