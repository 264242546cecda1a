package desktop

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// Notify shows an error on the desktop of the caller (Desktop Notifications
// 1.2, org.freedesktop.Notifications.Notify), for launches from a menu where
// nobody sees stderr. It gives up after limit. The two messages are written
// here: a D-Bus library would be most of the launcher, and start package net,
// for the launches that fail.
func Notify(c *session.Caller, summary, body string, limit time.Duration) error {
	bus := place(c)
	if bus == nil {
		return errors.New("no session bus")
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	wait := unix.NsecToTimeval(limit.Nanoseconds())
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait)
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)
	if err := unix.Connect(fd, bus); err != nil {
		return err
	}
	// D-Bus Specification, "Authentication Protocol".
	uid := hex.EncodeToString([]byte(strconv.Itoa(c.UID)))
	if err := send(fd, []byte("\x00AUTH EXTERNAL "+uid+"\r\n")); err != nil {
		return err
	}
	answer := make([]byte, 512)
	n, err := unix.Read(fd, answer)
	if err != nil || !strings.HasPrefix(string(answer[:max(n, 0)]), "OK ") {
		return errors.Join(errors.New("the session bus refuses us"), err)
	}
	hello := call(1, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", "", nil)
	var b message
	b.text("chrun")
	b.number(0) // replaces none
	b.text("dialog-error")
	b.text(summary)
	b.text(body)
	b.number(0) // no actions
	b.number(0) // no hints; the entries would begin at a multiple of 8
	b.align(8)
	b.number(^uint32(0)) // the server decides how long it stays
	notify := call(2, "org.freedesktop.Notifications", "/org/freedesktop/Notifications", "org.freedesktop.Notifications", "Notify", "susssasa{sv}i", b)
	if err := send(fd, append(append([]byte("BEGIN\r\n"), hello...), notify...)); err != nil {
		return err
	}
	// The bus drops what it has not yet read when we hang up: wait until the
	// server has answered, or time is up.
	for end := time.Now().Add(limit); time.Now().Before(end); {
		n, err := unix.Read(fd, answer)
		if err != nil || n == 0 || replied(answer[:n], 2) {
			return err
		}
	}
	return unix.ETIMEDOUT
}

// place is where the session bus listens, found as a program inside would.
func place(c *session.Caller) unix.Sockaddr {
	share := detectSessionBus(&session.Facts{Caller: c, Allowed: func(string) bool { return true }})
	for _, v := range share.Env {
		for _, a := range parseAddresses(v.Value) {
			if p := a.get("path"); p != "" {
				return &unix.SockaddrUnix{Name: p}
			} else if p := a.get("abstract"); p != "" {
				return &unix.SockaddrUnix{Name: "@" + p}
			}
		}
	}
	return nil
}

func send(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := unix.SendmsgN(fd, data, nil, nil, unix.MSG_NOSIGNAL)
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// message is marshalled as the D-Bus Specification, "Marshaling (Wire
// Format)", says, little-endian.
type message []byte

func (m *message) align(n int) {
	for len(*m)%n != 0 {
		*m = append(*m, 0)
	}
}

func (m *message) number(v uint32) {
	m.align(4)
	*m = binary.LittleEndian.AppendUint32(*m, v)
}

func (m *message) text(s string) {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	m.number(uint32(len(s)))
	*m = append(append(*m, s...), 0)
}

func (m *message) signature(s string) {
	*m = append(append(append(*m, byte(len(s))), s...), 0)
}

// call is a METHOD_CALL with its header ("Message Format").
func call(serial uint32, dest, path, iface, member, signature string, body message) message {
	m := message{'l', 1, 0, 1}
	m.number(uint32(len(body)))
	m.number(serial)
	var fields message
	field := func(code byte, kind string, value string) {
		fields.align(8)
		fields = append(fields, code)
		fields.signature(kind)
		if kind == "g" {
			fields.signature(value)
		} else {
			fields.text(value)
		}
	}
	// Offsets in fields are those in the message, less 16: aligned alike.
	field(1, "o", path)
	field(6, "s", dest)
	field(2, "s", iface)
	field(3, "s", member)
	if signature != "" {
		field(8, "g", signature)
	}
	m.number(uint32(len(fields)))
	m = append(m, fields...)
	m.align(8)
	return append(m, body...)
}

// replied says whether data holds a header field REPLY_SERIAL of serial.
func replied(data []byte, serial byte) bool {
	return strings.Contains(string(data), string([]byte{5, 1, 'u', 0, serial, 0, 0, 0}))
}
