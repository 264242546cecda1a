// Package x11 does what an X client does before it connects: it parses DISPLAY
// (libxcb 1.17, src/xcb_util.c) and chooses a cookie from an Xauthority file
// (src/xcb_auth.c; libXau, AuGetBest.c). It also finds the processes of X servers
// in /proc. It only reads files and never connects to a server; package xhost
// does.
package x11

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"chrun/session"
)

// SocketDir is the directory of the sockets X<number> of local X servers.
const SocketDir = "/tmp/.X11-unix"

// maxPath is the maximum length of a Unix socket's path in bytes (unix(7)).
const maxPath = 107

// Display is a parsed DISPLAY.
type Display struct {
	Protocol string           // "tcp", "inet" or "inet6" if given with a Host
	Host     string           // without brackets; "" for a Unix socket
	Path     session.HostPath // a socket outside SocketDir, instead of Host and Number
	Number   int
	Screen   int // -1 if not given
}

// ParseDisplay parses every form that some version of libxcb understands:
//
//	:N[.S]  unix:N[.S]  unix/[HOST]:N[.S]      the socket X<N> of this machine
//	[tcp/|inet/|inet6/]HOST:N[.S]              TCP port 6000+N; HOST may be IPv6
//	/PATH[.S]  unix:/PATH[.S]                  that socket (libxcb 1.16; launchd)
//
// The last form needs exists because a socket's name may end in what looks like
// a screen.
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
		return Display{}, errors.New("it has no ':'")
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

// parsePath separates the screen from the path as libxcb does: only if s is not a
// file, and never for screen 0.
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
		return Display{}, fmt.Errorf("its path has %d bytes, but a socket's path has at most %d", len(d.Path), maxPath)
	}
	// Unlike a path, :N is understood by every client.
	if p := path.Clean(string(d.Path)); path.Dir(p) == SocketDir {
		if n, ok := ParseSocketName(path.Base(p)); ok {
			d.Path, d.Number = "", n
		}
	}
	return d, nil
}

// ParseSocketName returns the display number in the name of a socket in
// SocketDir. ok is false if the name is not that of an X server's socket.
func ParseSocketName(name string) (number int, ok bool) {
	digits, ok := strings.CutPrefix(name, "X")
	number, err := parseNumber(digits)
	return number, ok && err == nil && strconv.Itoa(number) == digits
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
		return "", errors.New("the protocol requires a host")
	case strings.ContainsFunc(host, bad),
		strings.Contains(host, ":") && !isIPv6(host): // host::N means DECnet
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

// String returns the form that old and new clients understand: a Unix socket is
// :N[.S], because unix:N is an error for libxcb 1.16.
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

// IsSameServer reports whether two displays belong to the same server.
func (d Display) IsSameServer(e Display) bool {
	d.Screen, d.Protocol, e.Screen, e.Protocol = 0, "", 0, ""
	return d == e
}

// Socket returns the path of the display's Unix socket, or "" for TCP.
func (d Display) Socket() session.HostPath {
	switch {
	case d.Path != "":
		return d.Path
	case d.Host != "":
		return ""
	}
	return session.HostPath(SocketDir + "/X" + strconv.Itoa(d.Number))
}

// AbstractName returns the name of the display's abstract socket as in
// /proc/net/unix, or "" if it cannot have one.
func (d Display) AbstractName() string {
	if d.Path != "" || d.Host != "" {
		return ""
	}
	return "@" + string(d.Socket())
}

// IsRemote reports whether libxcb chooses the cookie as for a server on another
// machine. It does not for TCP to the loopback address (ssh -X).
func (d Display) IsRemote() bool {
	switch d.Host {
	case "", "localhost", "localhost.localdomain", "ip6-localhost", "127.0.0.1", "::1", "::ffff:127.0.0.1":
		return false
	}
	return true
}
