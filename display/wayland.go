// Package display has the features that let programs open windows on the host:
// Wayland and X11. It finds and describes the servers. It connects to none, except
// to an X server for which there are several cookies. The rules of the protocols are in the packages wayland and x11.
package display

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/display/wayland"
	"chrun/display/x11"
	"chrun/session"
	"chrun/session/rootfs"
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
	var s session.Share
	findWayland(f, &s)
	if _, given := f.Caller.Env.Lookup(waylandVariable); !sets(s, waylandVariable) && (given || hasDefaultName(f.Caller)) {
		s.Env = append(s.Env, noWayland)
	}
	return s
}

// hasDefaultName reports whether clients without WAYLAND_DISPLAY would find
// something. If they would not, the variable can stay unset, as on the host.
// Compositors that can run in a window (wlroots, Weston) and Qt take even an empty
// value for a sign that Wayland is there, and do not try X11 or the screen.
func hasDefaultName(c *session.Caller) bool {
	var st unix.Stat_t
	return c.RuntimeDir != "" && unix.Lstat(string(c.RuntimeDir.Join("wayland-0")), &st) == nil
}

const waylandVariable = "WAYLAND_DISPLAY"

// noWayland means that there is no compositor. With an unset variable, clients try
// wayland-0 in the runtime directory, which is there as a whole.
var noWayland = session.Var{Name: waylandVariable}

// sets reports whether s sets a variable.
func sets(s session.Share, name string) bool {
	return slices.ContainsFunc(s.Env, func(v session.Var) bool { return v.Name == name })
}

// offersWayland reports whether a share of Wayland lets programs open windows.
func offersWayland(s session.Share) bool {
	return slices.ContainsFunc(s.Env, func(v session.Var) bool { return v.Value != "" })
}

func findWayland(f *session.Facts, s *session.Share) {
	c := f.Caller
	if value, ok := c.Env.Lookup("WAYLAND_SOCKET"); ok {
		fd, err := wayland.ParseSocketVariable(value)
		if err == nil {
			shareDescriptor(f, s, fd)
			return
		}
		// With this stale variable a client would not try WAYLAND_DISPLAY.
		s.Notes = append(s.Notes, fmt.Sprintf("WAYLAND_SOCKET is not passed on: %v", err))
	}
	switch name, ok := c.Env.Lookup(waylandVariable); {
	case ok && name == "":
		s.State = "none: WAYLAND_DISPLAY is set, but empty"
	case ok:
		shareNamed(f, s, name)
	case isWaylandLost(c):
		searchWayland(f, s)
	default:
		s.State = "none: WAYLAND_DISPLAY is unset, but another variable of the display is not"
	}
}

// isEnvironmentLost reports whether the variables of the desktop were lost on the
// way (ssh, cron, su, a systemd unit), so that displays are searched for. If one of
// them is set, none was lost: what it does not name is another screen.
func isEnvironmentLost(c *session.Caller) bool {
	for _, name := range []string{"DISPLAY", waylandVariable, "WAYLAND_SOCKET"} {
		if _, ok := c.Env.Lookup(name); ok {
			return false
		}
	}
	return true
}

// isWaylandLost reports whether a compositor is searched for: if the environment
// was lost, or if root has kept only DISPLAY, as sudo does. A DISPLAY of another
// machine (ssh -X) means that the person does not sit at this one.
func isWaylandLost(c *session.Caller) bool {
	value := c.Env.Get("DISPLAY")
	if value == "" || !c.ThroughRoot {
		return isEnvironmentLost(c)
	}
	d, err := x11.ParseDisplay(value, session.IsSocket)
	return err != nil || d.Host == ""
}

// shareDescriptor passes WAYLAND_SOCKET on. Only one program can use it; others
// use WAYLAND_DISPLAY, if the caller has set it.
func shareDescriptor(f *session.Facts, s *session.Share, fd int) {
	if name, ok := f.Caller.Env.Lookup(waylandVariable); ok {
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
		s.Notes = append(s.Notes, "compositors that listen: "+strings.Join(live, ", "))
	}
}

