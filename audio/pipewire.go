package audio

import (
	"fmt"
	"os"
	"path"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// Pipewire shares the host's PipeWire daemon: sound, MIDI, cameras, screen casts.
var Pipewire = session.Feature{
	Name:   "pipewire",
	Group:  group,
	Shares: "PipeWire: play, record, MIDI, cameras",
	// With PIPEWIRE_CORE or PIPEWIRE_DAEMON a client would be a server.
	Variables: []string{"PIPEWIRE_REMOTE", "PIPEWIRE_RUNTIME_DIR", "PIPEWIRE_CORE", "PIPEWIRE_DAEMON"},
	Detect:    detectPipewire,
	Hide:      hidePipewire,
}

// systemPipewire is the directory in which a system-wide daemon listens.
const systemPipewire session.Path = "/run/pipewire"

func detectPipewire(f *session.Facts) session.Share {
	c := f.Caller
	found, note := findPipewire(f)
	if len(found) == 0 {
		return session.Share{State: "no server listens" + note}
	}
	s := session.Share{State: fmt.Sprintf("%s (listening%s)", strings.Join(found, ", "), note)}
	for _, p := range found {
		if p[0] == '@' {
			continue
		}
		p := session.HostPath(p)
		socket, _ := c.FindSocket(p)
		s.Binds = addBinds(s.Binds, socketBinds(f, p, systemPipewire, "PipeWire")...)
		switch {
		case f.PrivateRuntimeDir(): // the manager's socket would give another uid all rights
			continue
		case c.RuntimeDir != "" && p.IsBelow(c.RuntimeDir):
			continue
		case socket.Path != p: // a symlink, which the variables name
			s.Binds = addBinds(s.Binds, session.Bind{Source: socket.Real, Dest: session.Path(p), Why: "PipeWire"})
			continue
		}
		for _, other := range listPipewireSockets(session.HostPath(path.Dir(string(p)))) {
			s.Binds = addBinds(s.Binds, socketBinds(f, other, systemPipewire, "PipeWire")...)
		}
	}
	// The values stay as they are: clients try all of a list for each connection,
	// and the sockets have the same paths inside.
	for _, name := range []string{"PIPEWIRE_REMOTE", "PIPEWIRE_RUNTIME_DIR"} {
		if v := c.Env.Get(name); v != "" && note == "" {
			s.Env = append(s.Env, session.Var{Name: name, Value: v})
		}
	}
	return s
}

// findPipewire returns the sockets to which a client would connect, with '@' if
// they are abstract. The note, for State, is not empty if no server listens on those
// in the environment.
func findPipewire(f *session.Facts) (found []string, note string) {
	c := f.Caller
	remote, dir := c.Env.Get("PIPEWIRE_REMOTE"), c.Env.Get("PIPEWIRE_RUNTIME_DIR")
	find := func(names []string, dirs ...session.HostPath) {
		for _, name := range names {
			for _, p := range listCandidates(name, dirs) {
				if p[0] == '@' && f.Allowed("network") && c.Listeners().Names[p] ||
					p[0] == '/' && c.IsListening(session.HostPath(p)) {
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
		// The environment may be stale (tmux, screen, sudo).
		note = "; no server listens on PIPEWIRE_REMOTE in PIPEWIRE_RUNTIME_DIR"
		find([]string{"pipewire-0"}, c.RuntimeDir, c.Host.Join(string(systemPipewire)))
	}
	return found, note
}

// listCandidates returns the sockets that a client tries for one name, in order.
func listCandidates(name string, dirs []session.HostPath) (list []string) {
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

// separators end an unquoted word in SPA-JSON, which is JSON with optional quotes
// and commas (spa/utils/json.h).
const separators = " \t\r\n,:="

// parseRemote parses $PIPEWIRE_REMOTE: a name, or a SPA-JSON array of names.
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
			name, rest = cutQuoted(rest[1:])
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

// cutQuoted returns the string up to the closing quote. It takes an escaped
// character literally, because the names of sockets contain no control characters.
func cutQuoted(s string) (value, rest string) {
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

// listPipewireSockets returns the sockets pipewire-* in dir: those of the daemon,
// its manager, filters and other daemons.
func listPipewireSockets(dir session.HostPath) (list []session.HostPath) {
	entries, err := rootfs.ListHost(dir)
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
		paths = listPipewireSockets(c.RuntimeDir)
	}
	dir := session.HostPath(c.Env.Get("PIPEWIRE_RUNTIME_DIR"))
	for _, name := range parseRemote(c.Env.Get("PIPEWIRE_REMOTE")) {
		for _, p := range listCandidates(name, []session.HostPath{dir, c.RuntimeDir}) {
			if p[0] == '/' {
				paths = append(paths, session.HostPath(p))
			}
		}
	}
	// Clients take any other daemon that they find if the variable is unset.
	return session.Share{Cover: listSockets(paths), Env: []session.Var{{Name: "PIPEWIRE_REMOTE", Value: NoServer}}}
}
