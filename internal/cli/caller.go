// Package cli holds what the two commands share: who calls, where the
// configuration is, the command line's tables (flags, verbs, identity kinds,
// home modes), and the form of errors and hints. It decides nothing about a
// launch and starts nothing.
package cli

import (
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/desktop"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// SystemDir holds the configuration for all users.
const SystemDir = "/etc/chrun"

// NewCaller reads who calls chrun: uid and gid with their environment. HOME
// counts as the home of an account only if uid owns that directory.
func NewCaller(uid, gid int, env session.Environ) *session.Caller {
	c := &session.Caller{UID: uid, GID: gid, Host: "/", Listeners: session.LazyListeners()}
	c.Account = account.LookUpHostUID(c.UID, c.GID, c.Host, env.Get)
	env = withoutSandboxDirs(withoutForeignDirs(env, c.UID), c.Account.Home)
	c.Env = env
	if home := env.Get("HOME"); path.IsAbs(home) && c.UID != 0 {
		if st, err := os.Stat(home); err == nil && session.Owner(st) == c.UID {
			c.Account.Home = path.Clean(home) // what ~ means to the caller
		}
	}
	if dir := WorkingDir(); dir != "" {
		c.Cwd = c.PathThroughHome(dir)
	}
	c.Hostname, _ = os.Hostname()
	c.RuntimeDir = session.FindRuntimeDir(env, c.UID)
	if named := env.Get("XDG_RUNTIME_DIR"); c.RuntimeDir != "" && path.IsAbs(named) && path.Clean(named) != string(c.RuntimeDir) {
		if real, err := rootfs.ResolveHost(session.HostPath(named)); err == nil && real == c.RuntimeDir { // a link to it
			c.Env = append(session.Environ{"XDG_RUNTIME_DIR=" + string(real)}, env...)
		}
	}
	return c
}

// recordDirs are the variables with base directories in which chrun keeps records (XDG
// Base Directory Specification). Of a configuration, package config checks each file.
var recordDirs = []string{"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"}

// withoutForeignDirs leaves out the base directories that another user could have
// filled. "su" and "sudo -E" pass on those of the user who called them, and "chrunctl
// gc" removes what the records there name.
func withoutForeignDirs(env session.Environ, uid int) session.Environ {
	isForeign := func(kv string) bool {
		name, value, _ := strings.Cut(kv, "=")
		return slices.Contains(recordDirs, name) && path.IsAbs(value) && !isOwn(value, uid)
	}
	if !slices.ContainsFunc(env, isForeign) {
		return env
	}
	return slices.DeleteFunc(slices.Clone(env), isForeign)
}

// isOwn reports whether every directory on the way to dir that exists belongs to uid
// or to root.
func isOwn(dir string, uid int) bool {
	dir = path.Clean(dir)
	real, err := rootfs.ResolveHost(session.HostPath(dir))
	for err != nil && dir != "/" {
		dir = path.Dir(dir)
		real, err = rootfs.ResolveHost(session.HostPath(dir))
	}
	for dir := string(real); ; dir = path.Dir(dir) {
		st, err := os.Stat(dir)
		if err != nil || session.Owner(st) != uid && session.Owner(st) != 0 {
			return false
		}
		if dir == "/" {
			return true
		}
	}
}

// withoutSandboxDirs leaves out the base directories that a snap or a flatpak sets
// for itself and that its terminal passes on. They are one application's, and a
// snap's change with each of its revisions, so neither chrun's configuration and
// private homes nor the settings of the desktop are there.
func withoutSandboxDirs(env session.Environ, home string) session.Environ {
	var sandboxes []session.Path
	for _, dir := range []string{env.Get("SNAP_USER_DATA"), env.Get("SNAP_USER_COMMON"), home + "/snap", home + "/.var/app"} {
		if path.IsAbs(dir) {
			sandboxes = append(sandboxes, session.Path(path.Clean(dir)))
		}
	}
	names := append([]string{"HOME", "XDG_CONFIG_HOME"}, recordDirs...)
	isSandboxed := func(kv string) bool {
		name, value, _ := strings.Cut(kv, "=")
		return slices.Contains(names, name) && slices.ContainsFunc(sandboxes, session.Path(path.Clean(value)).IsBelow)
	}
	if !slices.ContainsFunc(env, isSandboxed) {
		return env
	}
	return slices.DeleteFunc(slices.Clone(env), isSandboxed)
}

// WorkingDir is the working directory, or "" if it has no name.
func WorkingDir() session.HostPath {
	if dir, err := unix.Getwd(); err == nil && path.IsAbs(dir) {
		return session.HostPath(dir)
	}
	return ""
}

// ConfigSource says where the configuration of c is: the caller's own and that
// in the directory system. warn is told about files that are ignored; it may
// be nil.
func ConfigSource(c *session.Caller, system string, warn func(error)) config.Source {
	return config.Source{System: system, Cwd: string(c.Cwd), Root: c.UID == 0,
		User: config.UserConfigDir(c.Env.Get("XDG_CONFIG_HOME"), c.Account.Home),
		Home: func() string { return c.Account.Home },
		Feature: func(name string) error {
			_, err := desktop.FeaturesNamed(name)
			return err
		},
		Warn: warn,
	}
}

// StateDir is where chrun keeps its own records for c, "" if c has no home.
func StateDir(c *session.Caller) string {
	return config.UserStateDir(c.Env.Get("XDG_STATE_HOME"), c.Account.Home)
}

// DataDir is where the private homes of c are, "" if c has no home.
func DataDir(c *session.Caller) string {
	return config.UserDataDir(c.Env.Get("XDG_DATA_HOME"), c.Account.Home)
}

// HostPath makes a path of the command line absolute; ~ is the home of c.
func HostPath(c *session.Caller, p string) session.HostPath {
	switch {
	case p == "~" || strings.HasPrefix(p, "~/"):
		return session.HostPath(path.Join(c.Account.Home, p[1:]))
	case !path.IsAbs(p):
		return c.Cwd.Join(p)
	}
	return session.HostPath(path.Clean(p))
}

// ShortPath writes ~ for the home at the start of p.
func ShortPath(p, home string) string {
	if rest, ok := strings.CutPrefix(p, home+"/"); ok {
		return "~/" + rest
	}
	return p
}

// IsTerminal reports whether the descriptor is a terminal.
func IsTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}
