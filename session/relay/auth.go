package relay

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
)

// maxLine is how long a line may be without its end: libdbus allows 16 KiB for
// all of the authentication.
const maxLine = 16 << 10

var errLine = errors.New("a line without end")

// auth rewrites what a client says before its first message. The protocol is a
// NUL byte and then lines that end with CR LF; BEGIN is the last.
type auth struct {
	from, to []byte // the uids, decimal and then hexadecimal as EXTERNAL has it
	started  bool   // the NUL byte has come
	external bool   // AUTH EXTERNAL came without an identity: it is in DATA
	over     bool   // BEGIN came, or what comes is not this protocol
	line     []byte // the start of a line that has not ended
}

func newAuth(inside, outside int) *auth {
	return &auth{from: identity(inside), to: identity(outside)}
}

func identity(uid int) []byte {
	return []byte(hex.EncodeToString([]byte(strconv.Itoa(uid))))
}

// rewrite returns what is to be passed on of what came so far. It keeps the
// start of a line until its end comes: see rest.
func (a *auth) rewrite(in []byte) (out []byte, err error) {
	if !a.started && len(in) > 0 {
		a.started = true
		if in[0] != 0 {
			a.over = true // the bus will know what to say
		} else {
			out, in = append(out, 0), in[1:]
		}
	}
	if a.over && out == nil {
		return in, nil
	}
	a.line = append(a.line, in...)
	for !a.over {
		line, rest, ended := bytes.Cut(a.line, []byte("\r\n"))
		if len(line) > maxLine && (ended || len(line) > maxLine+1) { // the one more may be CR
			return out, errLine
		}
		if !ended {
			return out, nil
		}
		out = append(append(out, a.command(line)...), "\r\n"...)
		a.line = rest
	}
	return append(out, a.rest()...), nil
}

// rest returns what rewrite keeps, when nothing more will come.
func (a *auth) rest() []byte {
	line := a.line
	a.line = nil
	return line
}

// command returns a line as the bus shall read it.
func (a *auth) command(line []byte) []byte {
	switch name, args := word(line); name {
	case "BEGIN":
		a.over = true
	case "AUTH":
		mechanism, response := word(args)
		external := mechanism == "EXTERNAL"
		a.external = external && len(response) == 0
		if external {
			return a.claim(line, response)
		}
	case "DATA":
		external := a.external
		a.external = false
		if external {
			return a.claim(line, args)
		}
	case "CANCEL", "ERROR":
		a.external = false
	}
	return line
}

// claim rewrites the uid at the end of a line if it is the one that is expected.
func (a *auth) claim(line, uid []byte) []byte {
	if !bytes.Equal(uid, a.from) {
		return line
	}
	return append(bytes.Clone(line[:len(line)-len(uid)]), a.to...)
}

// word splits a line after its first word, as libdbus does.
func word(line []byte) (first string, rest []byte) {
	const blank = " \t"
	end := bytes.IndexAny(line, blank)
	if end < 0 {
		return string(line), nil
	}
	return string(line[:end]), bytes.TrimLeft(line[end:], blank)
}
