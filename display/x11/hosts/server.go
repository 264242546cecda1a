package hosts

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
)

// Server is a process that listens for X clients: an X server, or what starts
// one on demand. Both together are not used twice until the machine restarts.
type Server struct {
	PID   int
	Start string // field 22 of /proc/PID/stat: clock ticks since boot
}

// ErrGone says that the server that was meant has ended.
var ErrGone = errors.New("the X server has ended")

// Server is who is at the other end.
func (c *Conn) Server() (Server, error) {
	peer, err := unix.GetsockoptUcred(c.fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Server{}, fmt.Errorf("cannot identify the X server: %w", os.NewSyscallError("getsockopt", err))
	}
	start, err := startTime(int(peer.Pid))
	if err != nil {
		return Server{}, fmt.Errorf("cannot identify the X server: %w", err)
	}
	return Server{int(peer.Pid), start}, nil
}

// ServerOf connects to d and returns who listens there.
func ServerOf(d x11.Display, cookie []byte) (Server, error) {
	c, err := Dial(d, cookie)
	if err != nil {
		return Server{}, err
	}
	defer c.Close()
	return c.Server()
}

// Dial is package hosts' Dial to this very server; ErrGone if it has ended,
// also when another listens in its place.
func (s Server) Dial(d x11.Display, cookie []byte) (*Conn, error) {
	if start, err := startTime(s.PID); err != nil || start != s.Start {
		return nil, ErrGone
	}
	c, err := Dial(d, cookie)
	if err != nil {
		return nil, err
	}
	now, err := c.Server()
	if err == nil && now != s {
		err = ErrGone
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// startTime is when a process that still runs was started.
func startTime(pid int) (string, error) {
	if pid <= 0 {
		return "", errors.New("it runs in another pid namespace")
	}
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", err
	}
	// The name, in brackets, may hold anything.
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return "", ErrGone
	}
	return f[19], nil
}
