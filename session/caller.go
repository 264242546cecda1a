package session

import (
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chrun/session/account"
	"chrun/session/rootfs"
)

// Environ is an environment as execve(2) takes it: NAME=VALUE, any bytes.
type Environ []string

// Lookup returns the value of the first NAME= entry, as getenv(3) does.
func (e Environ) Lookup(name string) (string, bool) {
	for _, kv := range e {
		if len(kv) > len(name) && kv[len(name)] == '=' && kv[:len(name)] == name {
			return kv[len(name)+1:], true
		}
	}
	return "", false
}

// Get returns the value of name, or "".
func (e Environ) Get(name string) string { v, _ := e.Lookup(name); return v }

// Caller is the user who runs chrun, and whose desktop it is.
type Caller struct {
	UID, GID int
	Groups   []int           // supplementary groups by the host's record; nil leaves them unchanged
	Account  account.Account // the host's record of UID
	Env      Environ
	Cwd      HostPath // "" if its path is unknown
	Hostname string
	// RuntimeDir is the caller's runtime directory: $XDG_RUNTIME_DIR if it is
	// absolute, else /run/user/UID; in both cases an existing directory that
	// the caller owns. "" if there is none.
	RuntimeDir HostPath
	// ThroughRoot means that the caller made this launch through root (sudo, doas),
	// which drops most variables of the desktop.
	ThroughRoot bool
	// OpensDisplay asks an X server whether it accepts a cookie. It is nil if no
	// server may be asked.
	OpensDisplay func(display string, cookie []byte, limit time.Duration) (bool, error)
	// Host is the directory in which the host's files are read: "/", except in tests.
	Host HostPath
	// Listeners returns the sockets that have a live server.
	Listeners func() *Listeners

	machineID *string
}

// MachineID returns the host's machine id, or "" (machine-id(5), else the older
// file of D-Bus).
func (c *Caller) MachineID() string {
	if c.machineID == nil {
		c.machineID = new(string)
		for _, p := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
			data, err := rootfs.ReadHost(c.Host.Join(p), 4096, 0)
			id := strings.TrimSpace(string(data))
			if err == nil && len(id) == 32 && strings.Trim(id, "0123456789abcdef") == "" {
				*c.machineID = id
				break
			}
		}
	}
	return *c.machineID
}

// RuntimeDirInside returns XDG_RUNTIME_DIR inside: the path of the caller's, or
// that of a new one.
func (c *Caller) RuntimeDirInside() Path {
	if c.RuntimeDir != "" {
		return Path(c.RuntimeDir)
	}
	return Path("/run/user/" + strconv.Itoa(c.UID))
}

// PathThroughHome returns a real path as the home names it, if the home is
// reached through a symlink: files in it are shared and judged by that name.
func (c *Caller) PathThroughHome(p HostPath) HostPath {
	home := HostPath(c.Account.Home)
	if p.IsBelow(home) {
		return p
	}
	if real, err := rootfs.ResolveHost(home); err == nil && real != "/" && p.IsBelow(real) {
		return home.Join(strings.TrimPrefix(string(p), string(real)))
	}
	return p
}

// FindRuntimeDir returns the runtime directory for uid (XDG Base Directory
// 0.8): $XDG_RUNTIME_DIR if it is an absolute path to a directory of uid, else
// /run/user/UID if that is a directory of uid with mode 0700, else "".
func FindRuntimeDir(env Environ, uid int) HostPath {
	if dir := env.Get("XDG_RUNTIME_DIR"); path.IsAbs(dir) {
		if st, err := os.Stat(dir); err == nil && st.IsDir() && Owner(st) == uid {
			if real, err := rootfs.ResolveHost(HostPath(dir)); err == nil {
				return real // the chroot may lack the symlinks on the way
			}
		}
	}
	dir := "/run/user/" + strconv.Itoa(uid)
	if st, err := os.Lstat(dir); err == nil && st.IsDir() && Owner(st) == uid && st.Mode().Perm() == 0o700 {
		return HostPath(dir)
	}
	return ""
}

// Owner returns the uid that owns a file.
func Owner(st os.FileInfo) int { return int(st.Sys().(*syscall.Stat_t).Uid) }

// IsSocket reports whether p is a socket. It follows symlinks.
func IsSocket(p HostPath) bool {
	st, err := os.Stat(string(p))
	return err == nil && st.Mode()&os.ModeSocket != 0
}
