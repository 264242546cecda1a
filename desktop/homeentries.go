package desktop

import (
	"fmt"
	"io/fs"
	"os"
	"path"
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
	list, err := os.ReadDir(string(home))
	if err != nil {
		return nil, []string{fmt.Sprintf("%s is not shared: %v", home, err)}
	}
	var links []string
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
		}
	}
	if files > maxLooseFiles {
		notes = append(notes, fmt.Sprintf("only the first %d of %d files at the top of %s are shared", maxLooseFiles, files, home))
	}
	linked, late := resolveHomeLinks(c, home, links)
	if late {
		notes = append(notes, "some symlinks at the top of "+string(home)+" are not shared: a file system did not answer")
	}
	return append(entries, linked...), notes
}

// resolveHomeLinks finds where symlinks at the top of the home lead. late reports
// that there was no time for all of them.
func resolveHomeLinks(c *session.Caller, home session.HostPath, names []string) (entries []session.HomeEntry, late bool) {
	if len(names) == 0 {
		return nil, false
	}
	found := make(chan session.HomeEntry, len(names))
	go func() {
		defer close(found)
		for _, name := range names {
			if e, ok := resolveHomeLink(c, home, name); ok {
				found <- e
			}
		}
	}()
	timeout := time.After(linkTime)
	for {
		select {
		case e, more := <-found:
			if !more {
				return entries, false
			}
			entries = append(entries, e)
		case <-timeout:
			return entries, true
		}
	}
}

// resolveHomeLink accepts a symlink to a directory that is neither the system's,
// nor the home or above it, nor a dot directory of it, and one to a visible file
// of the home.
func resolveHomeLink(c *session.Caller, home session.HostPath, name string) (e session.HomeEntry, ok bool) {
	real, err := rootfs.ResolveHost(home.Join(name))
	if err != nil {
		return e, false
	}
	real = c.PathThroughHome(real)
	var st unix.Stat_t
	if !session.IsShareable(c, real) || unix.Stat(string(real), &st) != nil {
		return e, false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return session.HomeEntry{Name: name, Dir: real}, true
	case unix.S_IFREG:
		return session.HomeEntry{Name: name}, real.IsBelow(home)
	}
	return e, false
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
