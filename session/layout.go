package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// layout decides where the mounts of a plan go. It walks every destination the
// way the kernel will, over the bare tree and the mounts decided so far, but
// never lets a symlink of the tree lead into something of the host: such a
// link, like one that leads nowhere or in circles, is replaced by a mount
// point. The result names each place relative to the mount that holds it,
// without symlinks, so that the launch can insist on that.
type layout struct {
	tree     Tree
	writable func(Path) bool // the launched identity can write this directory of the tree
	mounts   []Mount
	at       map[Path]int // canonical destination → index in mounts
	nodes    []Node
	node     map[string]int // path in the tmpfs → index in nodes
	prepare  []Preparation
	mirrors  int
}

// Tree is what layout reads of a chroot.
type Tree interface {
	Lstat(Path) (unix.Stat_t, error)
	Readlink(Path) (string, error)
	List(Path) ([]fs.DirEntry, error)
}

func newLayout(tree Tree, writable func(Path) bool) *layout {
	l := &layout{tree: tree, writable: writable, at: map[Path]int{}, node: map[string]int{}}
	l.mount(Mount{Kind: FromTree, Source: "/", Dest: "/", Required: true, Feature: "root", Why: "the chroot itself"})
	return l
}

// mount puts m at its canonical destination, in place of a mount there.
func (l *layout) mount(m Mount) int {
	if i, ok := l.at[m.Dest]; ok {
		l.mounts[i] = m
		return i
	}
	l.mounts = append(l.mounts, m)
	l.at[m.Dest] = len(l.mounts) - 1
	return len(l.mounts) - 1
}

// add makes a node of the tmpfs, with its parents.
func (l *layout) add(n Node) {
	if dir := path.Dir(n.Path); dir != "." {
		if _, ok := l.node[dir]; !ok {
			l.add(Node{Path: dir, Kind: Dir, Mode: 0o755})
		}
	}
	if i, ok := l.node[n.Path]; ok {
		l.nodes[i] = n
		return
	}
	l.node[n.Path] = len(l.nodes)
	l.nodes = append(l.nodes, n)
}

// owner returns the mount that holds the canonical path p, and p's place in
// the source of that mount.
func (l *layout) owner(p Path) (m Mount, source string) {
	for dir := p; ; dir = Path(path.Dir(string(dir))) {
		if i, ok := l.at[dir]; ok {
			m := l.mounts[i]
			return m, path.Join(m.Source, strings.TrimPrefix(string(p), string(dir)))
		}
	}
}

// what is found at a place.
type found struct {
	kind   NodeKind // "" if nothing is there
	target string   // of a symlink
}

// look says what the canonical path p is, symlinks not followed.
func (l *layout) look(p Path) (found, error) {
	m, source := l.owner(p)
	switch m.Kind {
	case FromHost:
		if m.AllowMountPoints && p == m.Dest {
			return found{kind: Dir}, nil // it may be made only when the launch begins
		}
		st, err := os.Lstat(source)
		if err != nil {
			return found{}, ignoreMissing(err)
		}
		return found{kind: kindOf(st.IsDir(), st.Mode()&os.ModeSymlink != 0)}, nil
	case FromTmpfs, Overlay:
		if i, ok := l.node[source]; ok {
			return found{l.nodes[i].Kind, l.nodes[i].Target}, nil
		}
		if m.Kind == FromTmpfs {
			return found{}, nil
		}
		source = path.Join(m.Lower, strings.TrimPrefix(string(p), string(m.Dest)))
	}
	st, err := l.tree.Lstat(Path(source))
	if err != nil {
		return found{}, ignoreMissing(err)
	}
	f := found{kind: kindOf(st.Mode&unix.S_IFMT == unix.S_IFDIR, st.Mode&unix.S_IFMT == unix.S_IFLNK)}
	if f.kind == Symlink {
		f.target, err = l.tree.Readlink(Path(source))
	}
	return f, err
}

