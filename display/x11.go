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
	w, err := reach(f, d)
	if err != nil {
		s := session.Share{State: fmt.Sprintf("none: DISPLAY=%q: %v", value, err)}
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, errNetwork) {
			s.Warn = []string{fmt.Sprintf("no X11: DISPLAY=%q: %v", value, err)}
		}
		return s
	}
	return w.share(f, d, newCookies(f.Caller).find(d))
}

var errNetwork = errors.New("it needs the network, which is denied")

// way is how a client inside reaches a display.
type way struct {
	how   string
	binds []session.Bind
	notes []string
}

// reach finds the way to d, or says why there is none. A client tries the
// abstract socket first, then the one in the file system; either will do, but
// the abstract one belongs to the network namespace (unix(7)).
func reach(f *session.Facts, d x11.Display) (way, error) {
	if d.Host != "" {
		if !f.Allowed("network") {
			return way{}, errNetwork
		}
		return way{how: "over TCP"}, nil
	}
	c := f.Caller
	live := c.Listeners()
	socket := hostSocket(c, d)
	there := session.IsSocket(socket) && live.Live(socket)
	var refused error
	if there {
		refused = unix.Access(string(socket), unix.W_OK)
	}
	switch {
	case there && refused == nil && d.Path != "":
		return way{
			how:   "listening",
			binds: session.SocketBinds(c, socket, "the X server's socket"),
			notes: []string{"DISPLAY is a path, which only programs with libxcb 1.16 or newer understand"},
		}, nil
	case there && refused == nil && f.Identity.Kind != "" && f.Identity.ShownUID == 0:
		// Root's tree has a /tmp of its own, in which a directory can be made to
		// mount on, and no file.
		dir := c.Host.Join(x11.SocketDir)
		return way{how: "listening", binds: []session.Bind{{Source: dir, Dest: x11.SocketDir, ReadOnly: true, Why: "the X server's socket"}}}, nil
	case there && refused == nil:
		return way{
			how:   "listening",
			binds: []session.Bind{{Source: socket, Dest: session.Path(d.Socket()), Why: "the X server's socket"}},
		}, nil
	case live[d.AbstractName()] && f.Allowed("network"):
		return way{how: "listening on an abstract socket"}, nil
	case live[d.AbstractName()]:
		return way{}, fmt.Errorf("its socket is abstract: %w", errNetwork)
	case there:
		return way{}, fmt.Errorf("the socket %s refuses us: %w", socket, refused)
	case session.IsSocket(socket):
		return way{}, fmt.Errorf("%s is there, but its server is gone", socket)
	}
	return way{}, errors.New("no such server is running")
}

// hostSocket is where the socket of d lies on the host.
func hostSocket(c *session.Caller, d x11.Display) session.HostPath {
	if d.Path != "" {
		return d.Path // as the caller wrote it
	}
	return c.Host.Join(string(d.Socket()))
}

// share offers d. details say how it was chosen.
func (w way) share(f *session.Facts, d x11.Display, k cookie, details ...string) session.Share {
	s := session.Share{
		Binds: w.binds,
		Env:   []session.Var{{Name: "DISPLAY", Value: d.String()}},
		Notes: append(k.notes, w.notes...),
	}
	admission := "no cookie: the server must admit us by uid"
	switch id := &f.Identity; {
	case !f.Caller.Private || d.Host != "":
	case !id.Mounted(): // root keeps the journal of such changes
		admission = fmt.Sprintf("no cookie: before, xhost +SI:localuser:#%d", id.UID)
	case len(k.entries) == 0:
		admission = "no cookie: the program's uid is put on the server's list meanwhile"
		s.Admit = []session.Admission{{Display: d.String(), Why: "x11: the server has no cookie"}}
	}
	if len(k.entries) > 0 {
		admission = k.from
		file := session.PrivateDir.Join("Xauthority")
		s.Files = []session.File{{
			Path: file,
			Mode: 0o600,
			Data: x11.FormatAuthority(k.entries),
			Why:  "the cookie of " + d.String() + ", whatever the host is called",
		}}
		s.Env = append(s.Env, session.Var{Name: "XAUTHORITY", Value: string(file)})
	}
	s.State = fmt.Sprintf("%v (%s)", d, strings.Join(append(append([]string{w.how}, details...), admission), "; "))
	return s
}

// hideX11 covers every X server's socket. An abstract one cannot be covered.
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
		for _, n := range listening(c) {
			if name := (x11.Display{Number: n}).AbstractName(); c.Listeners()[name] {
				s.Notes = append(s.Notes, fmt.Sprintf("the abstract socket %s stays reachable unless network is denied too", name))
			}
		}
	}
	return s
}
