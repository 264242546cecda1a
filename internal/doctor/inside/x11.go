package inside

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
	"chrun/internal/doctor/report"
	"chrun/session"
)

// probeX11 sets up a connection as libxcb does (X Window System Protocol, "Connection
// Setup"), and shares a segment of memory with the server.
func probeX11(ctx context.Context, in *Input, add func(...report.Check)) {
	const row = "x11"
	name, outside := in.Env.Get("DISPLAY"), in.Caller.Get("DISPLAY")
	switch {
	case in.denies(row):
		return
	case !in.shares(row) || name == "":
		if outside == "" {
			return
		}
		if d, err := parseDisplay(outside); err == nil {
			if conn, err := dialX11(ctx, d); err == nil {
				conn.Close()
			} else if errors.Is(err, unix.EACCES) {
				add(unreachable(row, outside, xSocket(d), err))
				return
			}
		}
		if live := findXServer(); live != "" {
			add(report.Bad(row, report.Found, "x11-stale", outside+" is not running: "+live+" is", "display", live))
		} else {
			add(report.Bad(row, report.Found, "x11-gone", "no X server listens at "+outside+"; without DISPLAY chrun looks for one"))
		}
		return
	}
	d, err := parseDisplay(name)
	if err != nil {
		add(report.Bad(row, report.Reachable, "x11-gone", "DISPLAY="+name+": "+err.Error()))
		return
	}
	conn, err := dialX11(ctx, d)
	if err != nil {
		add(unreachable(row, name, xSocket(d), err))
		return
	}
	defer conn.Close()
	cookie := in.findCookie(d)
	c, refusal, err := setUpX11(conn, cookie)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		add(report.Bad(row, report.Answers, "x11-hang", serverName(conn, "the X server")+" at "+name+" accepts connections and does not answer", serverPID(conn)...))
	case err != nil:
		add(report.Bad(row, report.Answers, "x11-broken", fmt.Sprintf("what listens at %s is no X server: %v", name, err)))
	case refusal != "":
		add(report.Bad(row, report.Answers, "x11-refused", serverName(conn, "the X server")+" refuses the program: "+refusal, "user", in.User, "display", name))
	default:
		how := "the cookie"
		if cookie == "" {
			how = "the host list"
		}
		c.checkShm(add)
		add(report.Good(row, report.Answers, fmt.Sprintf("%s answers at %s (%s), by %s", serverName(conn, "the X server"), name, c.vendor, how)))
	}
}

func parseDisplay(name string) (x11.Display, error) {
	return x11.ParseDisplay(name, func(p session.HostPath) bool { return exists(string(p)) })
}

func xSocket(d x11.Display) string {
	if d.Path != "" {
		return string(d.Path)
	}
	return fmt.Sprintf("%s/X%d", x11.SocketDir, d.Number)
}

// dialX11 connects to the socket, the abstract one, or by TCP. An error is that of
// the socket in the file system.
func dialX11(ctx context.Context, d x11.Display) (net.Conn, error) {
	if d.Host != "" {
		return dial(ctx, "tcp", net.JoinHostPort(d.Host, strconv.Itoa(6000+d.Number)))
	}
	conn, err := dial(ctx, "unix", xSocket(d))
	if err != nil && d.Path == "" {
		if abstract, other := dial(ctx, "unix", "@"+xSocket(d)); other == nil {
			return abstract, nil
		}
	}
	return conn, err
}

// findXServer returns the display of a server of the same user that listens, "" if there
// is none. One of another user, or of root's, may want a cookie that is elsewhere.
func findXServer() string {
	entries, _ := os.ReadDir(x11.SocketDir)
	for _, e := range entries {
		number, ok := x11.ParseSocketName(e.Name())
		if !ok || e.Type() != os.ModeSocket {
			continue
		}
		if serverUID(path.Join(x11.SocketDir, e.Name())) == os.Getuid() {
			return ":" + strconv.Itoa(number)
		}
	}
	return ""
}

