package desktop

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// maxLooseFiles is how many files at the top of a home are shared.
const maxLooseFiles = 500

// linkTime is how long the targets of symlinks at the top of a home may take to be
// found: one may be on a network file system that does not answer.
const linkTime = 200 * time.Millisecond

// listHomeEntries lists what is visible at the top of the caller's home:
// directories, files, and symlinks to directories that may be shared. Types come
// from reading the directory, because even lstat(2) can hang on a dead mount.
func listHomeEntries(c *session.Caller) (entries []session.HomeEntry, notes []string) {
	home := session.HostPath(c.Account.Home)
	list, err := rootfs.ListHost(home)
	if err != nil {
		return nil, []string{fmt.Sprintf("%s is not shared: %v", home, err)}
	}
	entries = make([]session.HomeEntry, 0, len(list))
	var links []string
	left := leftOut{}
	files := 0
	for _, e := range list {
		name := e.Name()
		switch {
		case name[0] == '.':
		case e.IsDir():
			entries = append(entries, session.HomeEntry{Name: name, Dir: home.Join(name)})
		case e.Type()&fs.ModeSymlink != 0:
			links = append(links, name)
		case e.Type().IsRegular():
			if files++; files <= maxLooseFiles {
				entries = append(entries, session.HomeEntry{Name: name})
			}
		default:
			left.add(isSpecial, name)
		}
	}
	if files > maxLooseFiles {
		notes = append(notes, fmt.Sprintf("only the first %d of %d files at the top of %s are shared", maxLooseFiles, files, home))
	}
	for _, l := range resolveHomeLinks(c, home, links) {
		if l.why == "" {
			entries = append(entries, l.HomeEntry)
		} else {
			left.add(l.why, l.Name)
		}
	}
	return entries, append(notes, left.notes(home)...)
}

// Why entries of the home are left out.
const (
	isSpecial    = "sockets, FIFOs and devices"
	leadsNowhere = "symlinks that lead nowhere"
	leadsToOwn   = "symlinks to dot files, to the system, and to the home or above"
	leadsOutside = "symlinks to files outside the home"
	isLate       = "symlinks into a file system that does not answer"
)

// leftOut are the names of what is left out, by the reason.
type leftOut map[string][]string

func (l leftOut) add(why, name string) { l[why] = append(l[why], name) }

// notes returns a line for each reason.
func (l leftOut) notes(home session.HostPath) (notes []string) {
	const most = 5
	for _, why := range slices.Sorted(maps.Keys(l)) {
		names := l[why]
		text := strings.Join(names[:min(most, len(names))], ", ")
		if len(names) > most {
			text += fmt.Sprintf(" and %d more", len(names)-most)
		}
		notes = append(notes, fmt.Sprintf("left out at the top of %s: %s (%s)", home, why, text))
	}
	return notes
}

// homeLink is a symlink at the top of the home: an entry, or why it is left out.
type homeLink struct {
	session.HomeEntry
	why string
}

// resolveHomeLinks finds where symlinks at the top of the home lead.
func resolveHomeLinks(c *session.Caller, home session.HostPath, names []string) (links []homeLink) {
	if len(names) == 0 {
		return nil
	}
	found := make(chan homeLink, len(names))
	go func() {
		for _, name := range names {
			e, why := resolveHomeLink(c, home, name)
			e.Name = name
			found <- homeLink{e, why}
		}
	}()
	timeout := time.After(linkTime)
	for i := range names {
		select {
		case l := <-found:
			links = append(links, l)
		case <-timeout:
			for _, name := range names[i:] {
				links = append(links, homeLink{session.HomeEntry{Name: name}, isLate})
			}
			return links
		}
	}
	return links
}

// resolveHomeLink accepts a symlink to a directory that is neither the system's,
// nor the home or above it, nor a dot directory of it, and one to a visible file
// of the home. Otherwise it returns why not.
func resolveHomeLink(c *session.Caller, home session.HostPath, name string) (e session.HomeEntry, why string) {
	real, err := rootfs.ResolveHost(home.Join(name))
	var st unix.Stat_t
	if err != nil || unix.Stat(string(real), &st) != nil {
		return e, leadsNowhere
	}
	real = c.PathThroughHome(real)
	if !session.IsShareable(c, real) {
		return e, leadsToOwn
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return session.HomeEntry{Dir: real}, ""
	case unix.S_IFREG:
		if real.IsBelow(home) {
			return e, ""
		}
		return e, leadsOutside
	}
	return e, isSpecial
}

// userDirBinds shares the directories of user-dirs.dirs that are not at the top of
// the home, and for a program with another uid those that are.
func userDirBinds(f *session.Facts, dirs []userDir) (binds []session.Bind, notes []string) {
	home := session.HostPath(f.Caller.Account.Home)
	for _, d := range dirs {
		switch {
		case home.IsBelow(d.dir): // equal to the home: the documented way to disable it
		case d.dir.IsBelow(home) && !f.PrivateRuntimeDir(): // below a shared directory of the home
		case !isDir(d.dir):
			notes = append(notes, fmt.Sprintf("%s (%s) does not exist; xdg-user-dirs-update creates it", d.dir, d.name))
		case !session.IsShareable(f.Caller, d.dir):
			notes = append(notes, fmt.Sprintf("%s (%s) is not shared: it belongs to the system, or contains settings", d.dir, d.name))
		default:
			binds = append(binds, session.Bind{Source: d.dir, Dest: session.Path(d.dir), Why: "the caller's " + d.name})
		}
	}
	return binds, notes
}

// describeHome names what is shared in one phrase.
func describeHome(entries []session.HomeEntry, binds []session.Bind) string {
	dirs, files := len(binds), 0
	for _, e := range entries {
		if e.Dir != "" {
			dirs++
		} else {
			files++
		}
	}
	if dirs+files == 0 {
		return "your home has no visible files"
	}
	text := fmt.Sprintf("%d directories and %d files of your home", dirs, files)
	if len(binds) > 0 {
		text += ", with " + path.Base(string(binds[0].Source))
	}
	return text
}
