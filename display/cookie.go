package display

import (
	"cmp"
	"fmt"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
	"chrun/session"
)

// cookie admits a client to one display.
type cookie struct {
	file    session.HostPath // from which the entries are
	entries []x11.Entry      // empty if no cookie was found
	source  string           // the file it is from, for -v
	notes   []string
}

// cookieFinder finds cookies for a caller. It reads all of /proc at most once,
// and only if nothing else helps.
type cookieFinder struct {
	c       *session.Caller
	servers func() []x11.Server
}

func newCookieFinder(c *session.Caller) *cookieFinder {
	return &cookieFinder{c: c, servers: sync.OnceValue(func() []x11.Server {
		return x11.FindServers(c.Host.Join("proc"), c.UID)
	})}
}

// find finds the cookie of d: in the file that XAUTHORITY names, or else in the
// files that programs make when they start an X server.
func (k *cookieFinder) find(d x11.Display) cookie {
	var notes []string
	if file, ok := k.c.Env.Lookup("XAUTHORITY"); ok {
		found, renamed, err := k.read(d, session.HostPath(file), x11.AnyOwner, 0)
		if len(found.entries) == 0 {
			found = renamed
		}
		if len(found.entries) > 0 {
			return found
		}
		if err == nil {
			err = fmt.Errorf("it contains no cookie for %v", d)
		}
		notes = []string{fmt.Sprintf("XAUTHORITY=%q is not used: %v", file, err)}
	}
	var best cookie
	for file, flags := range k.listFiles(d) {
		found, renamed, _ := k.read(d, file, k.c.UID, flags)
		if len(found.entries) > 0 {
			best = found
			break
		}
		if len(best.entries) == 0 {
			best = renamed
		}
	}
	best.notes = append(notes, best.notes...)
	return best
}

// read selects the cookie of d from one file. renamed is one for another
// hostname, which is used only if no file has a better one.
func (k *cookieFinder) read(d x11.Display, file session.HostPath, owner, flags int) (found, renamed cookie, err error) {
	entries, err := x11.ReadAuthority(file, owner, flags)
	if err != nil {
		return cookie{}, cookie{}, err
	}
	source := "cookie from " + string(file)
	if e := x11.SelectEntries(entries, d, k.c.Hostname, k.c.Env.Get("XAUTHLOCALHOSTNAME")); len(e) > 0 {
		found = cookie{entries: e, source: source, file: file}
	} else if e := x11.SelectRenamedEntries(entries, d); len(e) > 0 {
		note := "the cookie was made for a hostname other than " + k.c.Hostname
		renamed = cookie{entries: e, source: source, file: file, notes: []string{note}}
	}
	return found, renamed, nil
}

// listFiles yields the files that may contain a cookie for d, with the flags to
// open them, starting with those that are fastest to find. Only the first one, the
// default of libXau, may be a symlink.
func (k *cookieFinder) listFiles(d x11.Display) iter.Seq2[session.HostPath, int] {
	return func(yield func(session.HostPath, int) bool) {
		home := k.c.Env.Get("HOME")
		if home == "" {
			home = k.c.Account.Home
		}
		if path.IsAbs(home) && !yield(session.HostPath(home).Join(".Xauthority"), 0) {
			return
		}
		for _, file := range listRuntimeCookies(k.c.RuntimeDir) {
			if !yield(file, unix.O_NOFOLLOW) {
				return
			}
		}
		if d.IsRemote() {
			return
		}
		seen := map[session.HostPath]bool{}
		isNew := func(file session.HostPath) bool {
			old := seen[file]
			seen[file] = true
			return !old && path.IsAbs(string(file))
		}
		servers := k.findServers(d)
		for _, s := range servers {
			if isNew(s.Auth) && !yield(s.Auth, unix.O_NOFOLLOW) {
				return
			}
		}
		if d.Path == "" && len(servers) == 1 && servers[0].Number == d.Number && servers[0].Auth == "" {
			return // it requires no cookie, such as the Xwayland of sway
		}
		for env := range x11.ReadEnvironments(k.c.Host.Join("proc"), k.c.UID) {
			file := session.HostPath(env.Get("XAUTHORITY"))
			if file == "" || seen[file] {
				continue
			}
			e, err := x11.ParseDisplay(env.Get("DISPLAY"), session.IsSocket)
			if err == nil && e.IsSameServer(d) && isNew(file) && !yield(file, unix.O_NOFOLLOW) {
				return
			}
		}
	}
}

// findServers returns the server of d or, if it is not known, all that it could
// be.
func (k *cookieFinder) findServers(d x11.Display) []x11.Server {
	if d.Host != "" {
		return nil
	}
	tmp := k.c.Host.Join(path.Dir(x11.SocketDir))
	if d.Path == "" {
		if s, ok := x11.FindServerByLock(tmp, k.c.Host.Join("proc"), d.Number, k.c.UID); ok {
			return []x11.Server{s}
		}
	}
	var certain, possible []x11.Server
	for _, s := range k.servers() {
		switch {
		case d.Path == "" && s.Number == d.Number:
			certain = append(certain, s)
		case d.Path != "" || s.Number < 0:
			possible = append(possible, s)
		}
	}
	if len(certain) > 0 {
		return certain
	}
	return possible
}

// listRuntimeCookies returns the files that mutter and KWin make for their
// Xwayland, the newest first, because crashed sessions leave theirs behind.
func listRuntimeCookies(dir session.HostPath) []session.HostPath {
	if dir == "" {
		return nil
	}
	entries, _ := os.ReadDir(string(dir))
	var infos []os.FileInfo
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".mutter-Xwaylandauth.") || strings.HasPrefix(e.Name(), "xauth_") {
			if st, err := e.Info(); err == nil {
				infos = append(infos, st)
			}
		}
	}
	slices.SortFunc(infos, func(a, b os.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	var files []session.HostPath
	for _, st := range infos {
		files = append(files, dir.Join(st.Name()))
	}
	return files
}
