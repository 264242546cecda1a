// Package mime knows which program of the host opens a type, so that an export
// moves no default, and makes the types of a chroot known to the host.
//
// Sources: MIME Associations 1.0.1; Shared MIME-info 0.21; GLib's
// gdesktopappinfo.c (g_app_info_get_default_for_type), whose answer counts where
// the specification is silent.
package mime

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"chrun/desktop/entry"
)

// Dirs are the base directories of a desktop, in their order.
type Dirs struct {
	ConfigHome, DataHome string
	ConfigDirs, DataDirs []string
	Desktops             []string // the elements of $XDG_CURRENT_DESKTOP
	Path                 string   // $PATH: where programs of entries are
}

// Host is what opens which type on the host.
type Host struct {
	dirs    Dirs
	folders []*folder // in GLib's order: of configuration, then of data
	parents map[string][]string
	aliases map[string]string
	types   map[string]bool
	ours    map[string]bool // ids that do not count
	usable  map[string]bool // by id
}

// folder is a directory with lists of associations; data says that entries are
// in it, too.
type folder struct {
	path    string
	data    bool
	tweaks  map[string]*tweaks
	firsts  map[string][]string // what xdg-mime reads: the first default of each list,
	traded  map[string]string   // and the first entry of the caches
	entries map[string]string   // id: file
}

// tweaks are what the lists of one folder say of a type.
type tweaks struct{ defaults, added, removed []string }

// Read reads the lists. ours are ids (with ".desktop") of an earlier export, and
// packages the files of types of one: they count as if they were not there.
func Read(d Dirs, ours, packages []string) *Host {
	h := &Host{dirs: d, parents: map[string][]string{}, aliases: map[string]string{}, types: map[string]bool{},
		ours: map[string]bool{}, usable: map[string]bool{}}
	for _, id := range ours {
		h.ours[id] = true
	}
	for _, dir := range append([]string{d.ConfigHome}, d.ConfigDirs...) {
		h.folders = append(h.folders, &folder{path: dir})
	}
	data := append([]string{d.DataHome}, d.DataDirs...)
	for _, dir := range data {
		h.folders = append(h.folders, &folder{path: filepath.Join(dir, "applications"), data: true})
	}
	for _, f := range h.folders {
		f.read(d.Desktops)
	}
	exported := map[string]bool{}
	for _, file := range packages {
		data, _ := os.ReadFile(file)
		types, _ := Types(data, func(string) bool { return true })
		for _, t := range types {
			exported[t.Type] = true
		}
	}
	for i, dir := range data {
		h.readTypes(filepath.Join(dir, "mime"), func(t string) bool { return i > 0 || !exported[t] })
	}
	return h
}

func (f *folder) read(desktops []string) {
	f.tweaks, f.firsts, f.traded = map[string]*tweaks{}, map[string][]string{}, map[string]string{}
	for _, d := range desktops {
		f.list(strings.ToLower(d)+"-mimeapps.list", "", false)
	}
	f.list("mimeapps.list", "Added Associations", true)
	if f.data {
		f.list("defaults.list", "", false)
		f.list("mimeinfo.cache", "MIME Cache", true)
		f.entries = map[string]string{}
		f.walk(f.path, "")
	}
}

// list reads one list; what stands in an earlier one wins.
func (f *folder) list(name, added string, removals bool) {
	data, err := os.ReadFile(filepath.Join(f.path, name))
	if err != nil {
		return
	}
	group := ""
	for text := range strings.Lines(string(data)) {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "[") {
			group = strings.Trim(text, "[]")
			continue
		}
		t, value, ok := strings.Cut(text, "=")
		if !ok || text[0] == '#' {
			continue
		}
		t = strings.TrimSpace(t)
		tw := f.tweaks[t]
		if tw == nil {
			tw = &tweaks{}
			f.tweaks[t] = tw
		}
		ids := strings.Split(value, ";")
		switch cache := name == "defaults.list" || name == "mimeinfo.cache"; {
		case cache && f.traded[t] == "":
			f.traded[t] = ids[0]
		case !cache && group == "Default Applications":
			f.firsts[t] = append(f.firsts[t], ids[0])
		}
		for _, id := range ids {
			switch id = strings.TrimSpace(id); {
			case id == "":
			case group == "Default Applications":
				tw.defaults = more(tw.defaults, id, nil)
			case added != "" && group == added:
				tw.added = more(tw.added, id, tw.removed)
			case removals && group == "Removed Associations":
				tw.removed = more(tw.removed, id, tw.added)
			}
		}
	}
}

func more(list []string, id string, except []string) []string {
	if slices.Contains(list, id) || slices.Contains(except, id) {
		return list
	}
	return append(list, id)
}

// walk notes the entries of a folder by their ids.
func (f *folder) walk(dir, prefix string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if strings.HasSuffix(e.Name(), ".desktop") {
			f.entries[prefix+e.Name()] = name
		} else if e.IsDir() && strings.Count(prefix, "-") < 8 {
			f.walk(name, prefix+e.Name()+"-")
		}
	}
}

