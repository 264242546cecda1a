// Package x11 knows what an X client does before it connects: the grammar of
// DISPLAY (libxcb 1.17, src/xcb_util.c), the choice of a cookie from an
// Xauthority file (src/xcb_auth.c; libXau, AuGetBest.c), and how the processes
// of X servers look in /proc. It only reads, and never connects.
package x11

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"chrun/session"
)

// SocketDir is where local X servers listen, socket X<number>.
const SocketDir = "/tmp/.X11-unix"

// maxPath is the longest path of a Unix socket (unix(7)).
const maxPath = 107

// Display is a parsed DISPLAY.
type Display struct {
	Protocol string           // "tcp", "inet", "inet6" if one was given with a Host
	Host     string           // without brackets; "" for a Unix socket
	Path     session.HostPath // a socket outside SocketDir, instead of Host and Number
	Number   int
	Screen   int // -1 if none was given
}

// ParseDisplay parses every form that some libxcb understands:
//
//	:N[.S]  unix:N[.S]  unix/[HOST]:N[.S]      the socket X<N> of this machine
//	[tcp/|inet/|inet6/]HOST:N[.S]              TCP port 6000+N; HOST may be IPv6
//	/PATH[.S]  unix:/PATH[.S]                  that socket (libxcb 1.16; launchd)
//
// The last form needs to ask which files exist: a socket's name may end in
// what looks like a screen.
func ParseDisplay(s string, exists func(session.HostPath) bool) (Display, error) {
	if rest := strings.TrimPrefix(s, "unix:"); strings.HasPrefix(rest, "/") {
		return parsePath(rest, exists)
	}
	protocol, rest := "", s
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		protocol, rest = s[:i], s[i+1:]
	}
	i := strings.LastIndexByte(rest, ':')
	if i < 0 {
		return Display{}, errors.New("there is no ':'")
	}
	d := Display{Screen: -1}
	number, screen, hasScreen := strings.Cut(rest[i+1:], ".")
	var err error
	if d.Number, err = parseNumber(number); err != nil {
		return Display{}, fmt.Errorf("display %w", err)
	}
	if hasScreen {
		if d.Screen, err = parseNumber(screen); err != nil {
			return Display{}, fmt.Errorf("screen %w", err)
		}
	}
	host := rest[:i]
	switch {
	case protocol == "unix", protocol == "" && (host == "" || host == "unix"):
		return d, nil
	case protocol != "" && protocol != "tcp" && protocol != "inet" && protocol != "inet6":
		return Display{}, fmt.Errorf("unknown protocol %q", protocol)
	case d.Number > 65535-6000:
		return Display{}, fmt.Errorf("display %d has no TCP port", d.Number)
	}
	d.Protocol = protocol
	d.Host, err = parseHost(host)
	if err != nil {
		return Display{}, err
	}
	return d, nil
}

// parsePath tells the screen from the path as libxcb does: only when the whole
// is no file, and never for screen 0.
func parsePath(s string, exists func(session.HostPath) bool) (Display, error) {
	d := Display{Path: session.HostPath(s), Screen: -1}
	if !exists(d.Path) {
		i := strings.LastIndexByte(s, '.')
		screen, err := parseNumber(s[i+1:])
		if i < 0 || err != nil || s[i+1] == '0' || !exists(session.HostPath(s[:i])) {
			return Display{}, fmt.Errorf("%s does not exist", s)
		}
		d.Path, d.Screen = session.HostPath(s[:i]), screen
	}
	if len(d.Path) > maxPath {
		return Display{}, fmt.Errorf("the path has %d bytes, a socket's at most %d", len(d.Path), maxPath)
	}
	// Every client understands :N.
	if p := path.Clean(string(d.Path)); path.Dir(p) == SocketDir {
		if n, ok := SocketNumber(path.Base(p)); ok {
			d.Path, d.Number = "", n
		}
	}
	return d, nil
}

// SocketNumber returns the display number of a socket in SocketDir by its name.
func SocketNumber(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, "X")
	n, err := parseNumber(digits)
	return n, ok && err == nil && strconv.Itoa(n) == digits
}

func parseNumber(s string) (int, error) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return int(n), nil
}

func parseHost(s string) (string, error) {
	host := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		host = s[1 : len(s)-1]
		if !isIPv6(host) {
			return "", fmt.Errorf("%q is not an IPv6 address", host)
		}
	}
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || r == '[' || r == ']' }
	switch {
	case host == "", host == "unix":
		return "", errors.New("the protocol needs a host")
	case strings.ContainsFunc(host, bad),
		strings.Contains(host, ":") && !isIPv6(host): // host::N was DECnet
		return "", fmt.Errorf("%q is not a host", s)
	}
	return host, nil
}

func isIPv6(s string) bool {
	address, zone, scoped := strings.Cut(s, "%")
	foreign := func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF:.", r) }
	return strings.Count(address, ":") >= 2 && strings.Count(address, ":") <= 7 &&
		!strings.Contains(address, ":::") && !strings.ContainsFunc(address, foreign) &&
		(!scoped || zone != "" && !strings.ContainsAny(zone, "[]/ %"))
}

// String is the form that every client understands, old or new: a Unix socket
// is :N[.S] (unix:N is an error to libxcb 1.16).
func (d Display) String() string {
	if d.Path != "" {
		if d.Screen > 0 {
			return string(d.Path) + "." + strconv.Itoa(d.Screen)
		}
		return string(d.Path)
	}
	s := d.Host
	if strings.Contains(s, ":") {
		s = "[" + s + "]"
	}
	if d.Protocol != "" {
		s = d.Protocol + "/" + s
	}
	s += ":" + strconv.Itoa(d.Number)
	if d.Screen >= 0 {
		s += "." + strconv.Itoa(d.Screen)
	}
	return s
}

// Same says whether two names lead to the same server.
func (d Display) Same(e Display) bool {
	d.Screen, d.Protocol, e.Screen, e.Protocol = 0, "", 0, ""
	return d == e
}

// Socket is the path at which a Unix display listens; "" for TCP.
func (d Display) Socket() session.HostPath {
	switch {
	case d.Path != "":
		return d.Path
	case d.Host != "":
		return ""
	}
	return session.HostPath(SocketDir + "/X" + strconv.Itoa(d.Number))
}

// Abstract is the abstract socket of the display as /proc/net/unix shows it; ""
// if it can have none.
func (d Display) Abstract() string {
	if d.Path != "" || d.Host != "" {
		return ""
	}
	return "@" + string(d.Socket())
}

// Remote says whether the server is another machine, as far as its cookie is
// concerned: to libxcb, TCP to the loopback address is local (ssh -X).
func (d Display) Remote() bool {
	switch d.Host {
	case "", "localhost", "localhost.localdomain", "ip6-localhost", "127.0.0.1", "::1", "::ffff:127.0.0.1":
		return false
	}
	return true
}
