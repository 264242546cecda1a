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
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
	"chrun/session"
)

const waylandVariable = "WAYLAND_DISPLAY"

// probeWayland lists the compositor's globals, as every client does first
// (Wayland protocol, wl_display.get_registry).
func probeWayland(ctx context.Context, in *Input, add func(...report.Check)) {
	const row = "wayland"
	name, outside := in.Env.Get(waylandVariable), in.Caller.Get(waylandVariable)
	switch {
	case in.denies(row):
		return
	case in.Env.Get("WAYLAND_SOCKET") != "":
		add(report.Good(row, report.Reachable, "a connection is handed over (WAYLAND_SOCKET): it is not used up here"))
		return
	case !in.shares(row) || name == "":
		if outside == "" {
			return
		}
		socket := in.waylandSocket(outside)
		if conn, err := dial(ctx, "unix", socket); err == nil {
			conn.Close()
		} else if errors.Is(err, unix.EACCES) {
			add(waylandRefused(err, outside, socket))
			return
		}
		if live := in.findCompositor(); live == outside {
			dir := in.Env.Get("XDG_RUNTIME_DIR")
			add(report.Bad(row, report.Found, "runtime-dir", outside+" is in "+dir+", which XDG_RUNTIME_DIR does not name", "uid", path.Base(dir)))
		} else if live != "" {
			add(report.Bad(row, report.Found, "wayland-stale", outside+" is not running: "+live+" is", "display", live))
		} else {
			add(report.Bad(row, report.Found, "wayland-gone", "no compositor listens at "+session.Printable(outside)))
		}
		return
	}
	socket := in.waylandSocket(name)
	conn, err := dial(ctx, "unix", socket)
	if err != nil {
		add(waylandRefused(err, name, socket))
		return
	}
	defer conn.Close()
	globals, err := listGlobals(conn)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		add(report.Bad(row, report.Answers, "wayland-hang", serverName(conn, "the compositor")+" at "+name+" accepts connections and does not answer", serverPID(conn)...))
	case err != nil:
		add(report.Bad(row, report.Answers, "wayland-broken", fmt.Sprintf("what listens at %s is no compositor: %v", name, err)))
	default:
		addGlobals(add, serverName(conn, "the compositor"), globals)
	}
}

// waylandSocket is the socket that a value of WAYLAND_DISPLAY names.
func (in *Input) waylandSocket(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(in.Env.Get("XDG_RUNTIME_DIR"), name)
}

// waylandRefused is the check for a socket that cannot be connected to.
func waylandRefused(err error, name, socket string) report.Check {
	fault := "wayland-gone"
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		fault = "wayland-permission"
	}
	return report.Bad("wayland", report.Reachable, fault, fmt.Sprintf("cannot connect to %s: %v", name, plain(err)), "socket", session.Quote(socket))
}

// addGlobals says which of the globals that matter the compositor has.
func addGlobals(add func(...report.Check), name string, globals []string) {
	var has []string
	for _, g := range []struct{ global, text string }{
		{"wl_seat", "seat"}, {"wl_output", "output"}, {"xdg_wm_base", "windows"}, {"wl_data_device_manager", "clipboard"},
		{"zwp_linux_dmabuf_v1", "dmabuf"}, {"wp_security_context_manager_v1", "security context"},
	} {
		if slices.Contains(globals, g.global) {
			has = append(has, g.text)
		}
	}
	if !slices.Contains(globals, "xdg_wm_base") {
		add(report.Notice("wayland", report.Answers, "wayland-poor", name+" offers no windows (xdg_wm_base)"))
	}
	add(report.Good("wayland", report.Answers, name+" answers: "+strings.Join(has, ", ")))
}

// findCompositor returns the name of a socket in the runtime directory at which a
// server listens, "" if there is none.
func (in *Input) findCompositor() string {
	dir := in.Env.Get("XDG_RUNTIME_DIR")
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "wayland-") || e.Type() != os.ModeSocket {
			continue
		}
		conn, err := net.DialTimeout("unix", path.Join(dir, e.Name()), 200*time.Millisecond)
		if err == nil {
			conn.Close()
			return e.Name()
		}
	}
	return ""
}

// maxGlobals is how many globals are read: a compositor has about fifty.
const maxGlobals = 1000

// listGlobals asks for the registry and waits for the callback of wl_display.sync.
func listGlobals(conn net.Conn) (globals []string, err error) {
	order := binary.NativeEndian
	var request []byte
	for _, r := range []struct{ opcode, id uint32 }{{1, 2}, {0, 3}} { // get_registry, sync
		request = order.AppendUint32(request, 1)
		request = order.AppendUint32(request, 12<<16|r.opcode)
		request = order.AppendUint32(request, r.id)
	}
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	for range maxGlobals {
		var head [8]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return nil, err
		}
		object, word := order.Uint32(head[:]), order.Uint32(head[4:])
		size := word >> 16
		if size < 8 || size%4 != 0 {
			return nil, errors.New("it does not speak Wayland")
		}
		body := make([]byte, size-8)
		if _, err := io.ReadFull(conn, body); err != nil {
			return nil, err
		}
		switch opcode := word & 0xffff; {
		case object == 3:
			return globals, nil
		case object == 1 && opcode == 0:
			return nil, errors.New("it reports an error")
		case object == 2 && opcode == 0 && len(body) >= 12:
			length := order.Uint32(body[4:])
			if length == 0 || int(length) > len(body)-8 {
				return nil, errors.New("it does not speak Wayland")
			}
			globals = append(globals, strings.TrimRight(string(body[8:8+length]), "\x00"))
		}
	}
	return nil, errors.New("it sends globals without end")
}

// serverName returns the name of the process that listens, or else what.
func serverName(conn net.Conn, what string) string {
	pid := peerPID(conn)
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if name := strings.TrimSpace(string(data)); err == nil && pid > 0 && name != "" {
		return session.Printable(name)
	}
	return what
}

// serverPID returns the value "pid" for a command.
func serverPID(conn net.Conn) []string { return []string{"pid", strconv.Itoa(peerPID(conn))} }

// peerPID returns the process that listens at the other end of a Unix socket, 0 if it
// is unknown.
func peerPID(conn net.Conn) (pid int) {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return 0
	}
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
				pid = int(cred.Pid)
			}
		})
	}
	return pid
}
