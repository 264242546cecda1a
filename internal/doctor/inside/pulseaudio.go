package inside

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path"
	"strings"
	"time"

	"chrun/audio"
	"chrun/internal/doctor/report"
	"chrun/session"
)

// probePulseaudio authenticates, and asks for the server's name and its default sink
// and source (PulseAudio, src/pulsecore/native-common.h).
func probePulseaudio(ctx context.Context, in *Input, add func(...report.Check)) {
	const row = "pulseaudio"
	if in.denies(row) {
		return
	}
	servers, outside := strings.Fields(in.Env.Get("PULSE_SERVER")), in.Caller.Get("PULSE_SERVER")
	if len(servers) == 0 && outside != "" {
		add(report.Bad(row, report.Found, "pulseaudio-gone", "PULSE_SERVER="+outside+": no server answers"))
		return
	}
	if len(servers) == 0 {
		servers = []string{"unix:" + path.Join(in.Env.Get("XDG_RUNTIME_DIR"), "pulse/native")}
	}
	var failed []report.Check
	for _, server := range servers {
		network, address, ok := splitPulse(server)
		if address == audio.NoServer || !ok || !in.shares(row) && (network == "unix" && !exists(address)) {
			continue
		}
		c := in.askPulse(ctx, server, network, address)
		if c.Status == report.OK {
			add(c)
			return
		}
		failed = append(failed, c)
	}
	if len(failed) > 0 {
		add(failed[0])
	}
}

// splitPulse reads one server of PULSE_SERVER: unix:PATH, a path, tcp:HOST[:PORT].
func splitPulse(server string) (network, address string, ok bool) {
	if _, rest, found := strings.Cut(server, "}"); strings.HasPrefix(server, "{") && found { // {machine-id}
		server = rest
	}
	if path.IsAbs(server) {
		return "unix", server, true
	}
	scheme, rest, found := strings.Cut(server, ":")
	switch {
	case found && scheme == "unix":
		return "unix", rest, true
	case found && (scheme == "tcp" || scheme == "tcp4" || scheme == "tcp6"):
		if _, _, err := net.SplitHostPort(rest); err != nil {
			rest = net.JoinHostPort(strings.Trim(rest, "[]"), "4713")
		}
		return scheme, rest, true
	}
	return "", "", false
}

// askPulse talks to one server.
func (in *Input) askPulse(ctx context.Context, server, network, address string) report.Check {
	const row = "pulseaudio"
	conn, err := dial(ctx, network, address)
	if err != nil {
		return unreachable(row, server, address, err)
	}
	defer conn.Close()
	p := &pulse{Conn: conn}
	info, err := p.hello(in.pulseCookie())
	var refused *pulseError
	switch {
	case errors.As(err, &refused) && refused.code == connectionRefused:
		return report.Bad(row, report.Answers, "pipewire-gone", serverName(conn, "the sound server")+" runs, but cannot reach PipeWire itself")
	case errors.As(err, &refused):
		fault, values := "pulseaudio-refused", []string(nil)
		if host, _, err := net.SplitHostPort(address); in.Caller.Get("PULSE_COOKIE") != "" {
			fault = "pulseaudio-cookie"
		} else if err == nil && network != "unix" && host != "localhost" && !strings.HasPrefix(host, "127.") {
			fault, values = "pulseaudio-remote", []string{"host", session.Quote(host)}
		}
		return report.Bad(row, report.Answers, fault, fmt.Sprintf("the server at %s refuses the program's cookie (error %d)", server, refused.code), values...)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return report.Bad(row, report.Answers, "pulseaudio-hang", serverName(conn, "the sound server")+" accepts connections and does not answer", append(pulseUnits(serverName(conn, "")), "server", serverName(conn, ""))...)
	case err != nil:
		return report.Bad(row, report.Answers, "pulseaudio-broken", fmt.Sprintf("what listens at %s is no PulseAudio: %v", server, plain(err)))
	}
	text := fmt.Sprintf("%s answers; plays to %s, records from %s", info.name, orNone(info.sink), orNone(info.source))
	if in.Sound {
		conn.SetDeadline(time.Now().Add(SoundLimit))
		if err := p.playTone(); err != nil {
			return report.Bad(row, report.Answers, "pulseaudio-silent", fmt.Sprintf("%s does not play: %v", info.name, plain(err)), pulseUnits(info.name)...)
		}
		text += "; it took a tone of a second"
	}
	return report.Good(row, report.Answers, text)
}

// pulseUnits returns the value "units" for a command, if the server is PulseAudio itself.
func pulseUnits(server string) []string {
	const name = "pulseaudio"
	if !strings.HasPrefix(server, name) { // then comes the version
		return nil
	}
	return []string{"units", name}
}

