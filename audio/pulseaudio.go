package audio

import (
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"chrun/session"
)

// Pulseaudio shares the host's PulseAudio server, or PipeWire's replacement for it.
var Pulseaudio = session.Feature{
	Name:   "pulseaudio",
	Group:  group,
	Shares: "PulseAudio, or PipeWire in its place: play, record",
	Variables: []string{"PULSE_SERVER", "PULSE_COOKIE", "PULSE_RUNTIME_PATH",
		// Paths on the host.
		"PULSE_BINARY", "PULSE_CLIENTCONFIG", "PULSE_CONFIG_PATH", "PULSE_STATE_PATH", "PULSE_SCRIPT", "PULSE_DLPATH"},
	Detect: detectPulse,
	Hide:   hidePulse,
}

// noPulse means that there is no server. Without the variable, libpulse looks for
// one in several places, and in the end starts one inside.
var noPulse = session.Var{Name: "PULSE_SERVER", Value: "unix:" + NoServer}

// systemPulse is the directory in which a system-wide server listens.
const systemPulse session.Path = "/run/pulse"

// blanks separate the entries of a list of servers.
const blanks = " \t\r\n"

const cookieSize = 256 // PA_NATIVE_COOKIE_LENGTH

func detectPulse(f *session.Facts) session.Share {
	c := f.Caller
	conf := readClientConf(c)
	servers, note := findPulse(f, conf)
	if len(servers) == 0 {
		s := session.Share{State: "no server listens" + note, Absent: true}
		if c.RuntimeDir != "" && !strings.ContainsAny(string(c.RuntimeDir), blanks) {
			// It is set anyway, for a server that starts later, and so that libpulse
			// does not start one inside.
			s.Env = []session.Var{{Name: "PULSE_SERVER", Value: "unix:" + string(c.RuntimeDir.Join("pulse/native"))}}
		} else {
			s.Env = []session.Var{noPulse}
		}
		return s
	}
	s := session.Share{State: fmt.Sprintf("%s (listening%s)", strings.Join(servers, " "), note)}
	for i, server := range servers {
		p, ok := strings.CutPrefix(server, "unix:")
		switch {
		case ok && strings.ContainsAny(p, blanks):
			s.Binds = addBinds(s.Binds, renamePulse(f, session.HostPath(p)))
			servers[i] = "unix:" + string(session.PrivateDir.Join("pulse", path.Base(p)))
		case ok:
			s.Binds = addBinds(s.Binds, socketBinds(f, session.HostPath(p), systemPulse, "PulseAudio")...)
		}
	}
	// In tests, the host's "/" is another directory.
	for i, server := range servers {
		if p, ok := strings.CutPrefix(server, "unix:"+string(c.Host.Join(string(systemPulse)))+"/"); ok {
			servers[i] = "unix:" + string(systemPulse.Join(p))
		}
	}
	// With it, the result inside does not depend on the home, the owner of a
	// directory or the chroot's client.conf.
	s.Env = append(s.Env, session.Var{Name: "PULSE_SERVER", Value: strings.Join(servers, " ")})
	// A server over TCP or of another uid requires the cookie.
	if cookie, source := readCookie(c, conf); cookie != nil {
		file := session.PrivateDir.Join("pulse-cookie")
		s.Files = append(s.Files, session.File{Path: file, Data: cookie, Mode: 0o600, Why: "the PulseAudio cookie", SecretFile: source})
		s.Env = append(s.Env, session.Var{Name: "PULSE_COOKIE", Value: string(file)})
	}
	return s
}

// renamePulse shares a socket whose path cannot be in a list, because it contains
// blanks, in a directory of chrun's: with the server's own directory, if it has one.
func renamePulse(f *session.Facts, p session.HostPath) session.Bind {
	dir := session.HostPath(path.Dir(string(p)))
	b := session.Bind{Source: dir, Dest: session.PrivateDir.Join("pulse"), Why: "PulseAudio, whose path contains blanks"}
	if f.PrivateRuntimeDir() || dir == f.Caller.RuntimeDir || !dir.IsBelow(f.Caller.RuntimeDir) {
		b.Source, b.Dest = p, b.Dest.Join(path.Base(string(p)))
	}
	return b
}

