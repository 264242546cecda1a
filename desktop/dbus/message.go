package dbus

import (
	"encoding/binary"
	"errors"
	"strings"
)

// Body is what a call carries, marshalled ("Marshaling (Wire Format)"),
// little-endian. Its methods append a value; that of a signature is the caller's
// to keep.
type Body []byte

// Align pads to a multiple of n.
func (b *Body) Align(n int) {
	for len(*b)%n != 0 {
		*b = append(*b, 0)
	}
}

// Uint32 appends a "u", "i", "h" or "b".
func (b *Body) Uint32(v uint32) {
	b.Align(4)
	*b = binary.LittleEndian.AppendUint32(*b, v)
}

// String appends an "s" or "o". What no bus lets pass is replaced.
func (b *Body) String(s string) {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	b.Uint32(uint32(len(s)))
	*b = append(append(*b, s...), 0)
}

// Signature appends a "g".
func (b *Body) Signature(s string) {
	*b = append(append(append(*b, byte(len(s))), s...), 0)
}

// Array appends an array whose elements are aligned to n; fill appends them.
func (b *Body) Array(n int, fill func()) {
	b.Uint32(0)
	at := len(*b) - 4
	b.Align(n)
	start := len(*b)
	fill()
	binary.LittleEndian.PutUint32((*b)[at:], uint32(len(*b)-start))
}

// Struct begins a struct or dict entry.
func (b *Body) Struct() { b.Align(8) }

// StringVariant appends a variant with an "s".
func (b *Body) StringVariant(s string) {
	b.Signature("s")
	b.String(s)
}

// Call is a method call.
type Call struct {
	Dest, Path, Iface, Member string
	Sig                       string
	Body                      Body
	FDs                       []int // sent along; they stay the caller's
}

// marshal is the call with its header ("Message Format").
func (c *Call) marshal(serial uint32) []byte {
	m := Body{'l', 1, 0, 1}
	m.Uint32(uint32(len(c.Body)))
	m.Uint32(serial)
	m.Array(8, func() {
		field := func(code byte, kind, value string) {
			m.Struct()
			m = append(m, code)
			m.Signature(kind)
			if kind == "g" {
				m.Signature(value)
			} else {
				m.String(value)
			}
		}
		field(1, "o", c.Path)
		field(3, "s", c.Member)
		field(2, "s", c.Iface)
		if c.Dest != "" { // a peer without a bus knows none
			field(6, "s", c.Dest)
		}
		if c.Sig != "" {
			field(8, "g", c.Sig)
		}
		if n := len(c.FDs); n > 0 {
			m.Struct()
			m = append(m, 9)
			m.Signature("u")
			m.Uint32(uint32(n))
		}
	})
	m.Align(8)
	return append(m, c.Body...)
}

// Types of messages.
const (
	Return = 2
	Failed = 3
	Signal = 4
)

// Message is one that was received.
type Message struct {
	Type                        byte
	Reply                       uint32 // the serial of the call that it answers
	Path, Iface, Member, Sender string
	Sig                         string
	ErrorName                   string
	Reader                      // its body
}

// Reader reads a body in the order of its signature. After the end, or where the
// body is not as expected, it gives zeroes.
type Reader struct {
	data  []byte
	at    int
	order binary.ByteOrder
	bad   bool
}

func (r *Reader) take(align, n int) []byte {
	for r.at%align != 0 {
		r.at++
	}
	if r.bad || n < 0 || r.at > len(r.data) || len(r.data)-r.at < n {
		r.bad = true
		return nil
	}
	r.at += n
	return r.data[r.at-n : r.at]
}

// Uint32 reads a "u", "i", "h" or "b".
func (r *Reader) Uint32() uint32 {
	if b := r.take(4, 4); b != nil {
		return r.order.Uint32(b)
	}
	return 0
}

// String reads an "s" or "o".
func (r *Reader) String() string {
	s := r.take(1, int(min(r.Uint32(), maxMessage)))
	r.take(1, 1)
	return string(s)
}

func (r *Reader) signature() string {
	n := r.take(1, 1)
	if n == nil {
		return ""
	}
	s := r.take(1, int(n[0]))
	r.take(1, 1)
	return string(s)
}

var errMessage = errors.New("the bus sent what is no message")

// size is how long a message is whose first 16 bytes are head.
func size(head []byte) (int, error) {
	order, err := byteOrder(head[0])
	if err != nil {
		return 0, err
	}
	body, fields := uint64(order.Uint32(head[4:])), uint64(order.Uint32(head[12:]))
	n := 16 + (fields+7)&^7 + body
	if n > maxMessage || head[3] != 1 {
		return 0, errMessage
	}
	return int(n), nil
}

func byteOrder(b byte) (binary.ByteOrder, error) {
	switch b {
	case 'l':
		return binary.LittleEndian, nil
	case 'B':
		return binary.BigEndian, nil
	}
	return nil, errMessage
}

// parse reads a whole message.
func parse(data []byte) (Message, error) {
	order, err := byteOrder(data[0])
	if err != nil {
		return Message{}, err
	}
	m := Message{Type: data[1]}
	end := 16 + int(order.Uint32(data[12:]))
	r := Reader{data: data[:end], at: 16, order: order}
	for r.at < end && !r.bad {
		code := r.take(8, 1)
		switch kind := r.signature(); {
		case code == nil:
		case kind == "u":
			v := r.Uint32()
			if code[0] == 5 {
				m.Reply = v
			}
		case kind == "g":
			v := r.signature()
			if code[0] == 8 {
				m.Sig = v
			}
		case kind == "s" || kind == "o":
			v := r.String()
			if to := map[byte]*string{1: &m.Path, 2: &m.Iface, 3: &m.Member, 4: &m.ErrorName, 7: &m.Sender}[code[0]]; to != nil {
				*to = v
			}
		default:
			return Message{}, errMessage
		}
	}
	if r.bad {
		return Message{}, errMessage
	}
	m.Reader = Reader{data: data[(end+7)&^7:], order: order}
	return m, nil
}
