package session

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// layout decides where the mounts of a plan go. It walks every destination as
// the kernel will, over the bare tree and the mounts decided so far, but it
// never follows a symlink of the tree into something of the host. Such a link is
// replaced by a mount point, as is one that leads nowhere or in circles. The
// result names each mount point relative to the mount that contains it, without
// symlinks, so that the launch can insist on that.
type layout struct {
	tree     Tree
	writable func(Path) bool // reports whether the program can write this directory of the tree
	// canMakeFile reports whether the launch can make a file in this directory of
	// the tree.
	canMakeFile func(Path) bool
	mounts      []Mount
	at          map[Path]int // canonical destination → index in mounts
	nodes       []Node
	node        map[string]int // path in the tmpfs → index in nodes
	// known are canonical paths that will exist when the program starts: mount
	// points that the launch creates. They are not looked up.
	known   map[Path]NodeKind
	prepare []Preparation
	mirrors int
}

// Tree is what layout reads of a chroot.
type Tree interface {
	Lstat(Path) (unix.Stat_t, error)
	Readlink(Path) (string, error)
	List(Path) ([]fs.DirEntry, error)
}

// newLayout makes a layout. It has room for the mounts of dirs directories of the home,
// and for everything else.
func newLayout(tree Tree, writable func(Path) bool, dirs int) *layout {
	const nodes = 80    // a launch on a desktop has 70,
	mounts := 60 + dirs // and 40 mounts besides
	l := &layout{tree: tree, writable: writable, canMakeFile: writable, known: make(map[Path]NodeKind, dirs),
		mounts: make([]Mount, 0, mounts), at: make(map[Path]int, mounts), nodes: make([]Node, 0, nodes), node: make(map[string]int, nodes)}
	l.mount(Mount{Kind: FromTree, Source: "/", Dest: "/", Required: true, Feature: "root", Why: "the chroot itself"})
	return l
}

// mount adds m, or replaces the mount with the same canonical destination.
func (l *layout) mount(m Mount) {
	if i, ok := l.at[m.Dest]; ok {
		l.mounts[i] = m
		return
	}
	l.at[m.Dest] = len(l.mounts)
	l.mounts = append(l.mounts, m)
}

// addNode adds a node of the tmpfs with its parents, or replaces it.
func (l *layout) addNode(n Node) {
	if dir := path.Dir(n.Path); dir != "." {
		if _, ok := l.node[dir]; !ok {
			l.addNode(Node{Path: dir, Kind: Dir, Mode: 0o755})
		}
	}
	if i, ok := l.node[n.Path]; ok {
		l.nodes[i] = n
		return
	}
	l.node[n.Path] = len(l.nodes)
	l.nodes = append(l.nodes, n)
}

// setKnown records that p will exist when the program starts.
func (l *layout) setKnown(p Path, kind NodeKind) { l.known[p] = kind }

// findMount returns the mount that contains the canonical path p, and the path
// of p in the source of that mount.
func (l *layout) findMount(p Path) (m Mount, source string) {
	for dir := p; ; dir = Path(path.Dir(string(dir))) {
		if i, ok := l.at[dir]; ok {
			m := l.mounts[i]
			return m, path.Join(m.Source, strings.TrimPrefix(string(p), string(dir)))
		}
	}
}

// ensureMountPoint returns the canonical path of a mount point for p. If it is
// missing, the layout gets one without a change to the tree.
func (l *layout) ensureMountPoint(p Path, kind NodeKind) (Path, error) {
	at, err := l.walk(p)
	if err != nil {
		return "", err
	}
	_, taken := l.at[at.path]
	if at.exists() && (at.link == "" || !taken) {
		if at.isDir() != (kind == Dir) {
			return "", fmt.Errorf("%s is a %s inside", p, at.kind)
		}
		if kind != Dir {
			l.reusePlaceholder(at.path)
		}
		return at.path, nil
	}
	if at.link != "" {
		if err := l.replaceLink(at.link); err != nil {
			return "", err
		}
		return l.ensureMountPoint(p, kind) // the walk no longer meets the link
	}
	return l.createMissing(at, kind)
}

// replaceLink puts a directory in the place of a symlink that leads nowhere, in
// circles, into the host, or to a mount point that is in use (such as the root).
func (l *layout) replaceLink(link Path) error {
	m, _ := l.findMount(link)
	switch m.Kind {
	case FromHost:
		return fmt.Errorf("%s: %w", link, errHost)
	case FromTree:
		if err := l.mirrorDir(Path(path.Dir(string(link)))); err != nil {
			return err
		}
	}
	_, source := l.findMount(link)
	l.addNode(Node{Path: source, Kind: Dir, Mode: 0o755})
	return nil
}

// createMissing creates the missing components of at. The last one is of the
// given kind, the others are directories.
func (l *layout) createMissing(at location, kind NodeKind) (Path, error) {
	m, source := l.findMount(at.path)
	dest := at.full()
	switch {
	case m.Kind == FromHost && !m.AllowMountPoints:
		return "", fmt.Errorf("%s: %w", dest, errHost)
	case m.Kind == FromHost:
		name := strings.TrimPrefix(path.Join(append([]string{source}, at.missing...)...), m.Source+"/")
		l.prepare = append(l.prepare, Preparation{InHome: HostPath(m.Source), At: name, File: kind != Dir, Why: "mount point"})
		l.setCreated(at, kind)
		return dest, nil
	case m.Kind == FromTree && kind != Dir && l.canMakeFile(l.findExisting(at.path)):
		l.prepare = append(l.prepare, Preparation{InTree: Path(source).Join(at.missing...), File: true, Dest: dest, Why: "mount point"})
		l.setCreated(at, kind)
		return dest, nil
	case m.Kind == FromTree && l.writable(l.findExisting(at.path)):
		l.prepare = append(l.prepare, Preparation{InTree: Path(source).Join(at.missing...), Why: "mount point"})
		l.setCreated(at, kind)
		return dest, nil
	case m.Kind == FromTree:
		if err := l.mirrorDir(at.path); err != nil {
			return "", err
		}
	}
	for i := range at.missing {
		_, source := l.findMount(at.path.Join(at.missing[:i+1]...))
		n := Node{Path: source, Kind: Dir, Mode: 0o755}
		if i == len(at.missing)-1 && kind != Dir {
			n.Kind, n.Mode = Regular, 0o644
		}
		l.addNode(n)
	}
	return dest, nil
}

