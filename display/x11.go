package display

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
	"chrun/session"
)

// X11 shares the X server: its socket and a cookie.
var X11 = session.Feature{
	Name:      "x11",
	Group:     "display",
	Shares:    "the X server's socket and a copy of its cookie",
	Variables: []string{"DISPLAY", "XAUTHORITY", "XAUTHLOCALHOSTNAME"},
	Detect:    detectX11,
	Hide:      hideX11,
}

func detectX11(f *session.Facts) session.Share {
	value, ok := f.Caller.Env.Lookup("DISPLAY")
	if !ok {
		return searchX11(f)
	}
	if value == "" {
		return session.Share{State: "none: DISPLAY is set, but empty"}
	}
	d, err := x11.ParseDisplay(value, session.IsSocket)
	if err != nil {
		return session.Share{State: fmt.Sprintf("none: DISPLAY=%q: %v", value, err)}
	}
	r, err := findRoute(f, d)
	if err != nil {
		s := session.Share{State: fmt.Sprintf("none: DISPLAY=%q: %v", value, err)}
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, errNetwork) {
			s.Warnings = []string{fmt.Sprintf("no X11: DISPLAY=%q: %v", value, err)}
		}
		return s
	}
	return r.share(f, d, newCookieFinder(f.Caller).find(d))
}

var errNetwork = errors.New("it requires the network, which is denied")

// route is how a client inside connects to a display.
type route struct {
	state string
	binds []session.Bind
	notes []string
}

// findRoute determines how a client inside connects to d. Clients try the abstract
// socket first, then the one in the file system. Either suffices, but the abstract
// one belongs to the network namespace (unix(7)).
func findRoute(f *session.Facts, d x11.Display) (route, error) {
	if d.Host != "" {
		if !f.Allowed("network") {
			return route{}, errNetwork
		}
		return route{state: "over TCP"}, nil
	}
	c := f.Caller
	live := c.Listeners()
	socket := hostSocket(c, d)
	listens := session.IsSocket(socket) && live.IsLive(socket)
	var refused error
	if listens {
		refused = unix.Access(string(socket), unix.W_OK)
	}
	switch {
	case listens && refused == nil && d.Path != "":
		return route{
			state: "listening",
			binds: session.SocketBinds(f, socket, "the X server's socket"),
			notes: []string{"DISPLAY is a path, which only programs with libxcb 1.16 or newer understand"},
		}, nil
	case listens && refused == nil && f.Identity.Kind != "" && f.Identity.InsideUID == 0:
		// Root has its own /tmp inside, where the mount point can be a directory but
		// not a file.
		dir := c.Host.Join(x11.SocketDir)
		return route{state: "listening", binds: []session.Bind{{Source: dir, Dest: x11.SocketDir, ReadOnly: true, Why: "the X server's socket"}}}, nil
	case listens && refused == nil:
		return route{
			state: "listening",
			binds: []session.Bind{{Source: socket, Dest: session.Path(d.Socket()), Why: "the X server's socket"}},
		}, nil
	case live[d.AbstractName()] && f.Allowed("network"):
		return route{state: "listening on an abstract socket"}, nil
	case live[d.AbstractName()]:
		return route{}, fmt.Errorf("its socket is abstract: %w", errNetwork)
	case listens:
		return route{}, fmt.Errorf("you cannot connect to the socket %s: %w", socket, refused)
	case session.IsSocket(socket):
		return route{}, fmt.Errorf("no server listens on %s", socket)
	}
	return route{}, errors.New("no X server runs for this display")
}

// hostSocket returns the path of the display's socket on the host.
func hostSocket(c *session.Caller, d x11.Display) session.HostPath {
	if d.Path != "" {
		return d.Path // as the caller wrote it
	}
	return c.Host.Join(string(d.Socket()))
}

// share shares the display d. details tell how it was chosen.
func (r route) share(f *session.Facts, d x11.Display, k cookie, details ...string) session.Share {
	s := session.Share{
		Binds: r.binds,
		Env:   []session.Var{{Name: "DISPLAY", Value: d.String()}},
		Notes: append(k.notes, r.notes...),
	}
	admission := "no cookie: the server must admit your uid"
	switch id := &f.Identity; {
	case !f.PrivateRuntimeDir() || d.Host != "":
	case !id.RootMounts(): // root keeps the journal of such changes
		admission = fmt.Sprintf("no cookie: first run xhost +SI:localuser:#%d", id.UID)
	case len(k.entries) == 0:
		admission = "no cookie: the program's uid is on the server's host list while it runs"
		s.Admissions = []session.Admission{{Display: d.String(), Why: "x11: the server has no cookie"}}
	}
	if len(k.entries) > 0 {
		admission = k.source
		file := session.PrivateDir.Join("Xauthority")
		s.Files = []session.File{{
			Path: file,
			Mode: 0o600,
			Data: x11.FormatAuthority(k.entries),
			Why:  "the cookie of " + d.String() + ", for any hostname",

			SecretFile: k.file,
		}}
		s.Env = append(s.Env, session.Var{Name: "XAUTHORITY", Value: string(file)})
	}
	s.State = fmt.Sprintf("%v (%s)", d, strings.Join(append(append([]string{r.state}, details...), admission), "; "))
	return s
}

// hideX11 covers the sockets of all X servers. Abstract sockets cannot be covered.
func hideX11(f *session.Facts) session.Share {
	c := f.Caller
	var s session.Share
	entries, _ := os.ReadDir(string(c.Host.Join(x11.SocketDir)))
	for _, e := range entries {
		if n, ok := x11.ParseSocketName(e.Name()); ok && e.Type()&fs.ModeSocket != 0 {
			s.Cover = append(s.Cover, session.Path(x11.Display{Number: n}.Socket()))
		}
	}
	if d, err := x11.ParseDisplay(c.Env.Get("DISPLAY"), session.IsSocket); err == nil && d.Path != "" {
		s.Cover = append(s.Cover, session.Path(d.Path))
	}
	if f.Allowed("network") {
		for _, n := range listDisplays(c) {
			if name := (x11.Display{Number: n}).AbstractName(); c.Listeners()[name] {
				s.Notes = append(s.Notes, fmt.Sprintf("the abstract socket %s stays reachable unless you also deny network", name))
			}
		}
	}
	return s
}