func kindOf(dir, link bool) NodeKind {
	switch {
	case dir:
		return Dir
	case link:
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

// errHost says that a place lies in a shared directory of the host and does
// not exist there: chrun makes nothing on the host.
var errHost = errors.New("no such file in the shared directory of the host")

// walk resolves p. It returns the canonical path, what is there, and the first
// symlink of the tree on the way ("" if none). A walk that ends early (missing,
// circular, or led by a link into the host) has kind "" and rest, the part
// that was not walked; link is "" then too if the links lead to a directory in
// which rest, the end of p, is missing.
func (l *layout) walk(p Path) (at Path, f found, link Path, rest []string, err error) {
	at, f.kind = "/", Dir
	rest = parts(string(p))
	own := len(rest) // components of rest that are p's, not a link's
	for links := 0; len(rest) > 0; {
		name := rest[0]
		if name == ".." {
			at, rest = Path(path.Dir(string(at))), rest[1:]
			continue
		}
		next := at.Join(name)
		if i, ok := l.at[next]; ok && link != "" && l.mounts[i].Kind == FromHost {
			return at, found{}, link, rest, nil // a link into the host
		}
		if f, err = l.look(next); err != nil {
			return at, f, link, rest, err
		}
		switch f.kind {
		case "":
			if len(rest) <= own {
				link = "" // the links are good
			}
			return at, f, link, rest, nil
		case Symlink:
			if m, _ := l.owner(next); m.Kind == FromHost {
				return at, f, link, rest, fmt.Errorf("%s: %w", next, errHost)
			}
			if link == "" {
				link = next
			}
			if links++; links > 40 {
				return at, found{}, link, rest, nil
			}
			if path.IsAbs(f.target) {
				at = "/"
			}
			own = min(own, len(rest)-1)
			rest = append(parts(f.target), rest[1:]...)
			f.kind = Dir
			continue
		case Regular:
			if len(rest) > 1 {
				return at, f, link, rest, fmt.Errorf("%s: %w", next, unix.ENOTDIR)
			}
		}
		at, rest = next, rest[1:]
	}
	return at, f, link, nil, nil
}

// parts splits a path into components; ".." stays.
func parts(p string) []string {
	var list []string
	for _, s := range strings.Split(p, "/") {
		if s != "" && s != "." {
			list = append(list, s)
		}
	}
	return list
}

// place returns the canonical path of a mount point for p, which is made
// without touching the tree if it is missing.
func (l *layout) place(p Path, kind NodeKind) (Path, error) {
	at, f, link, rest, err := l.walk(p)
	if err != nil {
		return "", err
	}
	_, taken := l.at[at]
	if len(rest) == 0 && f.kind != "" && (link == "" || !taken) {
		if (f.kind == Dir) != (kind == Dir) {
			return "", fmt.Errorf("%s is a %s inside", p, f.kind)
		}
		return at, nil
	}
	if link != "" {
		// A link that leads nowhere, round in circles, into the host or to where
		// something else is mounted (the root, too) gives way to a mount point
		// of its own name.
		m, _ := l.owner(link)
		if m.Kind == FromHost {
			return "", fmt.Errorf("%s: %w", link, errHost)
		}
		dir := Path(path.Dir(string(link)))
		if m.Kind == FromTree {
			if err := l.mirror(dir); err != nil {
				return "", err
			}
		}
		_, source := l.owner(link)
		l.add(Node{Path: source, Kind: Dir, Mode: 0o755})
		return l.place(p, kind) // the walk no longer meets the link
	}
	return l.make(at, rest, kind)
}

// make creates the missing components rest below the existing directory at.
func (l *layout) make(at Path, rest []string, kind NodeKind) (Path, error) {
	m, source := l.owner(at)
	dest := at.Join(rest...)
	switch m.Kind {
	case FromHost:
		if !m.AllowMountPoints {
			return "", fmt.Errorf("%s: %w", dest, errHost)
		}
		at := strings.TrimPrefix(path.Join(append([]string{source}, rest...)...), m.Source+"/")
		l.prepare = append(l.prepare, Preparation{InHome: HostPath(m.Source), At: at, File: kind != Dir, Why: "mount point"})
		return dest, nil
	case FromTree:
		if kind == Dir && l.writable(Path(source)) {
			l.prepare = append(l.prepare, Preparation{InTree: Path(source).Join(rest...), Why: "mount point"})
			return dest, nil
		}
		if l.writable(Path(source)) {
			return "", fmt.Errorf("%s: no such file to mount on", dest)
		}
		if err := l.mirror(at); err != nil {
			return "", err
		}
	}
	for i := range rest {
		_, source := l.owner(at.Join(rest[:i+1]...))
		n := Node{Path: source, Kind: Dir, Mode: 0o755}
		if i == len(rest)-1 && kind != Dir {
			n.Kind, n.Mode = Regular, 0o644
		}
		l.add(n)
	}
	return dest, nil
}

// mirror covers the directory dir of the tree with one of our tmpfs in which
// every entry is bound (symlinks are made again), so that further mount points
// can be made in it.
func (l *layout) mirror(dir Path) error {
	_, source := l.owner(dir)
	list, err := l.tree.List(Path(source))
	if errors.Is(err, fs.ErrPermission) && dir != "/" {
		list, err = nil, nil // 0711: its entries cannot be kept
	}
	if err != nil {
		return err
	}
	top := fmt.Sprintf("mirror%d", l.mirrors)
	l.mirrors++
	mode := uint32(0o755)
	if st, err := l.tree.Lstat(Path(source)); err == nil {
		mode = st.Mode & 0o7777
	}
	l.add(Node{Path: top, Kind: Dir, Mode: mode})
	why := "a copy of the directory with mount points that the tree lacks"
	l.mount(Mount{Kind: FromTmpfs, Source: top, Dest: dir, ReadOnly: true, NoSuidNoDev: true, Required: true, Feature: "root", Why: why})
	for _, e := range list {
		p, n := dir.Join(e.Name()), Node{Path: path.Join(top, e.Name()), Kind: Dir, Mode: 0o755}
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			n.Kind, n.Mode = Symlink, 0
			if n.Target, err = l.tree.Readlink(Path(source).Join(e.Name())); err != nil {
				return err
			}
			l.add(n)
			continue
		case !e.IsDir():
			n.Kind, n.Mode = Regular, 0o644
		}
		l.add(n)
		if _, ok := l.at[p]; !ok {
			l.mount(Mount{Kind: FromTree, Source: path.Join(source, e.Name()), Dest: p, Feature: "root", Why: "as in the tree"})
		}
	}
	// Mount points that are yet to be made in the tree are not in the list.
	for at := range l.at {
		rest, ok := strings.CutPrefix(string(at), strings.TrimSuffix(string(dir), "/")+"/")
		if name, _, _ := strings.Cut(rest, "/"); ok && rest != "" {
			if _, there := l.node[path.Join(top, name)]; !there {
				l.add(Node{Path: path.Join(top, rest), Kind: Dir, Mode: 0o755})
			}
		}
	}
	return nil
}

// finish orders the mounts, parents first, and names each place relative to
// the mount that holds it.
func (l *layout) finish() ([]Mount, []Node) {
	list := l.mounts
	depth := func(p Path) int { return len(parts(string(p))) }
	sort.SliceStable(list, func(i, j int) bool { return depth(list[i].Dest) < depth(list[j].Dest) })
	index := map[Path]int{}
	for i := range list {
		m := &list[i]
		index[m.Dest] = i
		if m.Dest == "/" {
			m.Into = -1
			continue
		}
		for dir := path.Dir(string(m.Dest)); ; dir = path.Dir(dir) {
			if j, ok := index[Path(dir)]; ok {
				m.Into, m.Rel = j, strings.TrimPrefix(strings.TrimPrefix(string(m.Dest), dir), "/")
				break
			}
		}
	}
	return list, l.nodes
}