// findCookie returns the cookie that a client would send, "" if there is none.
func (in *Input) findCookie(d x11.Display) string {
	file := in.Env.Get("XAUTHORITY")
	if file == "" {
		file = path.Join(in.Env.Get("HOME"), ".Xauthority")
	}
	entries, err := x11.ReadAuthority(session.HostPath(file), x11.AnyOwner, 0)
	if err != nil {
		return ""
	}
	host, _ := os.Hostname()
	if found := x11.SelectEntries(entries, d, host, ""); len(found) > 0 {
		return found[0].Data
	}
	return ""
}

// xConnection is a connection that the server has accepted.
type xConnection struct {
	net.Conn
	vendor string
	base   uint32 // of the IDs that the client makes
}

var xOrder = binary.LittleEndian

// setUpX11 sends the set-up. refusal is the server's text if it refuses.
func setUpX11(conn net.Conn, cookie string) (_ *xConnection, refusal string, err error) {
	request := []byte{'l', 0, 11, 0, 0, 0}
	protocol := x11.CookieName
	if cookie == "" {
		protocol = ""
	}
	request = xOrder.AppendUint16(request, uint16(len(protocol)))
	request = xOrder.AppendUint16(request, uint16(len(cookie)))
	request = append(request, 0, 0)
	request = append(padX(append(request, protocol...)), cookie...)
	if _, err := conn.Write(padX(request)); err != nil {
		return nil, "", err
	}
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, "", err
	}
	body := make([]byte, 4*int(xOrder.Uint16(head[6:])))
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, "", err
	}
	switch {
	case head[0] == 0:
		return nil, strings.TrimSpace(string(body[:min(len(body), int(head[1]))])), nil
	case head[0] == 2:
		return nil, "it wants more authentication", nil
	case head[0] != 1 || len(body) < 32:
		return nil, "", errors.New("it does not speak X11")
	}
	length := int(xOrder.Uint16(body[16:]))
	if len(body) < 32+length {
		return nil, "", errors.New("it does not speak X11")
	}
	return &xConnection{conn, string(body[32 : 32+length]), xOrder.Uint32(body[4:])}, "", nil
}

func padX(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }

// reply sends a request and reads its reply. Events are skipped; ok is false for an
// error of the protocol.
func (c *xConnection) reply(request []byte) (reply [32]byte, ok bool, err error) {
	if _, err := c.Write(request); err != nil {
		return reply, false, err
	}
	for range 100 {
		if _, err := io.ReadFull(c, reply[:]); err != nil {
			return reply, false, err
		}
		switch reply[0] {
		case 0:
			return reply, false, nil
		case 1:
			_, err := io.CopyN(io.Discard, c, 4*int64(min(xOrder.Uint32(reply[4:]), 1<<16)))
			return reply, true, err
		}
	}
	return reply, false, errors.New("it sends events without end")
}

// checkShm attaches a segment of shared memory to the server (MIT-SHM): where that
// fails, windows are black or slow.
func (c *xConnection) checkShm(add func(...report.Check)) {
	const extension = "MIT-SHM"
	query := append([]byte{98, 0, 4, 0, byte(len(extension)), 0, 0, 0}, extension...) // QueryExtension
	reply, ok, err := c.reply(padX(query))
	if err != nil || !ok || reply[8] == 0 {
		return // programs send their pictures through the socket
	}
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
	if err != nil {
		add(report.Notice("x11", report.Answers, "x11-shm", "no shared memory: "+err.Error()))
		return
	}
	defer unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	attach := []byte{reply[9], 1, 4, 0}
	attach = xOrder.AppendUint32(attach, c.base|1)
	attach = xOrder.AppendUint32(attach, uint32(id))
	attach = append(attach, 0, 0, 0, 0)
	attach = append(attach, 43, 0, 1, 0) // GetInputFocus, which has a reply
	if _, ok, err = c.reply(attach); err != nil || !ok {
		add(report.Notice("x11", report.Answers, "x11-shm", "the X server cannot attach memory of the program (MIT-SHM)"))
	}
}
