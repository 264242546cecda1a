package relay

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
)

// maxLine is the maximum length of a line, in bytes: libdbus allows 16 KiB for
// the whole authentication.
const maxLine = 16 << 10

var errLine = errors.New("a line of the authentication is too long")

// auth rewrites what a client sends before its first message: a NUL byte and lines
// that end with CR LF, of which BEGIN is the last.
type auth struct {
	from, to []byte // the uids as EXTERNAL encodes them: decimal, then hexadecimal
	started  bool   // the NUL byte was received
	external bool   // AUTH EXTERNAL had no uid, so DATA has it
	done     bool   // BEGIN was received, or this is not the protocol
	line     []byte // the start of an incomplete line
}

func newAuth(inside, outside int) *auth {
	return &auth{from: encodeUID(inside), to: encodeUID(outside)}
}

func encodeUID(uid int) []byte {
	return []byte(hex.EncodeToString([]byte(strconv.Itoa(uid))))
}

// rewrite returns what to pass on. It keeps the start of an incomplete line: see
// rest.
func (a *auth) rewrite(in []byte) (out []byte, err error) {
	if !a.started && len(in) > 0 {
		a.started = true
		if in[0] != 0 {
			a.done = true // the bus will refuse it
		} else {
			out, in = append(out, 0), in[1:]
		}
	}
	if a.done && out == nil {
		return in, nil
	}
	a.line = append(a.line, in...)
	for !a.done {
		line, rest, ended := bytes.Cut(a.line, []byte("\r\n"))
		if len(line) > maxLine && (ended || len(line) > maxLine+1) { // the extra byte may be CR
			return out, errLine
		}
		if !ended {
			return out, nil
		}
		out = append(append(out, a.rewriteLine(line)...), "\r\n"...)
		a.line = rest
	}
	return append(out, a.rest()...), nil
}

// rest returns what rewrite has kept, for the end of the input.
func (a *auth) rest() []byte {
	line := a.line
	a.line = nil
	return line
}

// rewriteLine returns a line for the bus.
func (a *auth) rewriteLine(line []byte) []byte {
	switch name, args := cutWord(line); name {
	case "BEGIN":
		a.done = true
	case "AUTH":
		mechanism, response := cutWord(args)
		external := mechanism == "EXTERNAL"
		a.external = external && len(response) == 0
		if external {
			return a.replaceUID(line, response)
		}
	case "DATA":
		external := a.external
		a.external = false
		if external {
			return a.replaceUID(line, args)
		}
	case "CANCEL", "ERROR":
		a.external = false
	}
	return line
}

// replaceUID replaces the uid at the end of a line if it is the expected one.
func (a *auth) replaceUID(line, uid []byte) []byte {
	if !bytes.Equal(uid, a.from) {
		return line
	}
	return append(bytes.Clone(line[:len(line)-len(uid)]), a.to...)
}

// cutWord splits a line after its first word, as libdbus does.
func cutWord(line []byte) (first string, rest []byte) {
	const blank = " \t"
	end := bytes.IndexAny(line, blank)
	if end < 0 {
		return string(line), nil
	}
	return string(line[:end]), bytes.TrimLeft(line[end:], blank)
}
