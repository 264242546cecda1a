package desktop

import (
	"path"

	"chrun/session"
)

// shareIBus shares the way to the input method IBus, which has a bus of its
// own. Its address is in a file of the home that is named after the machine id
// and the display (ibus_get_socket_path), which are the host's inside too. The
// socket is an abstract one, or in the cache directory. Whole directories, so
// that a daemon which restarts is found again.
func shareIBus(f *session.Facts, s *session.Share) {
	config, dest := configHome(f)
	if config = config.Join("ibus/bus"); !isDir(config) {
		return
	}
	s.State += ", and IBus"
	const why = "the input method IBus"
	s.Binds = append(s.Binds, session.Bind{Source: config, Dest: dest.Join("ibus/bus"), Why: why})
	cache := session.HostPath(f.Caller.Account.Home).Join(".cache")
	if dir := f.Caller.Env.Get("XDG_CACHE_HOME"); path.IsAbs(dir) {
		cache = session.HostPath(path.Clean(dir))
	}
	if cache = cache.Join("ibus"); isDir(cache) {
		s.Binds = append(s.Binds, session.Bind{Source: cache, Dest: session.Path(cache), Why: why})
	}
}
