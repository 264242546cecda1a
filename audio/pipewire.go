package audio

import (
	"fmt"
	"os"
	"path"
	"strings"

	"chrun/session"
)

// Pipewire is the host's PipeWire daemon: sound, MIDI, cameras, screen casts.
var Pipewire = session.Feature{
	Name:   "pipewire",
	Group:  group,
	Shares: "PipeWire: play, record, MIDI, cameras",
	// PIPEWIRE_CORE and PIPEWIRE_DAEMON make a client play the server.
	Variables: []string{"PIPEWIRE_REMOTE", "PIPEWIRE_RUNTIME_DIR", "PIPEWIRE_CORE", "PIPEWIRE_DAEMON"},
	Detect:    detectPipewire,
	Hide:      hidePipewire,
}

// systemPipewire is where a system-wide daemon listens.
const systemPipewire session.Path = "/run/pipewire"

func detectPipewire(f *session.Facts) session.Share {
	c := f.Caller
	found, note := findPipewire(f)
	if len(found) == 0 {
		return session.Share{State: "no server listens" + note}
	}
	s := session.Share{State: fmt.Sprintf("%s (listening%s)", strings.Join(found, ", "), note)}
	for _, p := range found {
		p := session.HostPath(p)
		if p[0] == '@' || c.RuntimeDir != "" && p.IsBelow(c.RuntimeDir) && !c.Private {
			continue
		}
		s.Binds = addBinds(s.Binds, socketBinds(c, p, systemPipewire, "PipeWire")...)
		if c.Private {
			continue // not its manager's, which would give all rights
		}
		for _, other := range pipewireSockets(session.HostPath(path.Dir(string(p)))) {
			s.Binds = addBinds(s.Binds, socketBinds(c, other, systemPipewire, "PipeWire")...)
		}
	}
	// What the caller chose stays as it is: the client tries a list anew at
	// every connection, and the sockets are at the same paths inside.
	for _, name := range []string{"PIPEWIRE_REMOTE", "PIPEWIRE_RUNTIME_DIR"} {
		if v := c.Env.Get(name); v != "" && note == "" {
			s.Env = append(s.Env, session.Var{Name: name, Value: v})
		}
	}
	return s
}

// findPipewire says which sockets answer a client now, abstract ones with '@';
// and, for the report, that what the environment names does not.
func findPipewire(f *session.Facts) (found []string, note string) {
	c := f.Caller
	remote, dir := c.Env.Get("PIPEWIRE_REMOTE"), c.Env.Get("PIPEWIRE_RUNTIME_DIR")
	find := func(names []string, dirs ...session.HostPath) {
		for _, name := range names {
			for _, p := range pipewireCandidates(name, dirs) {
				if p[0] == '@' && f.Allowed("network") && c.Listeners()[p] ||
					p[0] == '/' && c.Listens(session.HostPath(p)) {
					found = append(found, p)
					break
				}
			}
		}
	}
	names := parseRemote(remote)
	if len(names) == 0 {
		names = []string{"pipewire-0"}
	}
	first := c.RuntimeDir
	if dir != "" {
		first = session.HostPath(dir)
	}
	find(names, first, c.Host.Join(string(systemPipewire)))
	if len(found) == 0 && (remote != "" || dir != "") {
		// A stale environment (tmux, screen, sudo) is no reason for silence.
		note = "; PIPEWIRE_REMOTE and PIPEWIRE_RUNTIME_DIR lead to no server"
		find([]string{"pipewire-0"}, c.RuntimeDir, c.Host.Join(string(systemPipewire)))
	}
	return found, note
}

// pipewireCandidates are the sockets a client tries for one name, in order.
func pipewireCandidates(name string, dirs []session.HostPath) (list []string) {
	switch name[0] {
	case '@':
		return []string{name}
	case '/':
		return []string{path.Clean(name)}
	}
	for _, dir := range dirs {
		if path.IsAbs(string(dir)) {
			list = append(list, string(dir.Join(name)))
		}
	}
	return list
}

// separators end a bare word in SPA-JSON, which is JSON with optional quotes
// and commas (spa/utils/json.h).
const separators = " \t\r\n,:="

// parseRemote reads $PIPEWIRE_REMOTE: one name, or a SPA-JSON array of them.
func parseRemote(value string) (names []string) {
	rest, list := strings.CutPrefix(strings.TrimLeft(value, separators), "[")
	if !list {
		if value == "" {
			return nil
		}
		return []string{value}
	}
	for {
		rest = strings.TrimLeft(rest, separators)
		var name string
		switch {
		case rest == "" || strings.ContainsRune("]}[{", rune(rest[0])):
			return names
		case rest[0] == '#':
			_, rest, _ = strings.Cut(rest, "\n")
		case rest[0] == '"':
			name, rest = quoted(rest[1:])
		default:
			n := strings.IndexAny(rest, separators+"[]{}\"#")
			if n < 0 {
				n = len(rest)
			}
			name, rest = rest[:n], rest[n:]
		}
		if name != "" {
			names = append(names, name)
		}
	}
}

// quoted reads up to the closing quote. An escaped character stands for itself:
// no socket's name holds a control character.
func quoted(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
			fallthrough
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "" // not closed
}

// pipewireSockets lists the sockets pipewire-* in dir: the daemon's, its
// manager's, and those of filters and second daemons.
func pipewireSockets(dir session.HostPath) (list []session.HostPath) {
	entries, err := os.ReadDir(string(dir))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "pipewire-") && e.Type()&os.ModeSocket != 0 {
			list = append(list, dir.Join(e.Name()))
		}
	}
	return list
}

func hidePipewire(f *session.Facts) session.Share {
	c := f.Caller
	var paths []session.HostPath
	if c.RuntimeDir != "" {
		paths = pipewireSockets(c.RuntimeDir)
	}
	dir := session.HostPath(c.Env.Get("PIPEWIRE_RUNTIME_DIR"))
	for _, name := range parseRemote(c.Env.Get("PIPEWIRE_REMOTE")) {
		for _, p := range pipewireCandidates(name, []session.HostPath{dir, c.RuntimeDir}) {
			if p[0] == '/' {
				paths = append(paths, session.HostPath(p))
			}
		}
	}
	return session.Share{Cover: covers(paths)}
}
