// Package audio shares the host's sound: PipeWire, PulseAudio, ALSA programs
// through either of them, and JACK. It looks for servers as their own clients
// do and says what it found; it connects to none, starts none, and speaks none
// of their protocols. Sources: PipeWire module-protocol-native/local-socket.c,
// PulseAudio pulse/context.c and pulsecore/parseaddr.c, alsa-lib src/conf.c,
// JACK2 common/JackConstants.h.
package audio

import (
	"path"

	"chrun/session"
)

// group is the name by which all of sound is allowed or denied.
const group = "sound"

// socketBinds shares the socket p. A system-wide server's directory in the
// host's /run is bound whole, so that its next socket is found too; the rest is
// as for any socket.
func socketBinds(c *session.Caller, p session.HostPath, system session.Path, why string) []session.Bind {
	if dir := c.Host.Join(string(system)); p.IsBelow(dir) {
		return []session.Bind{{Source: dir, Dest: system, ReadOnly: true, Why: why}}
	}
	return session.SocketBinds(c, p, why)
}

// addBinds appends what has no bind at the same place yet.
func addBinds(binds []session.Bind, more ...session.Bind) []session.Bind {
next:
	for _, b := range more {
		for _, have := range binds {
			if have.Dest == b.Dest {
				continue next
			}
		}
		binds = append(binds, b)
	}
	return binds
}

// covers lists the sockets among paths, once each.
func covers(paths []session.HostPath) []session.Path {
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

// home is the caller's home on the host, as libpulse finds it (pa_get_home_dir).
func home(c *session.Caller) session.HostPath {
	if h := c.Env.Get("HOME"); path.IsAbs(h) {
		return session.HostPath(path.Clean(h))
	}
	return session.HostPath(c.Account.Home)
}

// configHome is $XDG_CONFIG_HOME on the host (Base Directory 0.8: a relative
// value is ignored).
func configHome(c *session.Caller) session.HostPath {
	if dir := c.Env.Get("XDG_CONFIG_HOME"); path.IsAbs(dir) {
		return session.HostPath(path.Clean(dir))
	}
	return home(c).Join(".config")
}
