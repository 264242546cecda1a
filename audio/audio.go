// Package audio has the features that share the host's sound: PipeWire,
// PulseAudio, ALSA through either of them, and JACK. It finds servers by the rules
// of their own clients. It does not connect to a server or start one. Sources:
// PipeWire module-protocol-native/local-socket.c, PulseAudio pulse/context.c and
// pulsecore/parseaddr.c, alsa-lib src/conf.c, JACK2 common/JackConstants.h.
package audio

import (
	"path"

	"chrun/session"
)

// group is the group of all features in this package.
const group = "sound"

// NoServer is a socket on which nothing ever listens. It means none to libraries
// that try other servers if their variable is unset.
const NoServer = "/dev/null"

// socketBinds shares the socket at p. If p is in the directory system, where a
// system-wide server listens, it shares that directory, so that the socket is still
// found after the server restarts.
func socketBinds(f *session.Facts, p session.HostPath, system session.Path, why string) []session.Bind {
	socket, ok := f.Caller.FindSocket(p)
	switch {
	case !ok:
		return nil
	case p.IsBelow(f.Caller.Host.Join(string(system))):
		return socket.SystemBinds(f, system, why)
	}
	return socket.Binds(f, why)
}

// addBinds appends the binds whose destination binds does not have yet.
func addBinds(binds []session.Bind, more ...session.Bind) []session.Bind {
next:
	for _, b := range more {
		for _, old := range binds {
			if old.Dest == b.Dest {
				continue next
			}
		}
		binds = append(binds, b)
	}
	return binds
}

// listSockets returns the sockets among paths, without duplicates, to be covered.
func listSockets(paths []session.HostPath) []session.Path {
	var list []session.Path
	seen := map[session.HostPath]bool{}
	for _, p := range paths {
		if !seen[p] && session.IsSocket(p) {
			list = append(list, session.Path(p))
		}
		seen[p] = true
	}
	return list
}

// home returns the caller's home on the host, by the rules of libpulse
// (pa_get_home_dir).
func home(c *session.Caller) session.HostPath {
	if h := c.Env.Get("HOME"); path.IsAbs(h) {
		return session.HostPath(path.Clean(h))
	}
	return session.HostPath(c.Account.Home)
}

// configHome returns $XDG_CONFIG_HOME on the host. Like the XDG Base Directory
// Specification, it ignores a relative value.
func configHome(c *session.Caller) session.HostPath {
	if dir := c.Env.Get("XDG_CONFIG_HOME"); path.IsAbs(dir) {
		return session.HostPath(path.Clean(dir))
	}
	return home(c).Join(".config")
}
