// Package mime answers with which program the host opens a file type or a
// scheme, now and as if entries were exported: an export must not move a
// default. Two programs are asked, because they differ: GLib
// (g_app_info_get_default_for_type, gio/gdesktopappinfo.c, which GTK programs,
// portals and `gio mime` use) and xdg-utils (`xdg-mime query default`, its
// generic part). The sources are mimeapps.list (mime-apps-spec 1.0.1), the
// cache of update-desktop-database (desktop-file-utils 0.26) and the host's
// shared-mime-info (2.2). It also weakens a chroot's own mime/packages. It
// writes nothing and runs nothing.
package mime

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Dirs are where the host looks, all absolute (XDG Base Directory 0.8).
type Dirs struct {
	ConfigHome, DataHome string
	ConfigDirs, DataDirs []string // in order, without the user's own
	Desktops             []string // elements of $XDG_CURRENT_DESKTOP
	Path                 string   // $PATH: an entry whose program is not found does not count
}

// Host is what the host said when it was read. It may read single desktop
// entries later; it is not for two goroutines at once.
type Host struct {
	dirs      Dirs
	searched  []*directory // in GLib's order: config, then data
	home      int          // the index of DataHome's in dir
	base      database
	sys       *database           // of DataDirs alone, once it was needed
	apps      map[string]bool     // whether GLib starts the entry, by file
	added     map[string][]string // entries that are as if there
	removed   map[string]bool     // entries that are as if not there
	found     fallback            // xdg-mime's last resort in DataDirs, once it was asked
	asked     map[string]string   // answers of Default
	foundHome fallback            // and in DataHome; nil before
}

// directory is a directory that has a mimeapps.list.
type directory struct {
	path   string
	config bool // has no entries
	files  map[string]string
	lists  []list            // in the order of precedence
	raw    map[string]string // of defaults.list and mimeinfo.cache, as grep sees it
	tweaks map[string]*tweak
}

// list is one file that associates types with entries.
type list struct {
	keys  *keyFile
	added string // the group of what it associates
	plain bool   // may associate: GLib ignores that in a desktop's own file
	file  string
	text  string
	first map[string]string
}

// tweak is GLib's UnindexedMimeTweaks; nil lists were never given.
type tweak struct{ added, removed, defaults []string }

const (
	addedGroup   = "Added Associations"
	removedGroup = "Removed Associations"
	defaultGroup = "Default Applications"
	cacheGroup   = "MIME Cache"
)

// Read reads the host. What is not there or cannot be read is as GLib takes
// it: empty.
func Read(d Dirs) *Host {
	h := &Host{dirs: d, apps: map[string]bool{}, found: fallback{}, asked: map[string]string{}}
	h.base = readDatabase(append([]string{d.DataHome}, d.DataDirs...))
	for _, p := range append([]string{d.ConfigHome}, d.ConfigDirs...) {
		h.searched = append(h.searched, h.readPlace(p, true))
	}
	h.home = len(h.searched)
	for _, p := range append([]string{d.DataHome}, d.DataDirs...) {
		h.searched = append(h.searched, h.readPlace(filepath.Join(p, "applications"), false))
	}
	return h
}

func (h *Host) readPlace(path string, config bool) *directory {
	p := &directory{path: path, config: config}
	for _, d := range h.dirs.Desktops {
		if d != "" && !strings.ContainsFunc(d, func(r rune) bool { return !isWord(r) }) {
			p.lists = append(p.lists, readList(filepath.Join(path, asciiLower(d)+"-mimeapps.list"), addedGroup, false))
		}
	}
	p.lists = append(p.lists, readList(filepath.Join(path, "mimeapps.list"), addedGroup, true))
	if !config {
		p.files = listEntries(path)
		p.raw = map[string]string{}
		for i, name := range []string{"defaults.list", "mimeinfo.cache"} {
			l := readList(filepath.Join(path, name), []string{addedGroup, cacheGroup}[i], i == 1)
			p.lists = append(p.lists, l)
			for t, id := range l.first {
				if _, there := p.raw[t]; !there {
					p.raw[t] = id
				}
			}
		}
	}
	h.combine(p)
	return p
}

