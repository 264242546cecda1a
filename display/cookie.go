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

// cookie is what admits a client to one display.
type cookie struct {
	entries []x11.Entry // none: there is no cookie
	from    string      // where it was found, for people
	notes   []string
}

// cookies finds cookies for a caller. What takes a walk through /proc is done
// when all else failed, and once.
type cookies struct {
	c       *session.Caller
	servers func() []x11.Server
}

func newCookies(c *session.Caller) *cookies {
	return &cookies{c: c, servers: sync.OnceValue(func() []x11.Server {
		return x11.FindServers(c.Host.Join("proc"), c.UID)
	})}
}

// find looks for the cookie of d: in the file that XAUTHORITY names, else where
// one is left by those who start X servers.
func (k *cookies) find(d x11.Display) cookie {
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
			err = fmt.Errorf("it holds no cookie for %v", d)
		}
		notes = []string{fmt.Sprintf("XAUTHORITY=%q is of no use: %v", file, err)}
	}
	var best cookie
	for file, flags := range k.places(d) {
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

// read selects the cookie of d from one file; renamed is one under another host
// name, to be used when there is no better one anywhere.
func (k *cookies) read(d x11.Display, file session.HostPath, owner, flags int) (found, renamed cookie, err error) {
	entries, err := x11.ReadAuthority(file, owner, flags)
	if err != nil {
		return cookie{}, cookie{}, err
	}
	from := "cookie from " + string(file)
	if e := x11.SelectEntries(entries, d, k.c.Hostname, k.c.Env.Get("XAUTHLOCALHOSTNAME")); len(e) > 0 {
		found = cookie{entries: e, from: from}
	} else if e := x11.SelectRenamedEntries(entries, d); len(e) > 0 {
		note := "the cookie was made for another host name than " + k.c.Hostname
		renamed = cookie{entries: e, from: from, notes: []string{note}}
	}
	return found, renamed, nil
}

// places yields the files that may hold a cookie for d, and how to open them,
// from cheap to dear. Only the first, libXau's own default, may be a symlink.
func (k *cookies) places(d x11.Display) iter.Seq2[session.HostPath, int] {
	return func(yield func(session.HostPath, int) bool) {
		home := k.c.Env.Get("HOME")
		if home == "" {
			home = k.c.Account.Home
		}
		if path.IsAbs(home) && !yield(session.HostPath(home).Join(".Xauthority"), 0) {
			return
		}
		for _, file := range runtimeCookies(k.c.RuntimeDir) {
			if !yield(file, unix.O_NOFOLLOW) {
				return
			}
		}
		if d.IsRemote() {
			return
		}
		seen := map[session.HostPath]bool{}
		fresh := func(file session.HostPath) bool {
			old := seen[file]
			seen[file] = true
			return !old && path.IsAbs(string(file))
		}
		servers := k.serving(d)
		for _, s := range servers {
			if fresh(s.Auth) && !yield(s.Auth, unix.O_NOFOLLOW) {
				return
			}
		}
		if d.Path == "" && len(servers) == 1 && servers[0].Number == d.Number && servers[0].Auth == "" {
			return // it asks for no cookie: sway's Xwayland, Xvfb by hand
		}
		for env := range x11.ReadEnvironments(k.c.Host.Join("proc"), k.c.UID) {
			file := session.HostPath(env.Get("XAUTHORITY"))
			if file == "" || seen[file] {
				continue
			}
			e, err := x11.ParseDisplay(env.Get("DISPLAY"), session.IsSocket)
			if err == nil && e.IsSameServer(d) && fresh(file) && !yield(file, unix.O_NOFOLLOW) {
				return
			}
		}
	}
}

// serving returns the servers that d may be, its own where that is known.
func (k *cookies) serving(d x11.Display) []x11.Server {
	if d.Host != "" {
		return nil
	}
	tmp := k.c.Host.Join(path.Dir(x11.SocketDir))
	if d.Path == "" {
		if s, ok := x11.FindServerByLock(tmp, k.c.Host.Join("proc"), d.Number, k.c.UID); ok {
			return []x11.Server{s}
		}
	}
	var sure, unsure []x11.Server
	for _, s := range k.servers() {
		switch {
		case d.Path == "" && s.Number == d.Number:
			sure = append(sure, s)
		case d.Path != "" || s.Number < 0:
			unsure = append(unsure, s)
		}
	}
	if len(sure) > 0 {
		return sure
	}
	return unsure
}

// runtimeCookies lists the files that mutter and KWin make for their Xwayland,
// the newest first: a crashed session leaves its own behind.
func runtimeCookies(dir session.HostPath) []session.HostPath {
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
