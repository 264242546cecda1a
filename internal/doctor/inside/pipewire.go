package inside

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/audio"
	"chrun/internal/doctor/report"
	"chrun/session"
)

// probePipewire says hello and reads the server's name (PipeWire native protocol, "Core
// Methods" and "Core Events").
func probePipewire(ctx context.Context, in *Input, add func(...report.Check)) {
	const row = "pipewire"
	if in.denies(row) {
		return
	}
	name := in.Env.Get("PIPEWIRE_REMOTE")
	if name == "" {
		name = "pipewire-0"
	}
	socket := name
	if !path.IsAbs(socket) {
		dir := in.Env.Get("PIPEWIRE_RUNTIME_DIR")
		if dir == "" {
			dir = in.Env.Get("XDG_RUNTIME_DIR")
		}
		socket = path.Join(dir, name)
	}
	if outside := in.Caller.Get("PIPEWIRE_REMOTE"); outside != "" && !exists(socket) {
		add(report.Bad(row, report.Found, "pipewire-stale", "PIPEWIRE_REMOTE="+outside+": no server listens"))
		return
	} else if outside != "" && in.Env.Get("PIPEWIRE_REMOTE") == "" {
		add(report.Notice(row, report.Found, "pipewire-stale", "PIPEWIRE_REMOTE="+outside+" is not used: no server listens there"))
	}
	if !exists(socket) || socket == audio.NoServer {
		return // there is none: PulseAudio or ALSA has the sound
	}
	conn, err := dial(ctx, "unix", socket)
	if err != nil {
		add(unreachable(row, name, socket, err))
		return
	}
	defer conn.Close()
	version, err := helloPipewire(conn)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		add(report.Bad(row, report.Answers, "pipewire-hang", serverName(conn, "PipeWire")+" accepts connections and does not answer"))
	case err != nil:
		add(report.Bad(row, report.Answers, "pipewire-broken", fmt.Sprintf("what listens at %s is no PipeWire: %v", name, plain(err))))
	default:
		add(report.Good(row, report.Answers, "PipeWire "+version+" answers"))
	}
}

// unreachable is the check for a server that cannot be connected to.
func unreachable(row, name, socket string, err error) report.Check {
	fault := row + "-gone"
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		fault = row + "-permission"
	}
	return report.Bad(row, report.Reachable, fault, fmt.Sprintf("cannot connect to %s: %v", name, plain(err)), "socket", session.Quote(socket))
}

// Types of a POD (SPA, "POD"), and a sane size of a message.
const (
	podString  = 8
	maxMessage = 1 << 16
)

// helloPipewire sends Core::Hello and returns the version in Core::Info.
func helloPipewire(conn net.Conn) (version string, err error) {
	order := binary.NativeEndian
	hello := []uint32{0, 1<<24 | 24, 0, 0 /* the message */, 16, 14 /* struct */, 4, 4, 3, 0 /* int 3 */}
	var request []byte
	for _, word := range hello {
		request = order.AppendUint32(request, word)
	}
	if _, err := conn.Write(request); err != nil {
		return "", err
	}
	for range 100 {
		var head [16]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return "", err
		}
		word := order.Uint32(head[4:])
		size := word & 0xffffff
		if size > maxMessage {
			return "", errors.New("its message is too long")
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(conn, body); err != nil {
			return "", err
		}
		if order.Uint32(head[:]) == 0 && word>>24 == 0 {
			return coreVersion(body)
		}
	}
	return "", errors.New("it does not introduce itself")
}

// coreVersion reads Core::Info: a struct of id, cookie, user, host, version, ...
func coreVersion(body []byte) (string, error) {
	order, bad := binary.NativeEndian, errors.New("it does not speak PipeWire")
	if len(body) < 8 {
		return "", bad
	}
	body = body[8:]
	for field := 0; len(body) >= 8; field++ {
		size, kind := int(order.Uint32(body)), order.Uint32(body[4:])
		if size < 0 || size > len(body)-8 {
			return "", bad
		}
		if field == 4 && kind == podString {
			text, _, _ := bytes.Cut(body[8:8+size], []byte{0})
			return strings.TrimSpace(string(text)), nil
		}
		body = body[min(len(body), 8+(size+7)&^7):]
	}
	return "", bad
}
