package session

import (
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// HomeEntry is a visible entry at the top of the caller's home.
type HomeEntry struct {
	Name string
	// Dir is the directory that the entry is, or that its symlink leads to; "" for
	// a file.
	Dir HostPath
}

// HomeAlias is the path inside at which the caller's whole home is bound. Loose
// files of the home are symlinks into it: a bound file would lose writes once the
// host has replaced it, and could not be replaced from inside.
func HomeAlias(home HostPath) Path { return Path("/run/host" + string(home)) }

// sharesHome reports whether the visible entries of the caller's home are shared
// with this launch. With --home=host they are there already; root inside and a
// program with another uid do not get them.
func (b *builder) sharesHome() bool {
	return b.plan.Home.Mode != HomeHost && !b.req.RootInside && !b.f.PrivateRuntimeDir() && b.f.Caller.Account.Home != ""
}

// addHomeEntries binds the visible directories of the caller's home into the home
// inside, and links its loose files. What the home inside already has under a
// name stays.
func (b *builder) addHomeEntries(feature string, entries []HomeEntry) {
	if len(entries) == 0 || !b.sharesHome() {
		return
	}
	_, at, err := b.follow(b.f.Home)
	if err != nil || !at.isDir() {
		b.note("%s: %s is not shared: %v", feature, b.f.Caller.Account.Home, err)
		return
	}
	home := b.openHomeInside(at.path)
	defer home.close()
	for _, e := range entries {
		dest := at.path.Join(e.Name)
		if _, taken := b.at[dest]; taken {
			continue
		}
		existing, exists := home.entries[e.Name]
		switch {
		case e.Dir != "":
			b.addHomeDir(feature, home, e, dest)
		case home.takesLinks:
			b.addHomeLink(feature, home, e, dest)
		case exists && !isEmptyLeftover(existing):
			b.hidden[e.Name] = b.findOnHost(home, e.Name)
		}
	}
	b.findStaleEntries(home, entries, at.path)
	b.shareHomeAlias(feature)
}

// StaleEntry is a placeholder or a link of an earlier launch, for which the
// caller's home no longer has anything.
type StaleEntry struct {
	Home HostPath
	Name string
	Link string // the target, "" for a placeholder
	Dest Path   // inside
}

// findStaleEntries lists what an earlier launch has made in the home inside and
// nothing needs any more.
func (b *builder) findStaleEntries(h homeInside, entries []HomeEntry, inside Path) {
	if h.mount.Kind != FromHost || !h.writable {
		return
	}
	needed := make(map[string]bool, len(entries))
	for _, e := range entries {
		needed[e.Name] = true
	}
	alias := HomeAlias(HostPath(b.f.Caller.Account.Home))
	for name, e := range h.entries {
		if name[0] == '.' || needed[name] {
			continue
		}
		stale := StaleEntry{Home: HostPath(h.source), Name: name, Dest: inside.Join(name)}
		switch p := path.Join(h.source, name); {
		case e.Type()&fs.ModeSymlink != 0:
			if to, err := os.Readlink(p); err == nil && to == string(alias.Join(name)) {
				stale.Link = to
				b.plan.Stale = append(b.plan.Stale, stale)
			}
		case e.IsDir() && h.hasPlaceholderMode(name):
			b.plan.Stale = append(b.plan.Stale, stale)
		}
	}
}

// hasPlaceholderMode reports whether a directory without subdirectories has the
// mode of a placeholder.
func (h *homeInside) hasPlaceholderMode(name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(h.dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode == unix.S_IFDIR|PlaceholderMode && st.Nlink == 2
}

// shareHomeAlias binds the caller's whole home below /run/host.
func (b *builder) shareHomeAlias(feature string) {
	home := HostPath(b.f.Caller.Account.Home)
	at, err := b.ensureMountPoint(HomeAlias(home), Dir)
	if err != nil {
		b.note("%s: loose files of %s are not shared: %v", feature, home, err)
		return
	}
	b.mount(Mount{Kind: FromHost, Source: string(home), Dest: at, Feature: feature, Why: "loose files of the home are links into this"})
}

// homeInside is the directory at HOME inside, before the caller's entries are
// added.
type homeInside struct {
	mount    Mount
	source   string // of HOME, in the source of mount
	dir      int    // a descriptor of source, or -1 if that is not on the host or cannot be opened
	entries  map[string]fs.DirEntry
	writable bool // mount points can be made in it
	// takesLinks reports whether chrun made this home, so that it may contain
	// links that mean something only inside.
	takesLinks bool
}

func (b *builder) openHomeInside(at Path) homeInside {
	m, source := b.findMount(at)
	h := homeInside{mount: m, source: source, dir: -1, writable: true,
		takesLinks: b.plan.Home.Mode == HomePrivate || b.plan.Home.Mode == HomeTemporary}
	var list []fs.DirEntry
	switch m.Kind {
	case FromHost:
		var err error
		if list, err = rootfs.ListHost(HostPath(source)); err == nil {
			h.writable = unix.Access(source, unix.W_OK) == nil
			h.dir, _ = unix.Open(source, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		}
	case FromTree:
		list, _ = b.f.Root.List(Path(source))
		h.writable = b.writable(Path(source))
	}
	h.entries = make(map[string]fs.DirEntry, len(list))
	for _, e := range list {
		h.entries[e.Name()] = e
	}
	return h
}

func (h *homeInside) close() {
	if h.dir >= 0 {
		unix.Close(h.dir)
	}
}

// addHomeDir binds one directory, unless the home inside has something else of
// that name.
func (b *builder) addHomeDir(feature string, h homeInside, e HomeEntry, dest Path) {
	existing, exists := h.entries[e.Name]
	switch {
	case exists && !existing.IsDir():
		b.note("%s: ~/%s is the chroot's own file, not the directory of your home", feature, e.Name)
		b.hidden[e.Name] = b.findOnHost(h, e.Name)
		return
	case exists && !b.isPlaceholder(h, e.Name):
		b.note("%s: ~/%s is the chroot's own: its home already has files under that name", feature, e.Name)
		b.hidden[e.Name] = b.findOnHost(h, e.Name)
		return
	case !exists && !h.writable:
		b.note("%s: ~/%s is not shared: the home inside cannot be written to", feature, e.Name)
		return
	case !exists:
		b.addHomeMountPoint(h, e.Name, dest)
	}
	b.setKnown(dest, Dir)
	b.mount(Mount{Kind: FromHost, Source: string(e.Dir), Dest: dest, Feature: feature, Why: "visible in your home"})
}

// addHomeMountPoint creates a mount point at the top of the home inside.
func (b *builder) addHomeMountPoint(h homeInside, name string, dest Path) {
	switch p := path.Join(h.source, name); h.mount.Kind {
	case FromHost:
		rel := strings.TrimPrefix(p, h.mount.Source+"/")
		b.prepare = append(b.prepare, Preparation{InHome: HostPath(h.mount.Source), At: rel, Placeholder: true, Dest: dest, Why: "mount point"})
	case FromTree:
		b.prepare = append(b.prepare, Preparation{InTree: Path(p), Placeholder: true, Dest: dest, Why: "mount point"})
	default:
		b.addNode(Node{Path: p, Kind: Dir, Mode: PlaceholderMode})
	}
}

// PlaceholderMode is the mode of mount points at the top of a home: nothing is
// saved into one by mistake when its directory is no longer shared.
const PlaceholderMode = 0o555

// isPlaceholder reports whether a directory of the home inside is an empty mount
// point, or contains nothing but such. Newer ones are recognized by their mode.
func (b *builder) isPlaceholder(h homeInside, name string) bool {
	if h.hasPlaceholderMode(name) {
		return true
	}
	p, left := path.Join(h.source, name), maxPlaceholders
	if h.mount.Kind == FromTree {
		return isEmptyPlaceholder(p, &left, func(dir string) ([]fs.DirEntry, error) { return b.f.Root.List(Path(dir)) })
	}
	return isEmptyPlaceholder(p, &left, os.ReadDir)
}

// addHomeLink links one loose file, unless the home inside has something else of
// that name.
func (b *builder) addHomeLink(feature string, h homeInside, e HomeEntry, dest Path) {
	target := string(HomeAlias(HostPath(b.f.Caller.Account.Home)).Join(e.Name))
	existing, exists := h.entries[e.Name]
	p := path.Join(h.source, e.Name)
	b.linked[dest], b.linked[b.f.Home.Join(e.Name)] = true, true
	switch {
	case h.mount.Kind == FromTmpfs:
		b.addNode(Node{Path: p, Kind: Symlink, Target: target})
	case exists && !isEmptyLeftover(existing):
		if to, err := os.Readlink(p); err != nil || to != target {
			b.plan.StandIns = append(b.plan.StandIns, StandIn{Own: HostPath(p), Host: HostPath(b.f.Caller.Account.Home).Join(e.Name)})
		}
	case h.writable:
		rel := strings.TrimPrefix(p, h.mount.Source+"/")
		b.prepare = append(b.prepare, Preparation{InHome: HostPath(h.mount.Source), At: rel, Link: target, Why: "a loose file of your home"})
	}
}

// isEmptyLeftover reports whether an entry is an empty file, which an earlier
// version has left as a mount point.
func isEmptyLeftover(e fs.DirEntry) bool {
	st, err := e.Info()
	return err == nil && isEmptyFile(st)
}

// namesLooseFile reports whether an argument names, by a relative path, an
// existing visible file at the top of the caller's home.
func (b *builder) namesLooseFile() bool {
	home := b.f.Caller.Account.Home
	for name := range b.relativeArguments() {
		if name[0] == '.' || strings.Contains(name, "/") {
			continue
		}
		if st, err := os.Stat(path.Join(home, name)); err == nil && st.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// StandIn is a file of the private home that stands in for a loose file of the
// caller's home, because a program has replaced the link to it.
type StandIn struct{ Own, Host HostPath }
