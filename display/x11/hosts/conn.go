// Package hosts is the list of an X server that says who may connect without a
// cookie (X11 protocol, sections 8 and 9: ChangeHosts, ListHosts; xserver,
// os/access.c). It speaks the three requests itself: github.com/jezek/xgb would
// bring package net, whose set-up costs every start of chrun 3 % and more, and
// has no deadlines.
package hosts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
)

// timeout is how long a server may take for anything.
const timeout = 2 * time.Second

// maxReply is the longest answer, in bytes.
const maxReply = 4 << 20

// order is that of the numbers; it is ours to choose.
var order = binary.LittleEndian

// Conn is a connection to an X server. While it is open, a server that was
// started without -noreset keeps its list; when its last client leaves, it
// forgets it. Close it.
type Conn struct {
	file *os.File
	fd   int
	seq  uint16
}

// RefusedError is the server's own reason for not letting us in.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "the X server refuses us: " + e.Reason }

// Dial connects to d with a MIT-MAGIC-COOKIE-1, or with none where cookie is
// nil: to the abstract socket or, where nobody listens there, to the path's, as
// libxcb does. Displays by TCP are none whose list we may change.
func Dial(d x11.Display, cookie []byte) (*Conn, error) {
	c, err := dial(d)
	if err == nil {
		if err = c.setup(cookie); err != nil {
			c.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot connect to display %s: %w", d, plain(err))
	}
	return c, nil
}

func dial(d x11.Display) (*Conn, error) {
	if d.Socket() == "" {
		return nil, errors.New("it is not on this machine")
	}
	fd, err := -1, unix.ENOENT
	for _, name := range []string{d.Abstract(), string(d.Socket())} {
		if name != "" && (err == unix.ENOENT || err == unix.ECONNREFUSED) {
			fd, err = connect(name)
		}
	}
	if err != 0 {
		return nil, err
	}
	return &Conn{file: os.NewFile(uintptr(fd), "display "+d.String()), fd: fd}, nil
}

// connect returns a descriptor that package os can wait for.
func connect(name string) (int, unix.Errno) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, errno(err)
	}
	// A server that accepts nobody lets connect(2) wait.
	limit := unix.NsecToTimeval(timeout.Nanoseconds())
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: name})
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		unix.Close(fd)
		return -1, errno(err)
	}
	return fd, 0
}

func errno(err error) unix.Errno {
	if e, ok := errors.AsType[unix.Errno](err); ok {
		return e
	}
	return unix.EINVAL // x/sys refuses a name that is too long
}

// plain is err in words for people: a file's name of ours says nothing.
func plain(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, unix.EAGAIN):
		return errors.New("the X server does not answer")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
		return errors.New("the X server hung up")
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ECONNREFUSED):
		return errors.New("no X server listens there")
	}
	return err
}

// Close closes the connection.
func (c *Conn) Close() error { return c.file.Close() }

// FD is the connection's descriptor, for a process that shall keep it open. It
// stays ours.
func (c *Conn) FD() int { return c.fd }

// setup is the client's prefix and the server's answer.
func (c *Conn) setup(cookie []byte) error {
	name := ""
	if cookie != nil {
		name = x11.CookieName
	}
	if len(cookie) > 0xffff {
		return errors.New("the cookie is too large")
	}
	req := []byte{'l', 0, 11, 0, 0, 0}
	req = order.AppendUint16(req, uint16(len(name)))
	req = order.AppendUint16(req, uint16(len(cookie)))
	req = append(req, 0, 0)
	req = pad(append(req, name...))
	req = pad(append(req, cookie...))
	if err := c.write(req); err != nil {
		return err
	}
	head, err := c.read(8)
	if err != nil {
		return err
	}
	rest, err := c.read(4 * int(order.Uint16(head[6:])))
	switch {
	case err != nil:
		return err
	case head[0] == 1:
		return nil
	case head[0] == 0:
		rest = rest[:min(len(rest), int(head[1]))]
	case head[0] == 2: // a protocol that goes on talking: Kerberos of old
	default:
		return errors.New("it is no X server")
	}
	return &RefusedError{printable(rest)}
}

func (c *Conn) write(data []byte) error {
	if err := c.file.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err := c.file.Write(data)
	return err
}

// read reads n bytes; the time for them began with the last write.
func (c *Conn) read(n int) ([]byte, error) {
	data := make([]byte, n)
	_, err := io.ReadFull(c.file, data)
	return data, err
}

// pad fills up to four bytes.
func pad(data []byte) []byte { return append(data, make([]byte, -len(data)&3)...) }

// printable is what a server says, safe for a terminal.
func printable(data []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, string(data)))
}

// call sends requests, each with a body, and returns the reply to the last,
// which has one; the first error to any is its error.
func (c *Conn) call(requests ...[]byte) ([]byte, error) {
	var all []byte
	for _, r := range requests {
		r = pad(r)
		order.PutUint16(r[2:], uint16(len(r)/4))
		all = append(all, r...)
	}
	if err := c.write(all); err != nil {
		return nil, plain(err)
	}
	first := c.seq + 1
	c.seq += uint16(len(requests))
	var failed error
	for {
		p, err := c.read(32)
		if err != nil {
			return nil, plain(err)
		}
		kind, seq := p[0], order.Uint16(p[2:])
		if kind == 1 || kind&0x7f == 35 { // a reply and GenericEvent say how much follows
			n := order.Uint32(p[4:])
			if n > maxReply/4 {
				return nil, errors.New("the X server's answer is too large")
			}
			rest, err := c.read(4 * int(n))
			if err != nil {
				return nil, plain(err)
			}
			p = append(p, rest...)
		}
		switch {
		case kind == 0 && seq-first < uint16(len(requests)):
			if failed == nil {
				failed = &Error{Code: p[1], Request: p[10]}
			}
			if seq == c.seq {
				return nil, failed
			}
		case kind == 1 && seq == c.seq:
			return p, failed
		}
	}
}
