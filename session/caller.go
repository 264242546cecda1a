package session

import (
	"bufio"
	"bytes"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"

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

// Caller is who calls chrun, and whose desktop it is.
type Caller struct {
	UID, GID int
	Groups   []int           // supplementary, by the host's record; nil: as they are
	Account  account.Account // the host's record of UID
	Env      Environ
	Cwd      HostPath // "" if it cannot be named
	Hostname string
	// RuntimeDir is the caller's runtime directory: $XDG_RUNTIME_DIR if it is
	// absolute, else /run/user/UID; in both cases an existing directory that
	// the caller owns. "" if there is none.
	RuntimeDir HostPath
	// Private says that the program is another uid's, so that single sockets are
	// put into a runtime directory of its own, at the same path.
	Private bool
	// Host is where the host's files are read: "/"; tests give another place.
	Host HostPath
	// Listeners are the sockets that a server listens on now, read once.
	Listeners func() Listeners

	machineID *string
}

// MachineID is the host's machine id, or "" (machine-id(5); the older place of
// D-Bus second).
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

// PathThroughHome names a real path by the home's, where a link leads to the home: what
// lies in it is seen and judged under that name.
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

// Listens says whether p is a socket, links followed, with a live server.
func (c *Caller) IsListening(p HostPath) bool { return IsSocket(p) && c.Listeners().IsLive(p) }

// FindRuntimeDir returns the runtime directory for uid (XDG Base Directory
// 0.8): $XDG_RUNTIME_DIR when it is an absolute path to a directory of uid,
// else /run/user/UID when that is one with mode 0700.
func FindRuntimeDir(env Environ, uid int) HostPath {
	if dir := env.Get("XDG_RUNTIME_DIR"); path.IsAbs(dir) {
		if st, err := os.Stat(dir); err == nil && st.IsDir() && Owner(st) == uid {
			if real, err := rootfs.ResolveHost(HostPath(dir)); err == nil {
				return real // a place of that name need not be had inside
			}
		}
	}
	dir := "/run/user/" + strconv.Itoa(uid)
	if st, err := os.Lstat(dir); err == nil && st.IsDir() && Owner(st) == uid && st.Mode().Perm() == 0o700 {
		return HostPath(dir)
	}
	return ""
}

// Owner is the uid that owns a file.
func Owner(st os.FileInfo) int { return int(st.Sys().(*syscall.Stat_t).Uid) }

// Listeners holds the Unix sockets with a live listener; abstract names begin
// with '@'.
type Listeners map[string]bool

// ReadListeners reads the table /proc/net/unix: flag 00010000 (__SO_ACCEPTCON)
// marks a socket that listens. Asking the table instead of connecting starts
// no socket-activated server.
func ReadListeners(table string) Listeners {
	l := Listeners{}
	data, err := rootfs.ReadHost(HostPath(table), 64<<20, 0)
	if err != nil {
		return l
	}
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(nil, len(data)+1)
	for sc.Scan() {
		// Num RefCount Protocol Flags Type St Inode Path
		f := strings.Fields(sc.Text())
		if len(f) < 8 || f[3] != "00010000" {
			continue
		}
		// A path may hold blanks: everything behind the inode.
		if _, p, ok := strings.Cut(sc.Text(), " "+f[6]+" "); ok {
			l[p] = true
		}
	}
	return l
}

// LazyListeners reads the host's table at its first use.
func LazyListeners() func() Listeners {
	return sync.OnceValue(func() Listeners { return ReadListeners("/proc/net/unix") })
}

// Live says whether a server listens on the socket at p. A server that bound
// it through a relative path, or through a path that only its own mount
// namespace has, is recognised by the base name.
func (l Listeners) IsLive(p HostPath) bool {
	if l[string(p)] {
		return true
	}
	if real, err := realpath(string(p)); err == nil && l[real] {
		return true
	}
	for name := range l {
		if path.Base(name) != path.Base(string(p)) || strings.HasPrefix(name, "@") {
			continue
		}
		if !path.IsAbs(name) {
			return true
		}
		if _, err := os.Lstat(name); os.IsNotExist(err) {
			return true
		}
		if real, err := realpath(name); err == nil && real == string(p) {
			return true
		}
	}
	// The table is that of one network namespace, but pathname sockets ignore
	// those (unix(7)): under "ip netns exec" the host's are in init's table.
	return ReadListeners("/proc/1/net/unix")[string(p)]
}

// realpath resolves the directories of p, not p itself.
func realpath(p string) (string, error) {
	dir, err := rootfs.ResolveHost(HostPath(path.Dir(p)))
	return path.Join(string(dir), path.Base(p)), err
}

// IsSocket says whether p is a socket, symlinks followed.
func IsSocket(p HostPath) bool {
	st, err := os.Stat(string(p))
	return err == nil && st.Mode()&os.ModeSocket != 0
}
