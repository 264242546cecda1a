// Package display is what a launch shares of the host's windows: Wayland and
// X11. It finds and describes; it never connects to a server. The protocols'
// own rules are in the packages wayland and x11.
package display

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/display/wayland"
	"chrun/session"
)

// Wayland shares the compositor's socket.
var Wayland = session.Feature{
	Name:      "wayland",
	Group:     "display",
	Shares:    "the Wayland compositor's socket",
	Variables: []string{"WAYLAND_DISPLAY", "WAYLAND_SOCKET"},
	Detect:    detectWayland,
	Hide:      hideWayland,
}

func detectWayland(f *session.Facts) session.Share {
	c := f.Caller
	var s session.Share
	if value, ok := c.Env.Lookup("WAYLAND_SOCKET"); ok {
		fd, err := wayland.ParseSocketVariable(value)
		if err == nil {
			handOn(c, &s, fd)
			return s
		}
		// A client would give up here; the variable is stale, so unset it.
		s.Notes = append(s.Notes, fmt.Sprintf("WAYLAND_SOCKET is left out: %v", err))
	}
	if name, ok := c.Env.Lookup("WAYLAND_DISPLAY"); ok {
		named(c, &s, name)
		return s
	}
	search(c, &s)
	return s
}

// handOn passes WAYLAND_SOCKET. It is good for one connection; what the
// program starts next uses WAYLAND_DISPLAY, if the caller gave one.
func handOn(c *session.Caller, s *session.Share, fd int) {
	if name, ok := c.Env.Lookup("WAYLAND_DISPLAY"); ok {
		named(c, s, name)
	}
	state := fmt.Sprintf("descriptor %d (WAYLAND_SOCKET)", fd)
	if s.State != "" {
		state += "; " + s.State
	}
	s.State = state
	s.Env = append(s.Env, session.Var{Name: "WAYLAND_SOCKET", Value: strconv.Itoa(fd)})
}

// named offers the socket that WAYLAND_DISPLAY names, or none: another one in
// its place might be another screen.
func named(c *session.Caller, s *session.Share, name string) {
	p, err := socketPath(c, name)
	if err == nil {
		err = offer(c, s, p)
	}
	if err == nil {
		s.State += " (listening)"
		return
	}
	s.State = fmt.Sprintf("none: WAYLAND_DISPLAY=%q: %v", name, err)
	if errors.Is(err, fs.ErrPermission) {
		s.Warn = append(s.Warn, fmt.Sprintf("no Wayland: the socket %s refuses us", p))
	}
	if live, _ := compositors(c); len(live) > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("listening: %s (used when WAYLAND_DISPLAY is unset)", strings.Join(live, ", ")))
	}
}

// search offers the socket a client without WAYLAND_DISPLAY should have: its
// environment got lost on the way (ssh, cron, su, a systemd unit).
func search(c *session.Caller, s *session.Share) {
	const unset = "WAYLAND_DISPLAY was unset"
	live, dead := compositors(c)
	switch {
	case c.RuntimeDir == "":
		s.State = "none: there is no runtime directory"
		return
	case len(live) == 0 && len(dead) == 0:
		s.State = fmt.Sprintf("none: no compositor's socket in %s", c.RuntimeDir)
		return
	case len(live) == 0:
		s.State = fmt.Sprintf("none: %s is there, but its server is gone", strings.Join(dead, ", "))
		return
	}
	p, err := wayland.SocketPath(live[0], c.RuntimeDir)
	if err == nil {
		err = offer(c, s, p)
	}
	if err != nil {
		s.State = fmt.Sprintf("none: %s: %v", live[0], err)
		return
	}
	why := unset
	if len(live) > 1 {
		first := "the first in order"
		if live[0] == "wayland-0" {
			first = "the default"
		}
		why += fmt.Sprintf("; %s of %s", first, strings.Join(live, ", "))
	}
	s.State += " (listening; " + why + ")"
}

// compositors names the caller's sockets in the runtime directory, the
// preferred one first, by whether a server listens.
func compositors(c *session.Caller) (live, dead []string) {
	for _, n := range wayland.ListSocketNames(c.RuntimeDir) {
		p := c.RuntimeDir.Join(n)
		st, err := os.Lstat(string(p))
		switch {
		case err != nil, st.Mode()&fs.ModeSocket == 0, session.Owner(st) != c.UID:
		case strings.HasPrefix(n, "wayland-proxy-"): // Firefox's own, dies with it
		case c.Listeners().Live(p):
			live = append(live, n)
		default:
			dead = append(dead, n)
		}
	}
	return live, dead
}

// offer shares the socket at p and says in State by which name. A name in the
// runtime directory stays relative even where the caller's was absolute: many
// programs only know $XDG_RUNTIME_DIR/$WAYLAND_DISPLAY.
func offer(c *session.Caller, s *session.Share, p session.HostPath) error {
	real, err := realSocket(p)
	if err != nil {
		return err
	}
	if !c.Listeners().Live(real) {
		return errors.New("it is there, but its server is gone")
	}
	if err := unix.Access(string(real), unix.W_OK); err != nil {
		return err
	}
	name := string(real)
	if p != c.RuntimeDir && c.RuntimeDir != "" && p.IsBelow(c.RuntimeDir) {
		name = strings.TrimPrefix(string(p), string(c.RuntimeDir)+"/")
	}
	s.State = name
	s.Binds = session.SocketBinds(c, real, "the Wayland compositor's socket")
	s.Env = append(s.Env, session.Var{Name: "WAYLAND_DISPLAY", Value: name})
	return nil
}

// realSocket returns the socket that p leads to: p, or where the symlink p
// ends (WSLg puts one into the runtime directory).
func realSocket(p session.HostPath) (session.HostPath, error) {
	st, err := os.Lstat(string(p))
	if err == nil && st.Mode()&fs.ModeSymlink != 0 {
		var real string
		if real, err = filepath.EvalSymlinks(string(p)); err == nil {
			p = session.HostPath(real)
			st, err = os.Lstat(real)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", errors.New("it does not exist")
	case err != nil:
		return "", err
	case st.Mode()&fs.ModeSocket == 0:
		return "", errors.New("it is not a socket")
	}
	return p, nil
}

// socketPath is where a client would find name. It asks $XDG_RUNTIME_DIR and
// not whose directory that is.
func socketPath(c *session.Caller, name string) (session.HostPath, error) {
	dir := session.HostPath(c.Env.Get("XDG_RUNTIME_DIR"))
	if !filepath.IsAbs(string(dir)) {
		dir = c.RuntimeDir
	}
	return wayland.SocketPath(name, dir)
}

// hideWayland covers what lies in the runtime directory, live or not, and what
// WAYLAND_DISPLAY names elsewhere.
func hideWayland(f *session.Facts) session.Share {
	c := f.Caller
	var s session.Share
	seen := map[session.HostPath]bool{}
	cover := func(p session.HostPath) {
		if real, err := realSocket(p); err == nil && !seen[real] {
			seen[real] = true
			s.Cover = append(s.Cover, session.Path(real))
		}
	}
	for _, n := range wayland.ListSocketNames(c.RuntimeDir) {
		cover(c.RuntimeDir.Join(n))
	}
	if name, ok := c.Env.Lookup("WAYLAND_DISPLAY"); ok {
		if p, err := socketPath(c, name); err == nil {
			cover(p)
		}
	}
	return s
}
