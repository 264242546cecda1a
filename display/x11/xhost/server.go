package xhost

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Server is a process that listens for X clients: an X server, or a compositor
// that starts one on demand. The kernel does not use the same pair of values
// again before the machine restarts.
type Server struct {
	PID   int
	Start string // field 22 of /proc/PID/stat: clock ticks since boot
}

// serverOf returns the process at the other end of a connection.
func serverOf(file *os.File) (s Server, err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return s, err
	}
	var peer *unix.Ucred
	control := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(control, os.NewSyscallError("getsockopt", err)); err == nil {
		s.PID = int(peer.Pid)
		s.Start, err = startTime(s.PID)
	}
	if err != nil {
		return Server{}, fmt.Errorf("cannot identify the X server: %w", err)
	}
	return s, nil
}

// startTime returns when a process that is still running was started.
func startTime(pid int) (string, error) {
	if pid <= 0 {
		return "", errors.New("it runs in another pid namespace")
	}
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", err
	}
	// The second field, the name in parentheses, may contain anything.
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return "", ErrEnded
	}
	return f[19], nil
}