// isWord is what GLib takes in the name of a desktop.
func isWord(r rune) bool {
	return r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// combine makes one table of p's lists: what came first wins, by GLib's rules
// (desktop_file_dir_unindexed_read_mimeapps_list).
func (h *Host) combine(p *directory) {
	p.tweaks = map[string]*tweak{}
	at := func(t string) *tweak {
		t = h.base.resolveAlias(t)
		if p.tweaks[t] == nil {
			p.tweaks[t] = &tweak{}
		}
		return p.tweaks[t]
	}
	for _, l := range p.lists {
		if l.keys == nil {
			continue
		}
		if l.plain {
			for _, t := range l.keys.keys(l.added) {
				w := at(t)
				w.added = expand(w.added, l.keys.getList(l.added, t), w.removed)
			}
			for _, t := range l.keys.keys(removedGroup) {
				w := at(t)
				w.removed = expand(w.removed, l.keys.getList(removedGroup, t), w.added)
			}
		}
		for _, t := range l.keys.keys(defaultGroup) {
			w := at(t)
			w.defaults = expand(w.defaults, l.keys.getList(defaultGroup, t), nil)
		}
	}
}

// expand adds to a list what is neither in it nor blocked. GLib takes the
// first list as it is, blocked or not.
func expand(list, more, blocked []string) []string {
	if list == nil {
		return more
	}
	for _, id := range more {
		if !slices.Contains(blocked, id) && !slices.Contains(list, id) {
			list = append(list[:len(list):len(list)], id)
		}
	}
	return list
}

// GLibDefault is the desktop id with which GLib opens the type t (or
// "x-scheme-handler/SCHEME"), "" for none.
func (h *Host) GLibDefault(t string) string {
	var blocked []string
	for _, t := range h.base.lineage(t) {
		var failed []string // as good as GLib's list: what loads ends the search
		for _, p := range h.searched {
			if w := p.tweaks[t]; w != nil {
				for _, id := range w.defaults {
					if h.canLoad(id) {
						return id
					}
					failed = append(failed, id)
				}
			}
		}
		for i, p := range h.searched {
			w := p.tweaks[t]
			if w == nil {
				continue
			}
			for _, id := range w.added {
				if slices.Contains(blocked, id) || slices.Contains(failed, id) || h.isMasked(i, id) {
					continue
				}
				if h.canLoad(id) {
					return id
				}
				failed = append(failed, id)
			}
			for _, id := range w.removed {
				if !slices.Contains(failed, id) && !h.isMasked(i, id) {
					blocked = append(blocked, id)
				}
			}
		}
	}
	return ""
}

// isMasked says whether an entry of that id lies in a place before the i-th.
func (h *Host) isMasked(i int, id string) bool {
	for at := range i {
		if h.hasEntry(at, id) {
			return true
		}
	}
	return false
}

// hasEntry says whether the place at i holds the entry.
func (h *Host) hasEntry(i int, id string) bool {
	if i == h.home {
		if _, ours := h.added[id]; ours || h.removed[id] {
			return ours
		}
	}
	_, ok := h.searched[i].files[id]
	return ok
}

func (h *Host) canLoad(id string) bool {
	for i := h.home; i < len(h.searched); i++ {
		if !h.hasEntry(i, id) {
			continue
		}
		if _, ours := h.added[id]; ours && i == h.home || h.canStart(h.searched[i].files[id]) {
			return true
		}
	}
	return false
}

// With is the host as if the entries (ids with ".desktop") with these types
// were in DataHome/applications, in the place of those that are there, and in
// its cache.
func (h *Host) With(ids map[string][]string) *Host {
	n := h.clone()
	for id, types := range ids {
		n.added[id] = types
		delete(n.removed, id)
	}
	n.updateCache()
	return n
}

// Without is the host as if these entries were not in DataHome/applications,
// nor in its cache.
func (h *Host) Without(ids []string) *Host {
	n := h.clone()
	for _, id := range ids {
		delete(n.added, id)
		n.removed[id] = true
	}
	n.updateCache()
	return n
}

func (h *Host) clone() *Host {
	n := *h
	n.added, n.removed = map[string][]string{}, map[string]bool{}
	maps.Copy(n.added, h.added)
	maps.Copy(n.removed, h.removed)
	n.searched, n.foundHome, n.asked = slices.Clone(h.searched), nil, map[string]string{}
	return &n
}

// Entries are the files of the host's entries by id, those that count: not
// what h is without, nor what an earlier directory hides.
func (h *Host) Entries() map[string]string {
	all := map[string]string{}
	for i := len(h.searched) - 1; i >= h.home; i-- {
		for id, file := range h.searched[i].files {
			if h.hasEntry(i, id) {
				all[id] = file
			}
		}
	}
	return all
}
