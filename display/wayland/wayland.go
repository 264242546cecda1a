// Package wayland says which socket a Wayland client would connect to, by the
// rules of wl_display_connect (libwayland 1.23, src/wayland-client.c). It only
// looks: connecting would use up a WAYLAND_SOCKET or start a compositor that
// waits for its first client. Whether a server listens is session.Listeners'.
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

// MaxPath is the longest path of a socket in bytes: sun_path holds 108, one of
// them for the NUL (unix(7)).
const MaxPath = 107

// Socket returns the connected descriptor that WAYLAND_SOCKET=value hands to
// the program: digits only, and a socket that was open when chrun started.
func Socket(value string) (int, error) {
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return -1, fmt.Errorf("%q is no descriptor number", value)
	}
	fd, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return -1, fmt.Errorf("%s is no descriptor number", value)
	}
	// What was inherited survived an exec; close-on-exec means one of our own.
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

// Path returns the path of the socket called name, a value of WAYLAND_DISPLAY:
// absolute, or relative to dir and then possibly with slashes. The empty name
// is an error: a client would connect to the directory.
func Path(name string, dir session.HostPath) (session.HostPath, error) {
	switch {
	case name == "":
		return "", errors.New("it is empty")
	case path.IsAbs(name):
	case dir == "":
		return "", errors.New("there is no runtime directory")
	default:
		name = string(dir) + "/" + name
	}
	p := path.Clean(name)
	if len(p) > MaxPath {
		return "", fmt.Errorf("the path has %d bytes, a socket's at most %d", len(p), MaxPath)
	}
	return session.HostPath(p), nil
}

// Names lists what is called like a compositor's socket in dir: wayland-0
// first, then by number, then other names. Locks are left out.
func Names(dir session.HostPath) []string {
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
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(number(a), number(b)) })
	return names
}

func number(name string) uint64 {
	n, err := strconv.ParseUint(strings.TrimPrefix(name, "wayland-"), 10, 32)
	if err != nil {
		return 1 << 32 // behind all numbers
	}
	return n
}
