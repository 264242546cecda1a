// Package wayland determines which socket a Wayland client would connect to, by
// the rules of wl_display_connect (libwayland 1.23, src/wayland-client.c). It does
// not connect: that would use up a WAYLAND_SOCKET or start a compositor that waits
// for its first client. session.Listeners tells whether a server listens.
package wayland

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// MaxPath is the maximum length of a socket's path in bytes: sun_path has 108
// bytes, including a NUL (unix(7)).
const MaxPath = 107

// ParseSocketVariable returns the descriptor in a value of WAYLAND_SOCKET. It must
// be a socket that was open when chrun started.
func ParseSocketVariable(value string) (int, error) {
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return -1, fmt.Errorf("%q is not a descriptor number", value)
	}
	fd, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return -1, fmt.Errorf("%s is not a descriptor number", value)
	}
	// An inherited descriptor has survived an exec, so this is one of chrun's own.
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC != 0 {
		return -1, fmt.Errorf("descriptor %d is not open", fd)
	}
	var st unix.Stat_t
	if unix.Fstat(int(fd), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return -1, fmt.Errorf("descriptor %d is not a socket", fd)
	}
	return int(fd), nil
}

// SocketPath returns the path of the socket that name, a value of WAYLAND_DISPLAY,
// refers to. name is absolute or relative to dir, and may contain slashes. An
// empty name is an error: a client would connect to the directory.
func SocketPath(name string, dir session.HostPath) (session.HostPath, error) {
	switch {
	case name == "":
		return "", errors.New("it is empty")
	case path.IsAbs(name):
	case dir == "":
		return "", errors.New("the caller has no runtime directory")
	default:
		name = string(dir) + "/" + name
	}
	p := path.Clean(name)
	if len(p) > MaxPath {
		return "", fmt.Errorf("its path has %d bytes, but a socket's path has at most %d", len(p), MaxPath)
	}
	return session.HostPath(p), nil
}

// ListSocketNames returns the files in dir that are named like a compositor's
// socket: wayland-0 first, then by number, then other names. It leaves out lock
// files.
func ListSocketNames(dir session.HostPath) []string {
	if dir == "" {
		return nil
	}
	entries, _ := os.ReadDir(string(dir)) // sorted by name
	var names []string
	for _, e := range entries {
		if n := e.Name(); strings.HasPrefix(n, "wayland-") && !strings.HasSuffix(n, ".lock") {
			names = append(names, n)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(socketNumber(a), socketNumber(b)) })
	return names
}

func socketNumber(name string) uint64 {
	n, err := strconv.ParseUint(strings.TrimPrefix(name, "wayland-"), 10, 32)
	if err != nil {
		return 1 << 32 // after all numbers
	}
	return n
}
