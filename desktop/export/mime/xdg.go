package mime

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// XDGDefault is the desktop id that `xdg-mime query default` names for t, "" for
// none: xdg-utils 1.1.3 and 1.2, where no desktop's own program answers
// instead (KDE's ktraderclient). It knows neither aliases nor parents, asks
// the first entry of a default alone, and takes what a cache says unseen.
// Its patterns are taken as plain text, and $XDG_MENU_PREFIX as not set.
func (h *Host) XDGDefault(t string) string {
	if id := h.xdgListed(t); id != "" {
		return id
	}
	return h.xdgFound(t)
}

// xdgListed is what the lists and caches say.
func (h *Host) xdgListed(t string) string {
	if id := h.xdgNamed(t); id != "" {
		return id
	}
	for _, p := range h.searched[h.home:] {
		if id := p.raw[t]; id != "" {
			return id
		}
	}
	return ""
}

// xdgNamed is what a mimeapps.list says (check_mimeapps_list).
func (h *Host) xdgNamed(t string) string {
	for _, p := range h.searched {
		for _, l := range p.lists {
			if id := l.first[t]; l.added == addedGroup && !strings.HasSuffix(l.file, "defaults.list") && id != "" && h.xdgAccepts(id) {
				return id
			}
		}
	}
	return ""
}

// xdgAccepts says whether the entry's program is there (desktop_file_to_binary).
func (h *Host) xdgAccepts(id string) bool {
	for i := h.home; i < len(h.searched); i++ {
		p := h.searched[i]
		file := p.files[id]
		if i == h.home {
			if _, ours := h.added[id]; ours {
				return true
			}
			if h.removed[id] {
				file = ""
			}
		}
		if file == "" { // in a directory, by its name there
			if list, _ := filepath.Glob(p.path + "/*/" + id); len(list) > 0 {
				file = list[0]
			}
		}
		if unix.Access(file, unix.R_OK) == nil {
			return h.execExists(file)
		}
	}
	return false
}

// execExists says whether the first word of the first Exec line is a program.
func (h *Host) execExists(file string) bool {
	data, _ := rootfs.ReadHost(rootfs.HostPath(file), 0, 0)
	for line := range strings.SplitSeq(string(data), "\n") {
		key, value, ok := strings.Cut(line, "=")
		if ok && (key == "Exec" || strings.HasPrefix(key, "Exec[") && strings.IndexByte(key, ']') == len(key)-1) {
			words := strings.Fields(value)
			return len(words) > 0 && h.hasProgram(words[0], "")
		}
	}
	return false
}

// fallback is xdg-mime's last resort: any entry whose text names the type, and
// of several the first with the highest InitialPreference (defapp_fallback).
type fallback map[string]choice

type choice struct {
	id         string
	preference int
}

// xdgFound reads every entry of the host, once.
func (h *Host) xdgFound(t string) string {
	if h.foundHome == nil {
		h.foundHome = fallback{}
		h.foundHome.scan(h.searched[h.home].path, func(id string) bool {
			_, ours := h.added[id]
			return ours || h.removed[id]
		}, 0)
	}
	if len(h.found) == 0 {
		for _, p := range h.searched[h.home+1:] {
			h.found.scan(p.path, func(string) bool { return false }, 0)
		}
		h.found[""] = choice{} // read, whatever was there
	}
	mine, there := h.foundHome[t]
	if other := h.found[t]; !there || other.preference > mine.preference {
		return other.id
	}
	return mine.id
}

// scan reads the entries of dir, then of the directories in it.
func (f fallback) scan(dir string, skip func(id string) bool, depth int) {
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if strings.HasSuffix(e.Name(), ".desktop") && !strings.HasPrefix(e.Name(), ".") && !skip(e.Name()) {
			f.read(filepath.Join(dir, e.Name()), e.Name())
		}
	}
	for _, e := range list {
		if file := filepath.Join(dir, e.Name()); depth < 8 && isDir(file, e) && !strings.HasPrefix(e.Name(), ".") {
			f.scan(file, func(string) bool { return false }, depth+1)
		}
	}
}

func (f fallback) read(file, id string) {
	data, err := rootfs.ReadHost(rootfs.HostPath(file), 0, 0)
	if err != nil {
		return
	}
	text := string(data)
	c := choice{id: id}
	if _, after, ok := strings.Cut(text, "InitialPreference="); ok {
		line, _, _ := strings.Cut(after, "\n")
		if c.preference, err = strconv.Atoi("0" + strings.TrimSpace(line)); err != nil {
			return
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		for len(line) > 0 {
			word, rest, ok := strings.Cut(line, ";")
			if !ok {
				break
			}
			line, word = rest, word[strings.LastIndexAny(word, "= ")+1:]
			if old, there := f[word]; strings.Contains(word, "/") && (!there || c.preference > old.preference) {
				f[word] = c
			}
		}
	}
}

// isMissing says whether no entry of that id is anywhere: what xdg-mime names then
// opens nothing.
func (h *Host) isMissing(id string) bool {
	for i := h.home; i < len(h.searched); i++ {
		if h.hasEntry(i, id) {
			return false
		}
	}
	return !slices.ContainsFunc(h.searched[h.home:], func(p *directory) bool {
		list, _ := filepath.Glob(p.path + "/*/" + id)
		return len(list) > 0
	})
}