// ensureFile is like ensureMountPoint for the file at a location. It replaces no
// symlinks, so a file to which one leads is made there.
func (l *layout) ensureFile(at location) (Path, error) {
	if at.exists() {
		if at.kind != Regular {
			return "", fmt.Errorf("it is a %s inside", at.kind)
		}
		l.reusePlaceholder(at.path)
		return at.path, nil
	}
	e, err := l.lstat(at.path.Join(at.missing[0]))
	if err == nil && (e.kind != "" || slices.Contains(at.missing, "..")) {
		err = fmt.Errorf("the symlink %s leads nowhere", at.link)
	}
	if err != nil {
		return "", err
	}
	return l.createMissing(at, Regular)
}

// reusePlaceholder makes the launch remove a placeholder that another launch has
// left in the tree.
func (l *layout) reusePlaceholder(p Path) {
	m, source := l.findMount(p)
	if _, ours := l.known[p]; ours || m.Kind != FromTree || !l.isFilePlaceholder(Path(source)) {
		return
	}
	l.prepare = append(l.prepare, Preparation{InTree: Path(source), File: true, Dest: p, Why: "mount point"})
	l.setKnown(p, Regular)
}

// isFilePlaceholder reports whether a file of the tree is a placeholder.
func (l *layout) isFilePlaceholder(source Path) bool {
	st, err := l.tree.Lstat(source)
	return err == nil && st.Mode == unix.S_IFREG|FilePlaceholderMode && st.Size == 0
}

// findExisting returns the path in the tree of the directory p, or of the one above
// it that exists before the launch creates p for another mount point.
func (l *layout) findExisting(p Path) Path {
	for l.known[p] == Dir {
		if _, mounted := l.at[p]; mounted {
			break
		}
		p = Path(path.Dir(string(p)))
	}
	_, source := l.findMount(p)
	return Path(source)
}

// setCreated records that the missing components of at will exist.
func (l *layout) setCreated(at location, kind NodeKind) {
	for i := range at.missing {
		l.setKnown(at.path.Join(at.missing[:i+1]...), Dir)
	}
	l.setKnown(at.full(), kind)
}

// mirrorDir mounts a directory of the tmpfs over the directory dir of the tree.
// Each entry of dir is bound in it and each symlink copied, so that further
// mount points can be added.
func (l *layout) mirrorDir(dir Path) error {
	_, source := l.findMount(dir)
	list, err := l.tree.List(Path(source))
	if errors.Is(err, fs.ErrPermission) && dir != "/" {
		list, err = nil, nil // mode 0711: its entries are lost
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
	l.addNode(Node{Path: top, Kind: Dir, Mode: mode})
	l.mount(Mount{Kind: FromTmpfs, Source: top, Dest: dir, ReadOnly: true, NoSuidNoDev: true, Required: true, Feature: "root",
		Why: "a mirror of the directory, with mount points that the tree lacks"})
	for _, e := range list {
		if err := l.mirrorEntry(dir, source, top, e); err != nil {
			return err
		}
	}
	// Mount points that the launch creates in the tree are not in the list.
	for _, m := range l.mounts {
		rest, ok := strings.CutPrefix(string(m.Dest), strings.TrimSuffix(string(dir), "/")+"/")
		if name, _, _ := strings.Cut(rest, "/"); ok && rest != "" {
			if _, exists := l.node[path.Join(top, name)]; !exists {
				l.addNode(Node{Path: path.Join(top, rest), Kind: Dir, Mode: 0o755})
			}
		}
	}
	return nil
}

// mirrorEntry adds the entry e of dir, which is source in the tree, to the
// mirror top.
func (l *layout) mirrorEntry(dir Path, source, top string, e fs.DirEntry) error {
	p, from := dir.Join(e.Name()), path.Join(source, e.Name())
	n := Node{Path: path.Join(top, e.Name()), Kind: Dir, Mode: 0o755}
	switch {
	case e.Type()&fs.ModeSymlink != 0:
		target, err := l.tree.Readlink(Path(from))
		if err != nil {
			return err
		}
		l.addNode(Node{Path: n.Path, Kind: Symlink, Target: target})
		return nil
	case !e.IsDir():
		n.Kind, n.Mode = Regular, 0o644
	}
	l.addNode(n)
	if _, ok := l.at[p]; !ok {
		l.mount(Mount{Kind: FromTree, Source: from, Dest: p, Feature: "root", Why: "as in the tree"})
	}
	return nil
}

// orderMounts returns the mounts, parents before children, each with its mount
// point relative to the mount that contains it.
func (l *layout) orderMounts() []Mount {
	list := l.mounts
	depth := func(p Path) int { return strings.Count(strings.TrimSuffix(string(p), "/"), "/") } // it is canonical
	slices.SortStableFunc(list, func(a, b Mount) int { return cmp.Compare(depth(a.Dest), depth(b.Dest)) })
	index := make(map[Path]int, len(list))
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
	return list
}