// readTypes reads what update-mime-database has made of a directory.
func (h *Host) readTypes(dir string, counts func(t string) bool) {
	lines := func(name string, use func(a, b string)) {
		data, _ := os.ReadFile(filepath.Join(dir, name))
		for text := range strings.Lines(string(data)) {
			a, b, _ := strings.Cut(strings.TrimSpace(text), " ")
			if a != "" && a[0] != '#' && counts(a) {
				use(a, b)
			}
		}
	}
	lines("types", func(t, _ string) { h.types[t] = true })
	lines("aliases", func(a, t string) {
		if h.aliases[a] == "" {
			h.aliases[a] = t
		}
	})
	lines("subclasses", func(t, parent string) { h.parents[t] = more(h.parents[t], parent, nil) })
}

// Knows says whether the host knows the type, or another name of it.
func (h *Host) Knows(t string) bool {
	return h.types[t] || h.aliases[t] != "" || strings.HasPrefix(t, "x-scheme-handler/") || strings.HasPrefix(t, "x-content/")
}

// Default is the id of the entry that opens a type, or "". fixed says that a list
// of defaults names it for this very type, so that no further entry changes it.
func (h *Host) Default(t string) (id string, fixed bool) {
	if a := h.aliases[t]; a != "" {
		t = a
	}
	asked := t
	var blocked []string
	types := []string{t}
	for i := 0; i < len(types); i++ {
		t := types[i]
		var hits []string
		for _, f := range h.folders {
			if tw := f.tweaks[t]; tw != nil {
				for _, id := range tw.defaults {
					hits = more(hits, id, nil)
				}
			}
		}
		named := len(hits)
		for n, f := range h.folders {
			if tw := f.tweaks[t]; tw != nil {
				for _, id := range tw.added {
					if !h.masked(n, id) {
						hits = more(hits, id, blocked)
					}
				}
				for _, id := range tw.removed {
					if !h.masked(n, id) {
						blocked = more(blocked, id, nil)
					}
				}
			}
		}
		for n, id := range hits {
			if !h.ours[id] && h.opens(id) {
				return id, n < named && t == asked
			}
		}
		for _, p := range h.parents[t] {
			if a := h.aliases[p]; a != "" {
				p = a
			}
			types = more(types, p, nil)
		}
	}
	return "", false
}

// masked says whether a folder before that at n has an entry of the id.
func (h *Host) masked(n int, id string) bool {
	for _, f := range h.folders[:n] {
		if _, ok := f.entries[id]; ok && !h.ours[id] {
			return true
		}
	}
	return false
}

// opens says whether an entry is there, and what it runs too.
func (h *Host) opens(id string) bool {
	ok, known := h.usable[id]
	if !known {
		for _, f := range h.folders {
			if file := f.entries[id]; file != "" && h.runs(file) {
				ok = true
			}
		}
		h.usable[id] = ok
	}
	return ok
}

// opensFirst says that of the first entry of that id, the one that xdg-mime sees.
func (h *Host) opensFirst(id string) bool {
	for _, f := range h.folders {
		if file := f.entries[id]; file != "" {
			return h.runs(file)
		}
	}
	return false
}

func (h *Host) runs(file string) bool {
	data, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	e, err := entry.Parse(data)
	if err != nil {
		return true // GLib may be more tolerant
	}
	if try := e.String("TryExec"); try != "" && !h.program(try) {
		return false
	}
	program := e.ExecWord()
	return e.String("Type") == "Application" && (program == "" && e.Bool("DBusActivatable") || h.program(program))
}

// program says whether GLib would find it.
func (h *Host) program(name string) bool {
	if path.IsAbs(name) {
		_, err := exec.LookPath(name)
		return err == nil
	}
	for _, dir := range filepath.SplitList(h.dirs.Path) {
		if _, err := exec.LookPath(filepath.Join(dir, name)); err == nil && name != "" {
			return true
		}
	}
	return false
}

// Moves says whether a further entry for the type, in the user's own directory,
// would become its default in place of another, for GLib or for xdg-mime, and of
// which. A type without a default may gain one.
func (h *Host) Moves(t string) (from string, moves bool) {
	if id, fixed := h.Default(t); id != "" && !fixed {
		return id, true
	}
	// xdg-mime (defapp_generic): the first name in a list of defaults, else the
	// first in the first cache; only for the very type.
	for _, f := range h.folders {
		for _, id := range f.firsts[t] {
			if !h.ours[id] && h.opensFirst(id) {
				return "", false
			}
		}
	}
	for _, f := range h.folders {
		if id := f.traded[t]; id != "" && !h.ours[id] {
			return id, true
		}
	}
	return "", false
}

// Entries are the files of the host's entries by their ids, those that count:
// not those of an earlier export, nor what an earlier directory hides.
func (h *Host) Entries() map[string]string {
	all := map[string]string{}
	for _, f := range h.folders {
		for id, file := range f.entries {
			if all[id] == "" && !h.ours[id] {
				all[id] = file
			}
		}
	}
	return all
}
