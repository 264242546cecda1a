package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"chrun/desktop/dbus"
)

const (
	portalName   = "org.freedesktop.portal.Desktop"
	portalPath   = "/org/freedesktop/portal/desktop"
	openURI      = "org.freedesktop.portal.OpenURI"
	requestIface = "org.freedesktop.portal.Request"
)

// openByPortal opens a target with org.freedesktop.portal.OpenURI, whose answer
// is a signal of the object that the call returns.
func (c *Client) openByPortal(t Target, host string) error {
	if c.Bus == "" {
		return ErrNoOpener
	}
	bus, err := connectToPortal(c.Bus)
	if errors.Is(err, ErrBusStalls) {
		return fmt.Errorf("cannot open %q: %w", cmp.Or(t.Path, t.URI), err)
	} else if err != nil {
		return err
	}
	defer bus.Close()
	responses := make(chan *dbus.Signal, 10)
	bus.Signal(responses)
	method, what, name := openURI+".OpenURI", any(t.URI), t.URI
	if t.Path != "" {
		fd, release, err := c.openFile(t.Path, host)
		if err != nil {
			return err
		}
		defer release() // the portal may ask for the path until it responds
		method, what, name = openURI+".OpenFile", dbus.UnixFD(fd), t.Path
	}
	request, err := c.callPortal(bus, method, what)
	if err == nil {
		if t.Part != "" && c.Note != nil {
			c.Note(fmt.Sprintf("%q is opened without %q: the host's portal accepts only the file", t.Path, shorten(t.Part)))
		}
		err = waitForResponse(responses, request, cmp.Or(c.Patience, patience))
	}
	if err != nil && !errors.Is(err, ErrNoOpener) {
		return fmt.Errorf("cannot open %q: %w", name, err)
	}
	return err
}

// connectToPortal connects to the bus and subscribes to the portal's responses.
func connectToPortal(socket string) (*dbus.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), connectTime)
	defer cancel()
	bus, err := dbus.ConnectForFiles(ctx, socket)
	if err == nil {
		rule := "type='signal',sender='" + portalName + "',interface='" + requestIface + "',member='Response'"
		if err = bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.AddMatch", 0, rule).Err; err != nil {
			bus.Close()
		}
	}
	switch {
	case err == nil:
		return bus, nil
	case ctx.Err() != nil:
		return nil, ErrBusStalls
	}
	return nil, ErrNoOpener
}

// callPortal returns the object that will send the response.
func (c *Client) callPortal(bus *dbus.Conn, method string, what any) (request dbus.ObjectPath, err error) {
	options := map[string]dbus.Variant{}
	if token := checkToken(c.Token); token != "" {
		options["activation_token"] = dbus.MakeVariant(token)
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	const noWindow = ""
	err = bus.Object(portalName, portalPath).CallWithContext(ctx, method, 0, noWindow, what, options).Store(&request)
	var refusal dbus.Error
	switch {
	case errors.As(err, &refusal) && slices.Contains(noPortalErrors, refusal.Name):
		return "", fmt.Errorf("%w (%s)", ErrNoOpener, refusal)
	case errors.As(err, &refusal):
		return "", fmt.Errorf("the portal refuses it: %w", refusal)
	case ctx.Err() != nil:
		return "", fmt.Errorf("the portal has not answered for %.0f seconds", callTime.Seconds())
	case err != nil:
		return "", errBusClosed
	}
	return request, nil
}

// noPortalErrors are the errors of a bus without a portal, or of a portal without
// OpenURI.
var noPortalErrors = []string{"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
	"org.freedesktop.DBus.Error.UnknownMethod", "org.freedesktop.DBus.Error.UnknownInterface", "org.freedesktop.DBus.Error.UnknownObject",
	"org.freedesktop.DBus.Error.Spawn.ServiceNotFound", "org.freedesktop.DBus.Error.Spawn.ChildExited", "org.freedesktop.DBus.Error.Spawn.ExecFailed"}

var errBusClosed = errors.New("the session bus closed the connection")

// waitForResponse waits for what the user or the portal decides.
func waitForResponse(responses <-chan *dbus.Signal, request dbus.ObjectPath, limit time.Duration) error {
	end := time.After(limit)
	for {
		var s *dbus.Signal
		select {
		case s = <-responses:
		case <-end:
			return fmt.Errorf("nobody has answered the question on the desktop for %.0f minutes", limit.Minutes())
		}
		switch {
		case s == nil:
			return errBusClosed
		case s.Path != request || s.Name != requestIface+".Response":
			continue
		}
		const done, cancelled = 0, 1
		switch code := responseCode(s); code {
		case done:
			return nil
		case cancelled:
			return ErrCancelled
		}
		return errors.New("the portal could not open it; maybe the host has no program for it")
	}
}

// responseCode is the first argument of a response; another is not valid.
func responseCode(s *dbus.Signal) uint32 {
	if len(s.Body) > 0 {
		if code, ok := s.Body[0].(uint32); ok {
			return code
		}
	}
	return ^uint32(0)
}

// openFile opens a file for the portal, which asks the kernel for the path of the
// descriptor and checks that the host has the same file there.
func (c *Client) openFile(inside, host string) (fd int, release func(), err error) {
	if inside != host {
		return c.OpenAt(inside, host)
	}
	if fd, err = unix.Open(inside, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
		return -1, nil, &os.PathError{Op: "open", Path: inside, Err: err}
	}
	return fd, func() { unix.Close(fd) }, nil
}
