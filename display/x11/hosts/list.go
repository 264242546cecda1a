package hosts

import (
	"errors"
	"fmt"
	"strconv"
)

// Requests (X11 protocol, appendix B).
const (
	changeHosts = 109
	listHosts   = 110
)

// serverInterpreted is the family of addresses that are a type, a NUL and a
// value (xserver, os/access.c).
const serverInterpreted = 5

// Host is an entry of the list.
type Host struct {
	Family  byte
	Address string // raw bytes
}

// LocalUser is whoever connects from this machine under uid.
func LocalUser(uid int) Host {
	return Host{serverInterpreted, "localuser\x00#" + strconv.Itoa(uid)}
}

// List returns the entries, and whether the server asks for them at all: after
// `xhost +` it does not.
func (c *Conn) List() (hosts []Host, enabled bool, err error) {
	p, err := c.call([]byte{listHosts, 0, 0, 0})
	if err != nil {
		return nil, false, fmt.Errorf("cannot list the hosts of the X server: %w", err)
	}
	hosts, err = parseHosts(p[32:], int(order.Uint16(p[8:])))
	return hosts, p[1] != 0, err
}

func parseHosts(data []byte, n int) (hosts []Host, err error) {
	for range n {
		if len(data) < 4 {
			return nil, errTruncated
		}
		h, size := Host{Family: data[0]}, int(order.Uint16(data[2:]))
		if data = data[4:]; len(data) < size+-size&3 {
			return nil, errTruncated
		}
		h.Address, data = string(data[:size]), data[size+-size&3:]
		hosts = append(hosts, h)
	}
	return hosts, nil
}

var errTruncated = errors.New("cannot list the hosts of the X server: its answer is truncated")

// Add lets h in. One that is there already stays, and is there once.
func (c *Conn) Add(h Host) error { return c.change(0, h) }

// Remove takes h from the list. Clients that are connected stay.
func (c *Conn) Remove(h Host) error { return c.change(1, h) }

func (c *Conn) change(mode byte, h Host) error {
	if len(h.Address) > 0xffff {
		return errors.New("cannot change the hosts of the X server: the address is too long")
	}
	req := []byte{changeHosts, mode, 0, 0, h.Family, 0}
	req = order.AppendUint16(req, uint16(len(h.Address)))
	req = append(req, h.Address...)
	// It has no reply: the next request's shows that it is done.
	if _, err := c.call(req, []byte{listHosts, 0, 0, 0}); err != nil {
		return fmt.Errorf("cannot change the hosts of the X server: %w", err)
	}
	return nil
}

// Error is an error that the server answers with.
type Error struct {
	Code    byte
	Request byte // its major opcode
}

var codes = [...]string{"Success", "BadRequest", "BadValue", "BadWindow", "BadPixmap", "BadAtom", "BadCursor", "BadFont", "BadMatch",
	"BadDrawable", "BadAccess", "BadAlloc", "BadColor", "BadGC", "BadIDChoice", "BadName", "BadLength", "BadImplementation"}

// BadAccess is the code of what a client may not do.
const BadAccess = 10

func (e *Error) Error() string {
	switch {
	case e.Code == BadAccess:
		return "BadAccess: only a local, trusted client may"
	case int(e.Code) < len(codes):
		return codes[e.Code]
	}
	return fmt.Sprintf("error %d", e.Code)
}