// findPulse returns the servers in the form of $PULSE_SERVER: those that the caller
// chose, or else the first that listens where libpulse tries to connect.
func findPulse(f *session.Facts, conf clientConf) (servers []string, note string) {
	c := f.Caller
	if list, name := conf.serverList(c); list != "" {
		for _, server := range parseServers(list, localNames(c, list)...) {
			p, local := strings.CutPrefix(server, "unix:")
			socket, ok := c.FindSocket(session.HostPath(p))
			switch {
			case local && ok:
				servers = append(servers, "unix:"+string(socket.Path))
			case !local && f.Allowed("network"):
				servers = append(servers, server)
			}
		}
		if len(servers) > 0 {
			return servers, ""
		}
		note = "; no server listens on " + name
	}
	for _, socket := range pulseSockets {
		if p := socket(c); p != "" {
			if socket, ok := c.FindSocket(p); ok {
				return []string{"unix:" + string(socket.Path)}, note
			}
		}
	}
	return nil, note
}

// pulseSockets return the sockets that libpulse tries without PULSE_SERVER. They
// are functions because the third one has to read the machine ID.
var pulseSockets = []func(c *session.Caller) session.HostPath{
	func(c *session.Caller) session.HostPath {
		if dir := c.Env.Get("PULSE_RUNTIME_PATH"); path.IsAbs(dir) {
			return session.HostPath(path.Join(dir, "native"))
		}
		return ""
	},
	func(c *session.Caller) session.HostPath {
		if c.RuntimeDir == "" {
			return ""
		}
		return c.RuntimeDir.Join("pulse/native")
	},
	func(c *session.Caller) session.HostPath {
		return configHome(c).Join("pulse", c.MachineID()+"-runtime", "native")
	},
	func(c *session.Caller) session.HostPath {
		return c.Host.Join(string(systemPulse), "native")
	},
}

// localNames returns the strings that mean this machine in a {prefix}: its ID and,
// from old servers, its hostname.
func localNames(c *session.Caller, list string) []string {
	if !strings.Contains(list, "{") {
		return nil
	}
	return []string{c.MachineID(), c.Hostname}
}

// parseServers parses $PULSE_SERVER. It is a list of entries with spaces in between.
// An entry is an optional {MACHINE} and then unix:PATH, PATH, or HOST with an
// optional port and an optional prefix tcp:, tcp4: or tcp6:. parseServers leaves out
// entries for machines other than local. It also removes {MACHINE}, because the
// machine ID may be different inside. A PATH is returned as unix:PATH.
func parseServers(list string, local ...string) (servers []string) {
	for _, s := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(blanks, r) }) {
		if rest, ok := strings.CutPrefix(s, "{"); ok {
			machine, rest, ok := strings.Cut(rest, "}")
			if !ok || machine == "" || !slices.Contains(local, machine) {
				continue
			}
			s = rest
		}
		p, isUnix := strings.CutPrefix(s, "unix:")
		switch {
		case path.IsAbs(p):
			servers = append(servers, "unix:"+path.Clean(p))
		case isUnix || !isHost(s):
		default:
			servers = append(servers, s)
		}
	}
	return servers
}

// isHost reports whether s has the form [tcp:|tcp4:|tcp6:]HOST[:PORT]. It does not
// resolve HOST.
func isHost(s string) bool {
	for _, prefix := range []string{"tcp:", "tcp4:", "tcp6:"} {
		s = strings.TrimPrefix(s, prefix)
	}
	return s != "" && !strings.ContainsAny(s, "{}/") && s[0] != ':'
}

// readCookie returns the caller's cookie, which it finds by the rules of libpulse,
// and its file, or nil. The file must be a regular one of the caller with the size of a cookie. It
// may be a symlink, because some users keep such files elsewhere.
func readCookie(c *session.Caller, conf clientConf) (cookie []byte, file session.HostPath) {
	for _, p := range conf.cookieFiles(c) {
		f, err := os.OpenFile(string(p), os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		cookie := make([]byte, cookieSize)
		st, err := f.Stat()
		ok := err == nil && st.Mode().IsRegular() && session.Owner(st) == c.UID && st.Size() == cookieSize
		if ok {
			_, err = io.ReadFull(f, cookie)
		}
		f.Close()
		if ok && err == nil {
			return cookie, p
		}
	}
	return nil, ""
}

func hidePulse(f *session.Facts) session.Share {
	c := f.Caller
	var paths []session.HostPath
	for _, socket := range pulseSockets {
		if p := socket(c); p != "" && !p.IsBelow(c.Host.Join(string(systemPulse))) {
			paths = append(paths, p)
		}
	}
	list, _ := readClientConf(c).serverList(c)
	for _, server := range parseServers(list, localNames(c, list)...) {
		if p, ok := strings.CutPrefix(server, "unix:"); ok {
			paths = append(paths, session.HostPath(p))
		}
	}
	return session.Share{Cover: listSockets(paths), Env: []session.Var{noPulse}}
}
