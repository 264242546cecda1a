package bridge

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/desktop/dbus"
	"chrun/session"
)

// Client opens targets on the host.
type Client struct {
	UID     int
	Bus     unix.Sockaddr   // of the session bus; nil if there is none
	Socket  string          // of chrun's server; "" if there is none
	PathMap session.PathMap // where things are on the host
	Token   string          // XDG_ACTIVATION_TOKEN
	// Elsewhere opens the file at inside so that it is seen at host: see
	// Namesake. The caller closes release when the file has been opened.
	Elsewhere func(inside, host string) (fd int, release func(), err error)
}

// ErrNobody says that there is neither a portal nor a server of chrun's.
var ErrNobody = errors.New("the desktop has no portal that opens anything, and this launch has no server of chrun's")

// ErrCancelled says that the person did not want it.
var ErrCancelled = errors.New("it was cancelled")

// patience is how long the desktop may ask which program shall open it.
const patience = 10 * time.Minute

// Open opens a target. It returns when the host's program has been started.
func (c *Client) Open(t Target) error {
	host := ""
	if t.Path != "" {
		if host = string(c.PathMap.FindOnHost(session.Path(t.Path))); host == "" {
			return &RefusedError{t.Path, "it is in this launch alone: the host has no path to it"}
		}
	}
	err := c.portal(t, host)
	if errors.Is(err, ErrNobody) && c.Socket != "" {
		return c.server(t, host)
	}
	return err
}

const portalName = "org.freedesktop.portal.Desktop"

// portal asks org.freedesktop.portal.OpenURI. Its answer is a signal on the
// object that it names.
func (c *Client) portal(t Target, host string) error {
	if c.Bus == nil {
		return ErrNobody
	}
	bus, err := dbus.Dial(c.Bus, c.UID, patience)
	if err != nil {
		return ErrNobody
	}
	defer bus.Close()
	hello := bus.Bus()
	if _, err := bus.Reply(hello); err != nil {
		return ErrNobody
	}
	match := dbus.Call{Dest: "org.freedesktop.DBus", Path: "/org/freedesktop/DBus", Iface: "org.freedesktop.DBus", Member: "AddMatch", Sig: "s"}
	match.Body.String("type='signal',sender='" + portalName + "',interface='org.freedesktop.portal.Request',member='Response'")
	if _, err := bus.Send(&match); err != nil {
		return ErrNobody
	}
	call := dbus.Call{Dest: portalName, Path: "/org/freedesktop/portal/desktop", Iface: "org.freedesktop.portal.OpenURI", Member: "OpenURI", Sig: "ssa{sv}"}
	b := &call.Body
	b.String("") // no window
	if t.Path != "" {
		fd, release, err := c.file(t.Path, host)
		if err != nil {
			return err
		}
		defer release()
		call.Member, call.Sig, call.FDs = "OpenFile", "sha{sv}", []int{fd}
		b.Uint32(0)
	} else {
		b.String(t.URI)
	}
	b.Array(8, func() {
		if c.Token != "" {
			b.Struct()
			b.String("activation_token")
			b.StringVariant(c.Token)
		}
	})
	answer, err := bus.Call(&call)
	var refusal *dbus.Error
	switch {
	case errors.As(err, &refusal) && slices.Contains(absent, refusal.Name):
		return fmt.Errorf("%w (%s)", ErrNobody, refusal)
	case err != nil:
		return fmt.Errorf("the portal says: %w", err)
	}
	handle := answer.String()
	status := uint32(2)
	_, err = bus.Wait(func(m *dbus.Message) bool {
		if m.Type != dbus.Signal || m.Member != "Response" || m.Path != handle {
			return false
		}
		status = m.Uint32()
		return true
	})
	switch {
	case err != nil:
		return err
	case status == 1:
		return ErrCancelled
	case status != 0:
		return errors.New("the portal could not open it: no program of the host may be for it")
	}
	return nil
}

// absent are the errors of a bus without the portal, or of one without OpenURI.
var absent = []string{"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
	"org.freedesktop.DBus.Error.UnknownMethod", "org.freedesktop.DBus.Error.UnknownInterface", "org.freedesktop.DBus.Error.UnknownObject",
	"org.freedesktop.DBus.Error.Spawn.ServiceNotFound", "org.freedesktop.DBus.Error.Spawn.ChildExited", "org.freedesktop.DBus.Error.Spawn.ExecFailed"}

// file opens a file for the portal, which asks the kernel for the descriptor's
// path and looks whether the host has the same file there.
func (c *Client) file(inside, host string) (fd int, release func(), err error) {
	if inside != host {
		return c.Elsewhere(inside, host)
	}
	if fd, err = unix.Open(inside, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
		return -1, nil, &os.PathError{Op: "open", Path: inside, Err: err}
	}
	return fd, func() { unix.Close(fd) }, nil
}

// server asks chrun's own server: "uri" or "file", what, and the token, each with
// a NUL behind it; a file's descriptor goes along. The answer is a status byte
// and a text.
func (c *Client) server(t Target, host string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if unix.Connect(fd, &unix.SockaddrUnix{Name: c.Socket}) != nil {
		return ErrNobody
	}
	kind, what, rights := "uri", t.URI, []byte(nil)
	if t.Path != "" {
		kind, what = "file", host
		file, err := unix.Open(t.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: t.Path, Err: err}
		}
		defer unix.Close(file)
		rights = unix.UnixRights(file)
	}
	data := []byte(strings.Join([]string{kind, what, c.Token, ""}, "\x00"))
	if _, err := unix.SendmsgN(fd, data, rights, nil, unix.MSG_NOSIGNAL); err != nil {
		return os.NewSyscallError("sendmsg", err)
	}
	unix.Shutdown(fd, unix.SHUT_WR)
	var answer []byte
	for b := make([]byte, 4096); len(answer) < maxURI; {
		n, err := unix.Read(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			break
		}
		answer = append(answer, b[:n]...)
	}
	switch {
	case len(answer) == 0:
		return errors.New("chrun's server has hung up")
	case answer[0] != 0:
		return errors.New(strings.TrimSpace(string(answer[1:])))
	}
	return nil
}
