// Package display has the features that let programs open windows on the host:
// Wayland and X11. It finds and describes the servers and never connects to one.
// The rules of the protocols are in the packages wayland and x11.
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
			shareDescriptor(f, &s, fd)
			return s
		}
		// With this stale variable a client would not try WAYLAND_DISPLAY.
		s.Notes = append(s.Notes, fmt.Sprintf("WAYLAND_SOCKET is not passed on: %v", err))
	}
	if name, ok := c.Env.Lookup("WAYLAND_DISPLAY"); ok {
		shareNamed(f, &s, name)
		return s
	}
	searchWayland(f, &s)
	return s
}

// shareDescriptor passes WAYLAND_SOCKET on. Only one program can use it; others
// use WAYLAND_DISPLAY, if the caller has set it.
func shareDescriptor(f *session.Facts, s *session.Share, fd int) {
	if name, ok := f.Caller.Env.Lookup("WAYLAND_DISPLAY"); ok {
		shareNamed(f, s, name)
	}
	state := fmt.Sprintf("descriptor %d (WAYLAND_SOCKET)", fd)
	if s.State != "" {
		state += "; " + s.State
	}
	s.State = state
	s.Env = append(s.Env, session.Var{Name: "WAYLAND_SOCKET", Value: strconv.Itoa(fd)})
}

// shareNamed shares the socket that WAYLAND_DISPLAY names. If it cannot, it shares
// none: another socket might be another screen.
func shareNamed(f *session.Facts, s *session.Share, name string) {
	c := f.Caller
	p, err := socketPath(c, name)
	if err == nil {
		err = shareSocket(f, s, p)
	}
	if err == nil {
		s.State += " (listening)"
		return
	}
	s.State = fmt.Sprintf("none: WAYLAND_DISPLAY=%q: %v", name, err)
	if errors.Is(err, fs.ErrPermission) {
		s.Warnings = append(s.Warnings, fmt.Sprintf("no Wayland: you have no permission to use the socket %s", p))
	}
	if live, _ := listCompositors(c); len(live) > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("listening: %s (used when WAYLAND_DISPLAY is unset)", strings.Join(live, ", ")))
	}
}

// searchWayland shares a socket if WAYLAND_DISPLAY is unset because the desktop's
// environment was lost (ssh, cron, su, a systemd unit).
func searchWayland(f *session.Facts, s *session.Share) {
	c := f.Caller
	live, dead := listCompositors(c)
	switch {
	case c.RuntimeDir == "":
		s.State = "none: the caller has no runtime directory"
		return
	case len(live) == 0 && len(dead) == 0:
		s.State = fmt.Sprintf("none: no compositor's socket in %s", c.RuntimeDir)
		return
	case len(live) == 0:
		s.State = fmt.Sprintf("none: no server listens on %s", strings.Join(dead, ", "))
		return
	}
	p, err := wayland.SocketPath(live[0], c.RuntimeDir)
	if err == nil {
		err = shareSocket(f, s, p)
	}
	if err != nil {
		s.State = fmt.Sprintf("none: %s: %v", live[0], err)
		return
	}
	why := "WAYLAND_DISPLAY was unset"
	if len(live) > 1 {
		first := "the first in order"
		if live[0] == "wayland-0" {
			first = "the default"
		}
		why += fmt.Sprintf("; %s of %s", first, strings.Join(live, ", "))
	}
	s.State += " (listening; " + why + ")"
}

// listCompositors returns the names of the caller's sockets in the runtime
// directory, the preferred one first. A server listens on the live ones.
func listCompositors(c *session.Caller) (live, dead []string) {
	for _, n := range wayland.ListSocketNames(c.RuntimeDir) {
		p := c.RuntimeDir.Join(n)
		st, err := os.Lstat(string(p))
		switch {
		case err != nil, st.Mode()&fs.ModeSocket == 0, session.Owner(st) != c.UID:
		case strings.HasPrefix(n, "wayland-proxy-"): // Firefox makes it for itself
		case c.Listeners().IsLive(p):
			live = append(live, n)
		default:
			dead = append(dead, n)
		}
	}
	return live, dead
}

// shareSocket shares the socket p and sets State to its name inside. The name of
// a socket in the runtime directory is relative even if the caller's was absolute,
// because many programs only support $XDG_RUNTIME_DIR/$WAYLAND_DISPLAY.
func shareSocket(f *session.Facts, s *session.Share, p session.HostPath) error {
	c := f.Caller
	real, err := resolveSocket(p)
	if err != nil {
		return err
	}
	if !c.Listeners().IsLive(real) {
		return errors.New("no server listens on it")
	}
	if err := unix.Access(string(real), unix.W_OK); err != nil {
		return err
	}
	name := string(real)
	if p != c.RuntimeDir && c.RuntimeDir != "" && p.IsBelow(c.RuntimeDir) {
		name = strings.TrimPrefix(string(p), string(c.RuntimeDir)+"/")
	}
	s.State = name
	s.Binds = session.SocketBinds(f, real, "the Wayland compositor's socket")
	s.Env = append(s.Env, session.Var{Name: "WAYLAND_DISPLAY", Value: name})
	return nil
}

// resolveSocket returns p or, if p is a symlink, the socket that it leads to (WSLg
// puts a symlink into the runtime directory).
func resolveSocket(p session.HostPath) (session.HostPath, error) {
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

// socketPath returns the path at which a client would find name. Clients do not
// check who owns $XDG_RUNTIME_DIR.
func socketPath(c *session.Caller, name string) (session.HostPath, error) {
	dir := session.HostPath(c.Env.Get("XDG_RUNTIME_DIR"))
	if !filepath.IsAbs(string(dir)) {
		dir = c.RuntimeDir
	}
	return wayland.SocketPath(name, dir)
}

// hideWayland covers all sockets in the runtime directory, and the one that
// WAYLAND_DISPLAY names.
func hideWayland(f *session.Facts) session.Share {
	c := f.Caller
	var s session.Share
	seen := map[session.HostPath]bool{}
	cover := func(p session.HostPath) {
		if real, err := resolveSocket(p); err == nil && !seen[real] {
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