// searchWayland shares a socket of the caller's. Explain says which one if there
// are several.
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
		s.Windows = append(s.Windows, fmt.Sprintf("the window opens on %s, %s of %s; to choose another: WAYLAND_DISPLAY=%s chrun …",
			live[0], first, strings.Join(live, ", "), live[1]))
	}
	s.State += " (listening; " + why + ")"
}

// listCompositors returns the names of the caller's sockets in the runtime
// directory, the preferred one first. A server listens on the live ones. Of several
// names for one socket, only the first counts.
func listCompositors(c *session.Caller) (live, dead []string) {
	seen := map[session.HostPath]bool{}
	for _, n := range wayland.ListSocketNames(c.RuntimeDir) {
		p := c.RuntimeDir.Join(n)
		st, err := os.Stat(string(p))
		if err != nil || st.Mode()&fs.ModeSocket == 0 || session.Owner(st) != c.UID ||
			strings.HasPrefix(n, "wayland-proxy-") { // Firefox makes it for itself
			continue
		}
		socket, ok := c.FindSocket(p)
		switch {
		case !ok:
			dead = append(dead, n)
		case !seen[socket.Real]:
			seen[socket.Real] = true
			live = append(live, n)
		}
	}
	return live, dead
}

// shareSocket shares the socket p and sets State to its name inside. That is
// relative to the runtime directory even if the caller's was absolute, because many
// programs only support $XDG_RUNTIME_DIR/$WAYLAND_DISPLAY. A socket elsewhere is
// therefore mounted in there.
func shareSocket(f *session.Facts, s *session.Share, p session.HostPath) error {
	const why = "the Wayland compositor's socket"
	c := f.Caller
	socket, ok := c.FindSocket(p)
	if !ok {
		return whyDead(p)
	}
	if err := unix.Access(string(socket.Real), unix.W_OK); err != nil {
		return err
	}
	name, inside := strings.CutPrefix(string(socket.Path), string(c.RuntimeDir)+"/")
	s.State = name
	if c.RuntimeDir != "" && inside {
		s.Binds = socket.Binds(f, why)
	} else {
		name = freeName(f)
		s.State = string(socket.Real) + ", inside " + name
		s.Binds = []session.Bind{{Source: socket.Real, Dest: c.RuntimeDirInside().Join(name), Why: why}}
	}
	s.Env = append(s.Env, session.Var{Name: waylandVariable, Value: name})
	return nil
}

// freeName returns a name in the runtime directory inside for a socket from
// elsewhere. In a directory that programs of the host use too, it is one that no
// compositor takes by itself (wl_display_add_socket_auto: wayland-0 to wayland-32).
func freeName(f *session.Facts) string {
	if f.Caller.RuntimeDir == "" || f.PrivateRuntimeDir() {
		return "wayland-0"
	}
	for n := 100; ; n++ {
		name := "wayland-" + strconv.Itoa(n)
		st, err := os.Lstat(string(f.Caller.RuntimeDir.Join(name)))
		if err != nil || st.Mode().IsRegular() && st.Size() == 0 { // a mount point of another launch
			return name
		}
	}
}

// whyDead says why p is not a socket on which a server listens.
func whyDead(p session.HostPath) error {
	st, err := os.Stat(string(p))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("it does not exist")
	case err != nil:
		return err
	case st.Mode()&fs.ModeSocket == 0:
		return errors.New("it is not a socket")
	}
	return errors.New("no server listens on it")
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
	s := session.Share{Env: []session.Var{noWayland}}
	seen := map[session.HostPath]bool{}
	cover := func(p session.HostPath) {
		if real, err := rootfs.ResolveHost(p); err == nil && session.IsSocket(real) && !seen[real] {
			seen[real] = true
			s.Cover = append(s.Cover, session.Path(real))
		}
	}
	for _, n := range wayland.ListSocketNames(c.RuntimeDir) {
		cover(c.RuntimeDir.Join(n))
	}
	if name, ok := c.Env.Lookup(waylandVariable); ok {
		if p, err := socketPath(c, name); err == nil {
			cover(p)
		}
	}
	return s
}
