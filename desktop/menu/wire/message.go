package wire

import (
	"encoding/binary"
	"errors"
	"strings"
)

// Body holds the arguments of a call as they are sent ("Marshaling (Wire
// Format)", little-endian). Each method appends a value; the caller keeps
// Call.Signature in step.
type Body []byte

// align pads to a multiple of n bytes.
func (b *Body) align(n int) {
	for len(*b)%n != 0 {
		*b = append(*b, 0)
	}
}

// Uint32 appends a "u".
func (b *Body) Uint32(v uint32) {
	b.align(4)
	*b = binary.LittleEndian.AppendUint32(*b, v)
}

// String appends an "s" or "o". It drops NUL bytes and replaces invalid UTF-8,
// which a bus answers by closing the connection.
func (b *Body) String(s string) {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	b.Uint32(uint32(len(s)))
	*b = append(append(*b, s...), 0)
}

// Signature appends a "g".
func (b *Body) Signature(s string) {
	*b = append(append(append(*b, byte(len(s))), s...), 0)
}

// Array appends an array whose elements are aligned to n bytes; fill appends them.
func (b *Body) Array(n int, fill func()) {
	b.Uint32(0)
	length := len(*b) - 4
	b.align(n)
	start := len(*b)
	fill()
	binary.LittleEndian.PutUint32((*b)[length:], uint32(len(*b)-start))
}

// Struct begins a struct.
func (b *Body) Struct() { b.align(8) }

// Call is a method call.
type Call struct {
	Dest, Path, Interface, Member string
	Signature                     string
	Body                          Body
}

// Codes of header fields ("Header Fields").
const (
	fieldPath      = 1
	fieldInterface = 2
	fieldMember    = 3
	fieldErrorName = 4
	fieldReplyTo   = 5
	fieldDest      = 6
	fieldSender    = 7
	fieldSignature = 8
)

// marshal returns the call with its header ("Message Format").
func (c *Call) marshal(serial uint32) []byte {
	m := Body{'l', 1, 0, 1}
	m.Uint32(uint32(len(c.Body)))
	m.Uint32(serial)
	m.Array(8, func() {
		for _, f := range []struct {
			code        byte
			kind, value string
		}{{fieldPath, "o", c.Path}, {fieldMember, "s", c.Member}, {fieldInterface, "s", c.Interface}, {fieldDest, "s", c.Dest}} {
			m.Struct()
			m = append(m, f.code)
			m.Signature(f.kind)
			m.String(f.value)
		}
		if c.Signature != "" {
			m.Struct()
			m = append(m, fieldSignature)
			m.Signature("g")
			m.Signature(c.Signature)
		}
	})
	m.align(8)
	return append(m, c.Body...)
}

// Types of messages.
const (
	Return = 2
	Failed = 3
	Signal = 4
)

// Message is a received message.
type Message struct {
	Type                            byte
	ReplyTo                         uint32 // the serial of the call that it answers
	Path, Interface, Member, Sender string
	Signature                       string
	ErrorName                       string
	Reader                          // its body
}

// Reader reads a body in the order of its signature. After the end, and after a
// value that does not fit, it returns zero values.
type Reader struct {
	data []byte
	next int
	bad  bool
}

// take returns the next n bytes after padding to a multiple of align, or nil.
func (r *Reader) take(align, n int) []byte {
	for r.next%align != 0 {
		r.next++
	}
	if r.bad || n < 0 || r.next > len(r.data) || len(r.data)-r.next < n {
		r.bad = true
		return nil
	}
	r.next += n
	return r.data[r.next-n : r.next]
}

// Uint32 reads a "u".
func (r *Reader) Uint32() uint32 {
	if b := r.take(4, 4); b != nil {
		return binary.LittleEndian.Uint32(b)
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

var errMessage = errors.New("the D-Bus server sent an invalid message")

// headerSize is the size of the fixed part of a header, in bytes.
const headerSize = 16

// messageSize returns the size of the message that starts with header.
func messageSize(header []byte) (int, error) {
	body, fields := uint64(binary.LittleEndian.Uint32(header[4:])), uint64(binary.LittleEndian.Uint32(header[12:]))
	n := headerSize + (fields+7)&^7 + body
	if header[0] != 'l' || header[3] != 1 || n > maxMessage {
		return 0, errMessage
	}
	return int(n), nil
}

// parse reads a whole message, of the size that messageSize returns.
func parse(data []byte) (Message, error) {
	m := Message{Type: data[1]}
	end := headerSize + int(binary.LittleEndian.Uint32(data[12:]))
	texts := map[byte]*string{fieldPath: &m.Path, fieldInterface: &m.Interface, fieldMember: &m.Member,
		fieldErrorName: &m.ErrorName, fieldSender: &m.Sender}
	r := Reader{data: data[:end], next: headerSize}
	for r.next < end && !r.bad {
		code := r.take(8, 1)
		switch kind := r.signature(); {
		case code == nil:
		case kind == "u":
			if v := r.Uint32(); code[0] == fieldReplyTo {
				m.ReplyTo = v
			}
		case kind == "g":
			if v := r.signature(); code[0] == fieldSignature {
				m.Signature = v
			}
		case kind == "s" || kind == "o":
			if v := r.String(); texts[code[0]] != nil {
				*texts[code[0]] = v
			}
		default:
			return Message{}, errMessage
		}
	}
	if r.bad {
		return Message{}, errMessage
	}
	m.Reader = Reader{data: data[(end+7)&^7:]}
	return m, nil
}
