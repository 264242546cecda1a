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
	"chrun/session/rootfs"
)

// cookie admits a client to one display.
type cookie struct {
	entries []x11.Entry      // empty if no cookie was found
	file    session.HostPath // where it is from
	notes   []string
}

// cookieFinder finds cookies for a caller. It reads all of /proc at most once,
// and only if nothing else helps.
type cookieFinder struct {
	f       *session.Facts
	c       *session.Caller
	servers func() []x11.Server
}

func newCookieFinder(f *session.Facts) *cookieFinder {
	c := f.Caller
	return &cookieFinder{f: f, c: c, servers: sync.OnceValue(func() []x11.Server {
		return x11.FindServers(c.Host.Join("proc"), c.UID)
	})}
}

// find finds the cookie of d: in the file that XAUTHORITY names, or else in the
// files that programs make when they start an X server.
func (k *cookieFinder) find(d x11.Display) cookie {
	best, notes := k.findNamed(d)
	if len(best.entries) == 0 {
		best = k.search(d)
	}
	if len(best.entries) > 0 && k.mayAsk(d) {
		best = k.choose(d, best)
	}
	best.notes = append(notes, best.notes...)
	return best
}

// findNamed finds the cookie of d in the file that XAUTHORITY names. The notes say
// why there is none.
func (k *cookieFinder) findNamed(d x11.Display) (found cookie, notes []string) {
	file, ok := k.c.Env.Lookup("XAUTHORITY")
	if !ok {
		return cookie{}, nil
	}
	found, renamed, err := k.read(d, session.HostPath(file), x11.AnyOwner, 0)
	switch {
	case len(found.entries) > 0:
		return found, nil
	case len(renamed.entries) > 0:
		return renamed, nil
	case err == nil:
		err = fmt.Errorf("it contains no cookie for %v", d)
	}
	return cookie{}, []string{fmt.Sprintf("XAUTHORITY=%q is not used: %v", file, err)}
}

// search returns the first cookie of d in the files of listFiles.
func (k *cookieFinder) search(d x11.Display) (best cookie) {
	for file, flags := range k.listFiles(d) {
		found, renamed, _ := k.read(d, file, k.c.UID, flags)
		if len(found.entries) > 0 {
			return found
		}
		if len(best.entries) == 0 {
			best = renamed
		}
	}
	return best
}

// read selects the cookie of d from one file. renamed is one for another
// hostname, which is used only if no file has a better one.
func (k *cookieFinder) read(d x11.Display, file session.HostPath, owner, flags int) (found, renamed cookie, err error) {
	entries, err := x11.ReadAuthority(file, owner, flags)
	if err != nil {
		return cookie{}, cookie{}, err
	}
	if e := x11.SelectEntries(entries, d, k.c.Hostname, k.c.Env.Get("XAUTHLOCALHOSTNAME")); len(e) > 0 {
		found = cookie{entries: e, file: file}
	} else if e := x11.SelectRenamedEntries(entries, d); len(e) > 0 {
		note := "the cookie was made for a hostname other than " + k.c.Hostname
		renamed = cookie{entries: e, file: file, notes: []string{note}}
	}
	return found, renamed, nil
}

// listUsualFiles yields the files in the usual places, with the flags to open them.
// Only the first one, the default of libXau, may be a symlink.
func (k *cookieFinder) listUsualFiles() iter.Seq2[session.HostPath, int] {
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
	}
}

// listFiles yields the files that may contain a cookie for d, with the flags to
// open them, starting with those that are fastest to find.
func (k *cookieFinder) listFiles(d x11.Display) iter.Seq2[session.HostPath, int] {
	return func(yield func(session.HostPath, int) bool) {
		for file, flags := range k.listUsualFiles() {
			if !yield(file, flags) {
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
	entries, _ := rootfs.ListHost(dir)
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
