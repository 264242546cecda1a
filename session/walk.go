package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// location is where a path leads inside.
type location struct {
	// path is the canonical path as far as it was walked: without symlinks, and
	// all of it exists.
	path Path
	// missing are the components that were not walked: path has no entry of the
	// first name, or the links lead in circles or into the host. They may come
	// from a link's target.
	missing []string
	kind    NodeKind // of path, if nothing is missing
	// link is the first symlink of the tree on the way, "" if there is none. It
	// is "" too if the links lead to a directory that only lacks the last
	// components of the requested path.
	link Path
}

// exists reports whether the whole path exists.
func (l location) exists() bool { return len(l.missing) == 0 }

// isDir reports whether the path is a directory.
func (l location) isDir() bool { return l.exists() && l.kind == Dir }

// full is the canonical path with the missing components.
func (l location) full() Path { return l.path.Join(l.missing...) }

// errHost reports a path in a shared directory of the host that does not exist
// there: chrun creates nothing on the host.
var errHost = errors.New("no such file in the shared directory of the host")

// maxLinks is how many symlinks a walk follows, as in the kernel.
const maxLinks = 40

// walk resolves p. It does not follow symlinks of the tree into directories of
// the host: the walk ends there.
func (l *layout) walk(p Path) (location, error) {
	at := location{path: "/", kind: Dir}
	todo := splitPath(string(p))
	ours := len(todo) // the last components of todo that come from p, not from a link
	for links := 0; len(todo) > 0; {
		name := todo[0]
		if name == ".." {
			at.path, todo = Path(path.Dir(string(at.path))), todo[1:]
			continue
		}
		next := at.path.Join(name)
		if i, ok := l.at[next]; ok && at.link != "" && l.mounts[i].Kind == FromHost {
			at.missing = todo // a link into the host
			return at, nil
		}
		e, err := l.lstat(next)
		at.missing = todo
		switch {
		case err != nil:
			return at, err
		case e.kind == "":
			if len(todo) <= ours {
				at.link = "" // all links lead to existing files
			}
			return at, nil
		case e.kind == Symlink:
			if m, _ := l.findMount(next); m.Kind == FromHost {
				return at, fmt.Errorf("%s: %w", next, errHost)
			}
			if at.link == "" {
				at.link = next
			}
			if links++; links > maxLinks {
				return at, nil
			}
			if path.IsAbs(e.target) {
				at.path = "/"
			}
			ours = min(ours, len(todo)-1)
			todo = append(splitPath(e.target), todo[1:]...)
			at.kind = Dir
			continue
		case e.kind == Regular && len(todo) > 1:
			return at, fmt.Errorf("%s: %w", next, unix.ENOTDIR)
		}
		at.path, at.kind, todo = next, e.kind, todo[1:]
	}
	at.missing = nil
	return at, nil
}

// isDirInside reports whether p is a directory inside. It follows the symlinks of
// shared directories too, as a program will.
func (l *layout) isDirInside(p Path) bool {
	_, at, err := l.follow(p)
	return err == nil && at.isDir()
}

// follow is like walk, but also follows the symlinks of shared directories. to is p
// without these, or p if it leads nowhere.
func (l *layout) follow(p Path) (to Path, at location, err error) {
	first, cause := l.walk(p)
	to, at, err = p, first, cause
	for range maxLinks {
		if !errors.Is(err, errHost) {
			break
		}
		_, source := l.findMount(at.path.Join(at.missing[0]))
		target, failure := os.Readlink(source)
		if failure != nil {
			break
		}
		if !path.IsAbs(target) {
			target = path.Join(string(at.path), target)
		}
		to = Path(target).Join(at.missing[1:]...)
		at, err = l.walk(to)
	}
	if err != nil {
		return p, first, cause
	}
	return to, at, nil
}

// splitPath returns the components of a path, ".." included.
func splitPath(p string) []string {
	var list []string
	for _, s := range strings.Split(p, "/") {
		if s != "" && s != "." {
			list = append(list, s)
		}
	}
	return list
}

// entry is a directory entry inside.
type entry struct {
	kind   NodeKind // "" if there is no such entry
	target string   // of a symlink of the tree or of the tmpfs
}

// lstat returns the entry at the canonical path p. It does not follow symlinks.
func (l *layout) lstat(p Path) (entry, error) {
	if kind, ok := l.known[p]; ok {
		return entry{kind: kind}, nil
	}
	m, source := l.findMount(p)
	switch m.Kind {
	case FromHost:
		if m.AllowMountPoints && p == m.Dest {
			return entry{kind: Dir}, nil // it may not exist before the launch
		}
		stat := os.Lstat
		if p == m.Dest {
			stat = os.Stat // what is mounted is never a symlink
		}
		st, err := stat(source)
		if err != nil {
			return entry{}, ignoreMissing(err)
		}
		return entry{kind: kindOf(st.IsDir(), st.Mode()&os.ModeSymlink != 0)}, nil
	case FromTmpfs, Overlay:
		if i, ok := l.node[source]; ok {
			return entry{l.nodes[i].Kind, l.nodes[i].Target}, nil
		}
		if m.Kind == FromTmpfs {
			return entry{}, nil
		}
		source = path.Join(m.Lower, strings.TrimPrefix(string(p), string(m.Dest)))
	}
	st, err := l.tree.Lstat(Path(source))
	if err != nil {
		return entry{}, ignoreMissing(err)
	}
	e := entry{kind: kindOf(st.Mode&unix.S_IFMT == unix.S_IFDIR, st.Mode&unix.S_IFMT == unix.S_IFLNK)}
	if e.kind == Symlink {
		e.target, err = l.tree.Readlink(Path(source))
	}
	return e, err
}

func kindOf(isDir, isLink bool) NodeKind {
	switch {
	case isDir:
		return Dir
	case isLink:
		return Symlink
	}
	return Regular
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return err
}