func orNone(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// SoundLimit is how long playing a tone of a second may take.
const SoundLimit = 2500 * time.Millisecond

// cookieSize is that of PulseAudio's cookie, in bytes.
const cookieSize = 256

// pulseCookie is the cookie that a client would send; zeros if there is none, since a
// server of the same user does not look at it.
func (in *Input) pulseCookie() []byte {
	file := in.Env.Get("PULSE_COOKIE")
	if file == "" {
		file = path.Join(in.Env.Get("HOME"), ".config/pulse/cookie")
	}
	cookie := make([]byte, cookieSize)
	if tree := openTree(); tree != nil {
		defer tree.Close()
		if data, err := tree.Read(pathInside(file)); err == nil {
			copy(cookie, data)
		}
	}
	return cookie
}

// pulse is a connection in version 8 of the protocol, which every server knows.
type pulse struct {
	net.Conn
	tag uint32
}

// connectionRefused is the error of pipewire-pulse without PipeWire
// (PA_ERR_CONNECTIONREFUSED, pulse/def.h).
const connectionRefused = 6

// pulseError is the server's answer that it does not want something.
type pulseError struct{ code uint32 }

func (e *pulseError) Error() string { return fmt.Sprintf("error %d", e.code) }

// The commands, and the marks of values.
const (
	pulseReply, pulseAuth, pulseName, pulsePlay, pulseDrain, pulseInfo = 2, 8, 9, 3, 12, 20
	controlChannel                                                     = math.MaxUint32
)

type pulseServer struct{ name, sink, source string }

// hello authenticates and asks for the server's description.
func (p *pulse) hello(cookie []byte) (info pulseServer, err error) {
	auth := append(number(8), 'x')
	auth = append(binary.BigEndian.AppendUint32(auth, cookieSize), cookie...)
	if _, err := p.call(pulseAuth, auth); err != nil {
		return info, err
	}
	if _, err := p.call(pulseName, text("chrun doctor")); err != nil {
		return info, err
	}
	reply, err := p.call(pulseInfo, nil)
	if err != nil {
		return info, err
	}
	var version string
	for i, to := range []*string{&info.name, &version, new(string), new(string), nil, &info.sink, &info.source} {
		if to == nil { // the sample format: a mark, a byte, a byte, four bytes
			reply = reply[min(7, len(reply)):]
			continue
		}
		if *to, reply, err = cutText(reply); err != nil {
			return info, fmt.Errorf("field %d: %w", i, err)
		}
	}
	info.name = strings.TrimSpace(info.name + " " + version)
	return info, nil
}

// playTone plays 440 Hz for a second to the default sink and waits until it has been
// played.
func (p *pulse) playTone() error {
	const rate = 44100
	request := append(text("test tone"), 'a', 3, 1, 0, 0, 0xac, 0x44, 'm', 1, 0) // 16 bits little-endian, mono, 44100 Hz
	request = append(request, number(math.MaxUint32)...)                         // the default sink
	request = append(request, 'N')
	request = append(request, number(2*rate)...)
	request = append(request, '0') // not corked
	for _, n := range []uint32{2 * rate, 0, math.MaxUint32, 0} {
		request = append(request, number(n)...)
	}
	request = append(request, 'v', 1, 0, 0, 0x80, 0) // half the volume
	reply, err := p.call(pulsePlay, request)
	if err != nil {
		return err
	}
	if len(reply) < 5 || reply[0] != 'L' {
		return errors.New("it does not speak PulseAudio's protocol")
	}
	stream := reply[:5]
	samples := make([]byte, 0, 2*rate)
	for i := range rate {
		samples = binary.LittleEndian.AppendUint16(samples, uint16(int16(8000*math.Sin(2*math.Pi*440*float64(i)/rate))))
	}
	for len(samples) > 0 {
		n := min(len(samples), 16384)
		if err := p.send(binary.BigEndian.Uint32(stream[1:]), samples[:n]); err != nil {
			return err
		}
		samples = samples[n:]
	}
	_, err = p.call(pulseDrain, stream)
	return err
}

// call sends a command and waits for its reply.
func (p *pulse) call(command uint32, arguments []byte) (reply []byte, err error) {
	p.tag++
	body := append(append(number(command), number(p.tag)...), arguments...)
	if err := p.send(controlChannel, body); err != nil {
		return nil, err
	}
	for range 1000 {
		var head [20]byte
		if _, err := io.ReadFull(p, head[:]); err != nil {
			return nil, err
		}
		size := binary.BigEndian.Uint32(head[:])
		if size > maxMessage {
			return nil, errors.New("its message is too long")
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(p, body); err != nil {
			return nil, err
		}
		if binary.BigEndian.Uint32(head[4:]) != controlChannel || len(body) < 10 || body[0] != 'L' || body[5] != 'L' || binary.BigEndian.Uint32(body[6:]) != p.tag {
			continue // what it tells without being asked
		}
		switch kind := binary.BigEndian.Uint32(body[1:]); {
		case kind == pulseReply:
			return body[10:], nil
		case kind == 0 && len(body) >= 15:
			return nil, &pulseError{binary.BigEndian.Uint32(body[11:])}
		}
	}
	return nil, errors.New("it talks without end")
}

func (p *pulse) send(channel uint32, body []byte) error {
	var head []byte
	for _, n := range []uint32{uint32(len(body)), channel, 0, 0, 0} {
		head = binary.BigEndian.AppendUint32(head, n)
	}
	_, err := p.Write(append(head, body...))
	return err
}

func number(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{'L'}, n) }
func text(s string) []byte   { return append(append([]byte{'t'}, s...), 0) }

// cutText takes a text off the front of a reply.
func cutText(b []byte) (s string, rest []byte, err error) {
	switch {
	case len(b) > 0 && b[0] == 'N':
		return "", b[1:], nil
	case len(b) > 0 && b[0] == 't':
		if end := strings.IndexByte(string(b), 0); end > 0 {
			return string(b[1:end]), b[end+1:], nil
		}
	}
	return "", nil, errors.New("it does not speak PulseAudio's protocol")
}
