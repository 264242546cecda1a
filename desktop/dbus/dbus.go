// Package dbus connects to a session bus with godbus. It adds what that library
// lacks: a time limit, a limit on what a bus may send, waiting while the bus's
// queue is full, and a filter for messages that would make godbus panic in its own
// goroutine, where nobody could recover.
//
// A launch from the menu uses desktop/menu/wire instead.
package dbus

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// The types of godbus that callers need.
type (
	Conn       = dbus.Conn
	Error      = dbus.Error
	ObjectPath = dbus.ObjectPath
	Signal     = dbus.Signal
	UnixFD     = dbus.UnixFD
	Variant    = dbus.Variant
)

// NoAutoStart is the flag of a call that must not start the service it is for.
const NoAutoStart = dbus.FlagNoAutoStart

// MakeVariant wraps a value for an argument of the type "v".
func MakeVariant(v any) Variant { return dbus.MakeVariant(v) }

// maxReceived is how many bytes a connection receives at most. Then it ends.
const maxReceived = 4 << 20

// Connect connects to the session bus at socket, a path or "@" and an abstract
// name. ctx limits the time for that and its deadline also holds for writing, but
// not for replies: pass ctx to calls, too. The connection cannot send descriptors.
func Connect(ctx context.Context, socket string) (*Conn, error) {
	return connect(ctx, func() (*Conn, error) {
		s, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
		if err != nil {
			return nil, err
		}
		if deadline, ok := ctx.Deadline(); ok {
			s.SetWriteDeadline(deadline)
		}
		return dbus.NewConn(&limitedSocket{s, bufio.NewReader(io.LimitReader(s, maxReceived))}, dbus.WithIncomingInterceptor(filter))
	})
}

// ConnectForFiles is like Connect, for calls that send descriptors. Only godbus
// limits what the bus may send there.
func ConnectForFiles(ctx context.Context, socket string) (*Conn, error) {
	address := "unix:path=" + dbus.EscapeBusAddressValue(socket)
	if name, ok := strings.CutPrefix(socket, "@"); ok {
		address = "unix:abstract=" + dbus.EscapeBusAddressValue(name)
	}
	return connect(ctx, func() (*Conn, error) { return dbus.Dial(address, dbus.WithIncomingInterceptor(filter)) })
}

// connect dials, authenticates and says Hello.
func connect(ctx context.Context, dial func() (*Conn, error)) (*Conn, error) {
	c, err := dial()
	// The network package does not wait for room in a server's queue.
	for ; errors.Is(err, unix.EAGAIN) && ctx.Err() == nil; c, err = dial() {
		time.Sleep(5 * time.Millisecond)
	}
	if err != nil {
		return nil, err
	}
	// The context of a godbus connection would end the connection, not only the
	// attempt to make it.
	stop := context.AfterFunc(ctx, func() { c.Close() })
	// godbus does not send the uid: the bus takes it from the socket, so that it
	// is right in a user namespace, too.
	err = c.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))})
	if err == nil {
		err = c.Hello()
	}
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// limitedSocket ends after maxReceived bytes. Its buffer saves system calls.
type limitedSocket struct {
	*net.UnixConn
	in *bufio.Reader
}

func (s *limitedSocket) Read(b []byte) (int, error) { return s.in.Read(b) }

// filter drops signals about our own names, on which godbus panics if they have
// no name (v5.2.4, Conn.handleSignal), and calls, because nothing here is called.
func filter(m *dbus.Message) {
	name, _ := m.Headers[dbus.FieldInterface].Value().(string)
	if m.Type == dbus.TypeMethodCall || m.Type == dbus.TypeSignal && name == "org.freedesktop.DBus" {
		m.Type = 0 // godbus ignores it
	}
}

// ValidString drops NUL bytes and replaces invalid UTF-8, for which a bus would
// close the connection.
func ValidString(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}
