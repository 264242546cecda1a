package display

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
	"chrun/session"
	"chrun/session/rootfs"
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
	switch {
	case !ok && isEnvironmentLost(f.Caller):
		return searchX11(f)
	case !ok:
		return session.Share{State: "none: DISPLAY is unset, but another variable of the display is not"}
	case value == "":
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
	return r.share(f, d, newCookieFinder(f).find(d))
}

var errNetwork = errors.New("it requires the network, which is denied")

// route is how a client inside connects to a display.
type route struct {
	state  string
	inside x11.Display // the name of the display inside
	binds  []session.Bind
	notes  []string
}

// findRoute determines how a client inside connects to d. Clients try the abstract
// socket first, then the one in the file system, and then TCP. Each suffices, but
// abstract sockets and TCP belong to the network namespace (unix(7)).
func findRoute(f *session.Facts, d x11.Display) (route, error) {
	network := f.Allowed("network")
	switch {
	case d.Host == "":
	case !network:
		return route{}, errNetwork
	default:
		return route{state: "over TCP", inside: d}, nil
	}
	c := f.Caller
	named := hostSocket(c, d)
	socket, listens := c.FindSocket(named)
	var refused error
	if listens {
		refused = unix.Access(string(socket.Real), unix.W_OK)
	}
	abstract := c.Listeners().Names[d.AbstractName()]
	switch {
	case listens && refused == nil:
		return socketRoute(f, d, socket), nil
	case abstract && network:
		return route{state: "listening on an abstract socket", inside: d}, nil
	case abstract:
		return route{}, fmt.Errorf("its socket is abstract: %w", errNetwork)
	case listens:
		return route{}, fmt.Errorf("you cannot connect to the socket %s: %w", named, refused)
	case d.Path == "" && network && listensOnTCP(c.Host.Join("proc"), 6000+d.Number):
		return route{state: "listening on TCP", inside: d}, nil
	case session.IsSocket(named):
		return route{}, fmt.Errorf("no server listens on %s", named)
	}
	return route{}, errors.New("no X server runs for this display")
}

// socketRoute is the route through the socket of d in the file system.
func socketRoute(f *session.Facts, d x11.Display, socket session.Socket) route {
	const why = "the X server's socket"
	c := f.Caller
	r := route{state: "listening", inside: d}
	switch {
	case d.Path != "" && (!f.Allowed("tmp") || isDir(c.Host.Join(x11.SocketDir))):
		// Only programs with libxcb 1.16 or newer understand a path.
		r.inside = x11.Display{Number: freeNumber(c), Screen: d.Screen}
		r.binds = []session.Bind{{Source: socket.Real, Dest: session.Path(r.inside.Socket()), HidesOthers: true, Why: why}}
		r.state += "; inside " + r.inside.String()
	case d.Path != "":
		r.inside.Path = socket.Path
		r.binds = socket.Binds(f, why)
		r.notes = []string{"DISPLAY is a path, which only programs with libxcb 1.16 or newer understand"}
	case f.Identity.Kind != "" && f.Identity.InsideUID == 0:
		// Root has its own /tmp inside, where the mount point can be a directory but
		// not a file.
		dir := session.HostPath(path.Dir(string(socket.Real)))
		r.binds = []session.Bind{{Source: dir, Dest: x11.SocketDir, ReadOnly: true, Why: why}}
	case socket.Real != hostSocket(c, d) && f.Allowed("tmp"):
		r.binds = socket.Binds(f, why) // the symlink in /tmp leads there, inside too
	default:
		r.binds = []session.Bind{{Source: socket.Real, Dest: session.Path(d.Socket()), Why: why}}
	}
	return r
}

// freeNumber returns the number of a display that does not exist on the host: a
// client would connect to its abstract socket.
func freeNumber(c *session.Caller) int {
	numbers := listDisplays(c)
	for n := 0; ; n++ {
		if !slices.Contains(numbers, n) {
			return n
		}
	}
}

func isDir(p session.HostPath) bool {
	st, err := os.Stat(string(p))
	return err == nil && st.IsDir()
}

// listensOnTCP reports whether a server listens on a port of localhost, from the
// tables /proc/net/tcp and tcp6: libxcb tries it for :N if no Unix socket listens.
func listensOnTCP(proc session.HostPath, port int) bool {
	const listening = "0A" // TCP_LISTEN
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		data, err := rootfs.ReadHost(proc.Join(table), 16<<20, 0)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			// sl local_address rem_address st …
			fields := strings.Fields(line)
			if len(fields) < 4 || fields[3] != listening {
				continue
			}
			address, number, _ := strings.Cut(fields[1], ":")
			if slices.Contains(localAddresses, address) && number == fmt.Sprintf("%04X", port) {
				return true
			}
		}
	}
	return false
}

// localAddresses are the addresses at which localhost is reached, as in
// /proc/net/tcp on a little-endian and a big-endian machine.
var localAddresses = []string{"00000000", "0100007F", "7F000001",
	"00000000000000000000000000000000", "00000000000000000000000001000000", "00000000000000000000000000000001"}

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
		Env:   []session.Var{{Name: "DISPLAY", Value: r.inside.String()}},
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
	var renamed []string
	if r.inside.Number != d.Number {
		renamed = []string{fmt.Sprint(":", d.Number), fmt.Sprint(":", r.inside.Number)}
		k.entries = x11.ChangeNumber(k.entries, r.inside.Number)
	}
	if len(k.entries) > 0 {
		admission = "cookie from " + string(k.file)
		file := session.PrivateDir.Join("Xauthority")
		s.Files = []session.File{{
			Path: file,
			Mode: 0o600,
			Data: x11.FormatAuthority(k.entries),
			Why:  "the cookie of " + d.String() + ", for any hostname",

			SecretFile: k.file, SecretDisplays: renamed,
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
	entries, _ := rootfs.ListHost(c.Host.Join(x11.SocketDir))
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
			if name := (x11.Display{Number: n}).AbstractName(); c.Listeners().Names[name] {
				s.Notes = append(s.Notes, fmt.Sprintf("the abstract socket %s stays reachable unless you also deny network", name))
			}
		}
	}
	return s
}
