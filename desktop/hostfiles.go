package desktop

import (
	"path"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// noServer is a value for a variable that names a socket: nothing ever listens
// there. It means none to libraries that try other servers if it is unset.
const noServer = "/dev/null"

func exists(p session.HostPath) bool {
	var st unix.Stat_t
	return unix.Stat(string(p), &st) == nil
}

func isDir(p session.HostPath) bool { return hasType(p, unix.S_IFDIR) }

func isFile(p session.HostPath) bool { return hasType(p, unix.S_IFREG) }

func hasType(p session.HostPath, fileType uint32) bool {
	var st unix.Stat_t
	return unix.Stat(string(p), &st) == nil && st.Mode&unix.S_IFMT == fileType
}

// askWithin calls ask, which reads files that may be on a file system that does not
// answer. It reports whether the call returned within the time.
func askWithin[T any](limit time.Duration, ask func() T) (answer T, answered bool) {
	answers := make(chan T, 1)
	go func() { answers <- ask() }()
	select {
	case answer = <-answers:
		return answer, true
	case <-time.After(limit):
		return answer, false
	}
}

// The XDG base directories of the caller on the host. A relative value is
// ignored (XDG Base Directory 0.8).

func dataHome(c *session.Caller) session.HostPath {
	return baseDir(c, "XDG_DATA_HOME", ".local/share")
}

func cacheHome(c *session.Caller) session.HostPath { return baseDir(c, "XDG_CACHE_HOME", ".cache") }

func baseDir(c *session.Caller, variable, fallback string) session.HostPath {
	if dir := c.Env.Get(variable); path.IsAbs(dir) {
		return session.HostPath(path.Clean(dir))
	}
	return session.HostPath(c.Account.Home).Join(fallback)
}

// configHome returns XDG_CONFIG_HOME on the host and inside.
func configHome(f *session.Facts) (source session.HostPath, dest session.Path) {
	source, dest = baseDir(f.Caller, "XDG_CONFIG_HOME", ".config"), f.Home.Join(".config")
	if dir := f.Caller.Env.Get("XDG_CONFIG_HOME"); path.IsAbs(dir) {
		if ok, _ := KeepVariable("XDG_CONFIG_HOME", dir, f.Home); ok {
			dest = session.Path(source)
		}
	}
	return source, dest
}
