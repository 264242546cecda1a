// Package dbus is a small client of D-Bus, for the few calls that chrun makes
// itself: a library would be most of the launcher, and starts package net. It
// waits where it is called; there is no goroutine.
//
// Source: D-Bus Specification 0.42.
package dbus

import (
	"encoding/hex"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxMessage bounds what is read, in bytes. What is asked for is far smaller.
const maxMessage = 1 << 20

// Conn is a connection. Close it.
type Conn struct {
	fd     int
	in     bool // the server has let us in
	serial uint32
	data   []byte // read and not used
	out    []byte // not yet written
	queue  []Message
	end    time.Time
}

// Error is an answer that says why there is none.
type Error struct{ Name, Text string }

func (e *Error) Error() string {
	if e.Text == "" {
		return e.Name
	}
	return e.Text
}

// ErrRefused says that the server does not let the caller in.
var ErrRefused = errors.New("the session bus refuses us")

// Dial connects to a bus, or to another server that speaks the protocol (Bus is
// then not to be called), as uid. It does not wait for the server to let it in:
// whoever waits first hears of that. After limit every call fails.
func Dial(addr unix.Sockaddr, uid int, limit time.Duration) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	c := &Conn{fd: fd, end: time.Now().Add(limit)}
	wait := unix.NsecToTimeval(limit.Nanoseconds())
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait)
	if err = unix.Connect(fd, addr); err == nil {
		// The "Authentication Protocol", all of it at once: what the server says
		// to each line does not change the next one.
		id := hex.EncodeToString([]byte(strconv.Itoa(uid)))
		c.out = []byte("\x00AUTH EXTERNAL " + id + "\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return c, nil
}

// enter reads what the server says to that.
func (c *Conn) enter() error {
	for _, want := range []string{"OK ", "AGREE_UNIX_FD"} {
		line, err := c.line()
		if err != nil || !strings.HasPrefix(line, want) {
			return errors.Join(ErrRefused, err)
		}
	}
	c.in = true
	return nil
}

func (c *Conn) line() (string, error) {
	for {
		if line, rest, ok := strings.Cut(string(c.data), "\r\n"); ok {
			c.data = []byte(rest)
			return line, nil
		}
		if len(c.data) > 1024 {
			return "", errMessage
		}
		if err := c.read(); err != nil {
			return "", err
		}
	}
}

// Hold stays connected for a while, unless the other end hangs up.
func (c *Conn) Hold(d time.Duration) {
	c.end = time.Now().Add(d)
	for err := error(nil); err == nil; {
		c.data, c.queue = nil, nil
		err = c.read()
	}
}

// Close hangs up. A bus drops what it has not yet read then: wait for an answer
// first.
func (c *Conn) Close() error { return unix.Close(c.fd) }

// Bus makes the connection known to a message bus, as its first call. It goes out
// with the next one.
func (c *Conn) Bus() (serial uint32) {
	c.serial++
	hello := Call{Dest: "org.freedesktop.DBus", Path: "/org/freedesktop/DBus", Iface: "org.freedesktop.DBus", Member: "Hello"}
	c.out = append(c.out, hello.marshal(c.serial)...)
	return c.serial
}

// Send sends a call and does not wait. Descriptors may go once there was an
// answer.
func (c *Conn) Send(call *Call) (serial uint32, err error) {
	c.serial++
	data := append(c.out, call.marshal(c.serial)...)
	c.out = nil
	return c.serial, c.write(data, call.FDs)
}

// Reply waits for the answer to a call. An answer that is an error is an *Error.
func (c *Conn) Reply(serial uint32) (Message, error) {
	m, err := c.Wait(func(m *Message) bool { return (m.Type == Return || m.Type == Failed) && m.Reply == serial })
	if err == nil && m.Type == Failed {
		e := &Error{Name: m.ErrorName}
		if strings.HasPrefix(m.Sig, "s") {
			e.Text = m.String()
		}
		return m, e
	}
	return m, err
}

// Call sends a call and waits for the answer.
func (c *Conn) Call(call *Call) (Message, error) {
	serial, err := c.Send(call)
	if err != nil {
		return Message{}, err
	}
	return c.Reply(serial)
}

// Wait waits for the first message that is wanted; others are kept.
func (c *Conn) Wait(wanted func(*Message) bool) (Message, error) {
	for i := range c.queue {
		if m := c.queue[i]; wanted(&m) {
			c.queue = append(c.queue[:i], c.queue[i+1:]...)
			return m, nil
		}
	}
	for {
		m, err := c.next()
		if err != nil {
			return m, err
		}
		if wanted(&m) {
			return m, nil
		}
		if c.queue = append(c.queue, m); len(c.queue) > 1000 {
			return m, errMessage
		}
	}
}

func (c *Conn) next() (Message, error) {
	if !c.in {
		if err := c.enter(); err != nil {
			return Message{}, err
		}
	}
	for {
		if len(c.data) >= 16 {
			n, err := size(c.data)
			if err != nil {
				return Message{}, err
			}
			if len(c.data) >= n {
				m, err := parse(c.data[:n:n])
				c.data = c.data[n:]
				return m, err
			}
		}
		if err := c.read(); err != nil {
			return Message{}, err
		}
	}
}

// read reads what there is, or waits for it until time is up. Descriptors that
// come along are closed.
func (c *Conn) read() error {
	if out := c.out; len(out) > 0 {
		c.out = nil
		if err := c.write(out, nil); err != nil {
			return err
		}
	}
	left := time.Until(c.end)
	if left <= 0 {
		return unix.ETIMEDOUT
	}
	poll := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, int(left.Milliseconds())+1)
	switch {
	case err == unix.EINTR:
		return nil
	case err != nil:
		return os.NewSyscallError("poll", err)
	case n == 0:
		return unix.ETIMEDOUT
	}
	var b [4096]byte
	n, err = unix.Read(c.fd, b[:]) // read(2) drops descriptors
	switch {
	case err == unix.EINTR:
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0:
		return unix.ECONNRESET
	}
	c.data = append(c.data, b[:n]...)
	return nil
}

func (c *Conn) write(data []byte, fds []int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	for len(data) > 0 {
		n, err := unix.SendmsgN(c.fd, data, rights, nil, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("sendmsg", err)
		}
		data, rights = data[n:], nil
	}
	return nil
}
