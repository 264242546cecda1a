// Package mime computes which program the host opens a file type or a scheme
// with, as the host is and as it would be with exported entries, because an
// export must not change a default. It computes the answers of two programs,
// which differ: GLib (g_app_info_get_default_for_type, gio/gdesktopappinfo.c,
// which GTK programs, portals and `gio mime` use) and xdg-utils (`xdg-mime query
// default`, its generic part). It reads mimeapps.list (mime-apps-spec 1.0.1), the
// cache of update-desktop-database (desktop-file-utils 0.26) and the host's
// shared-mime-info (2.2). It also converts a chroot's mime/packages into harmless
// ones. It writes no file and runs no program.
package mime

import (
	"chrun/session/rootfs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Dirs are the directories that the host reads, all absolute (XDG Base Directory
// 0.8).
type Dirs struct {
	ConfigHome, DataHome string
	ConfigDirs, DataDirs []string // in order, without the user's own
	Desktops             []string // elements of $XDG_CURRENT_DESKTOP
	Path                 string   // $PATH: an entry whose program is not found does not count
}

// Host is the state of the host when it was read. Its methods may read more
// desktop entries later. It is not safe for concurrent use.
type Host struct {
	dirs           Dirs
	failures       *failures
	searched       []*directory // in GLib's order: config, then data
	homeIndex      int          // index of DataHome in searched
	types          database
	systemTypes    *database           // of DataDirs only; nil before it is read
	startable      map[string]bool     // whether GLib would start the entry, by file
	added          map[string][]string // types of the entries of With
	removed        map[string]bool     // entries of Without
	systemFallback fallback            // xdg-mime's last resort in DataDirs; empty before it is read
	defaults       map[string]string   // results of GLibDefault
	homeFallback   fallback            // the same in DataHome; nil before it is read
}

// failures holds the first error that says nothing of a file of the host, which
// counts as missing nevertheless.
type failures struct{ first error }

func (f *failures) note(err error) {
	if f.first == nil && rootfs.IsFailure(err) {
		f.first = err
	}
}

// Failure returns the first error so far for which rootfs.IsFailure holds. What the
// host offers is not known then.
func (h *Host) Failure() error { return h.failures.first }

// directory is a directory that may have a mimeapps.list.
type directory struct {
	path     string
	isConfig bool // then it has no entries
	files    map[string]string
	lists    []list            // the first one wins
	raw      map[string]string // IDs in defaults.list and mimeinfo.cache, as grep finds them
	tweaks   map[string]*tweak
}

// list is one file that associates types with entries.
type list struct {
	keys         *keyFile
	group        string // the group that associates types with entries
	canAssociate bool   // false for a desktop's own file: GLib ignores its associations
	file         string
	text         string
	firstIDs     map[string]string
}

// tweak is GLib's UnindexedMimeTweaks. A list is nil if no file has it.
type tweak struct{ added, removed, defaults []string }

const (
	addedGroup   = "Added Associations"
	removedGroup = "Removed Associations"
	defaultGroup = "Default Applications"
	cacheGroup   = "MIME Cache"
)

// Read reads the host. Files that are missing or cannot be read count as empty, as
// for GLib.
func Read(d Dirs) *Host {
	h := &Host{dirs: d, failures: &failures{}, startable: map[string]bool{}, systemFallback: fallback{}, defaults: map[string]string{}}
	h.types = readDatabase(h.failures, append([]string{d.DataHome}, d.DataDirs...))
	for _, p := range append([]string{d.ConfigHome}, d.ConfigDirs...) {
		h.searched = append(h.searched, h.readDirectory(p, true))
	}
	h.homeIndex = len(h.searched)
	for _, p := range append([]string{d.DataHome}, d.DataDirs...) {
		h.searched = append(h.searched, h.readDirectory(filepath.Join(p, "applications"), false))
	}
	return h
}

func (h *Host) readDirectory(path string, config bool) *directory {
	p := &directory{path: path, isConfig: config}
	for _, d := range h.dirs.Desktops {
		if d != "" && !strings.ContainsFunc(d, func(r rune) bool { return !isWord(r) }) {
			p.lists = append(p.lists, readList(h.failures, filepath.Join(path, asciiLower(d)+"-mimeapps.list"), addedGroup, false))
		}
	}
	p.lists = append(p.lists, readList(h.failures, filepath.Join(path, "mimeapps.list"), addedGroup, true))
	if !config {
		p.files = listEntries(h.failures, path)
		p.raw = map[string]string{}
		for i, name := range []string{"defaults.list", "mimeinfo.cache"} {
			l := readList(h.failures, filepath.Join(path, name), []string{addedGroup, cacheGroup}[i], i == 1)
			p.lists = append(p.lists, l)
			for t, id := range l.firstIDs {
				if _, ok := p.raw[t]; !ok {
					p.raw[t] = id
				}
			}
		}
	}
	h.combineLists(p)
	return p
}

// isWord reports whether GLib accepts r in the name of a desktop.
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

// combineLists makes one table of the directory's lists by GLib's rules: the first
// list wins (desktop_file_dir_unindexed_read_mimeapps_list).
func (h *Host) combineLists(p *directory) {
	p.tweaks = map[string]*tweak{}
	tweakOf := func(t string) *tweak {
		t = h.types.resolveAlias(t)
		if p.tweaks[t] == nil {
			p.tweaks[t] = &tweak{}
		}
		return p.tweaks[t]
	}
	for _, l := range p.lists {
		if l.keys == nil {
			continue
		}
		if l.canAssociate {
			for _, t := range l.keys.keys(l.group) {
				w := tweakOf(t)
				w.added = appendNew(w.added, l.keys.getList(l.group, t), w.removed)
			}
			for _, t := range l.keys.keys(removedGroup) {
				w := tweakOf(t)
				w.removed = appendNew(w.removed, l.keys.getList(removedGroup, t), w.added)
			}
		}
		for _, t := range l.keys.keys(defaultGroup) {
			w := tweakOf(t)
			w.defaults = appendNew(w.defaults, l.keys.getList(defaultGroup, t), nil)
		}
	}
}

// appendNew appends the IDs that are neither in the list nor blocked. As in GLib,
// blocked does not apply if list is nil.
func appendNew(list, more, blocked []string) []string {
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

// GLibDefault returns the ID of the entry with which GLib opens the type t (or
// "x-scheme-handler/SCHEME"), or "".
func (h *Host) GLibDefault(t string) string {
	var blocked []string
	for _, t := range h.types.lineage(t) {
		var failed []string // GLib also lists entries that load, but those end the search here
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

// isMasked reports whether a directory before the i-th has an entry of that ID.
func (h *Host) isMasked(i int, id string) bool {
	for j := range i {
		if h.hasEntry(j, id) {
			return true
		}
	}
	return false
}

// hasEntry reports whether the i-th directory has the entry.
func (h *Host) hasEntry(i int, id string) bool {
	if i == h.homeIndex {
		if _, ok := h.added[id]; ok || h.removed[id] {
			return ok
		}
	}
	_, ok := h.searched[i].files[id]
	return ok
}

// canLoad reports whether GLib can load an entry of that ID.
func (h *Host) canLoad(id string) bool {
	for i := h.homeIndex; i < len(h.searched); i++ {
		if !h.hasEntry(i, id) {
			continue
		}
		if _, ok := h.added[id]; ok && i == h.homeIndex || h.canStart(h.searched[i].files[id]) {
			return true
		}
	}
	return false
}

// With returns the host as it would be if these entries (types by ID, with
// ".desktop") were in DataHome/applications and in its cache, in place of existing
// ones.
func (h *Host) With(ids map[string][]string) *Host {
	n := h.clone()
	for id, types := range ids {
		n.added[id] = types
		delete(n.removed, id)
	}
	n.updateCache()
	return n
}

// Without returns the host as it would be if these entries were neither in
// DataHome/applications nor in its cache.
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
	n.searched, n.homeFallback, n.defaults = slices.Clone(h.searched), nil, map[string]string{}
	return &n
}

// Entries returns the files of the host's entries by ID. It leaves out entries of
// Without, and those that an earlier directory hides.
func (h *Host) Entries() map[string]string {
	all := map[string]string{}
	for i := len(h.searched) - 1; i >= h.homeIndex; i-- {
		for id, file := range h.searched[i].files {
			if h.hasEntry(i, id) {
				all[id] = file
			}
		}
	}
	return all
}
