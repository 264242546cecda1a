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

// XDGDefault returns the ID of the entry that `xdg-mime query default` of
// xdg-utils 1.1.3 and 1.2 prints for t, or "", on a desktop for which it does not
// run another program (KDE's ktraderclient). It knows neither aliases nor
// subclasses, tries only the first entry of a default, and does not check the
// entries of a cache. Its patterns are treated as plain text here, and
// $XDG_MENU_PREFIX as unset.
func (h *Host) XDGDefault(t string) string {
	if id := h.xdgListed(t); id != "" {
		return id
	}
	return h.xdgFallback(t)
}

// xdgListed returns the entry that the lists and caches name.
func (h *Host) xdgListed(t string) string {
	if id := h.xdgConfigured(t); id != "" {
		return id
	}
	for _, p := range h.searched[h.homeIndex:] {
		if id := p.raw[t]; id != "" {
			return id
		}
	}
	return ""
}

// xdgConfigured returns the entry that a mimeapps.list names
// (check_mimeapps_list).
func (h *Host) xdgConfigured(t string) string {
	for _, p := range h.searched {
		for _, l := range p.lists {
			if id := l.firstIDs[t]; l.group == addedGroup && !strings.HasSuffix(l.file, "defaults.list") && id != "" && h.xdgAccepts(id) {
				return id
			}
		}
	}
	return ""
}

// xdgAccepts reports whether xdg-mime finds the program of the entry
// (desktop_file_to_binary).
func (h *Host) xdgAccepts(id string) bool {
	for i := h.homeIndex; i < len(h.searched); i++ {
		p := h.searched[i]
		file := p.files[id]
		if i == h.homeIndex {
			if _, ok := h.added[id]; ok {
				return true
			}
			if h.removed[id] {
				file = ""
			}
		}
		if file == "" { // xdg-mime also searches subdirectories for the file name
			if list, _ := filepath.Glob(p.path + "/*/" + id); len(list) > 0 {
				file = list[0]
			}
		}
		err := unix.Access(file, unix.R_OK)
		if err == nil {
			return h.execExists(file)
		}
		h.failures.note(err)
	}
	return false
}

// execExists reports whether the first word of the first Exec line is a program.
func (h *Host) execExists(file string) bool {
	data, err := rootfs.ReadHost(rootfs.HostPath(file), 0, 0)
	h.failures.note(err)
	for line := range strings.SplitSeq(string(data), "\n") {
		key, value, ok := strings.Cut(line, "=")
		if ok && (key == "Exec" || strings.HasPrefix(key, "Exec[") && strings.IndexByte(key, ']') == len(key)-1) {
			words := strings.Fields(value)
			return len(words) > 0 && h.hasProgram(words[0], "")
		}
	}
	return false
}

// fallback is xdg-mime's last resort by type: the entry whose text contains the
// type; of several, the first one with the highest InitialPreference
// (defapp_fallback).
type fallback map[string]candidate

type candidate struct {
	id         string
	preference int
}

// xdgFallback returns the last resort for a type. It reads every entry of the
// host, once.
func (h *Host) xdgFallback(t string) string {
	if h.homeFallback == nil {
		h.homeFallback = fallback{}
		h.homeFallback.scan(h.failures, h.searched[h.homeIndex].path, func(id string) bool {
			_, ok := h.added[id]
			return ok || h.removed[id]
		}, 0)
	}
	if len(h.systemFallback) == 0 {
		for _, p := range h.searched[h.homeIndex+1:] {
			h.systemFallback.scan(h.failures, p.path, func(string) bool { return false }, 0)
		}
		h.systemFallback[""] = candidate{} // not empty: it has been read
	}
	own, ok := h.homeFallback[t]
	if system := h.systemFallback[t]; !ok || system.preference > own.preference {
		return system.id
	}
	return own.id
}

// scan reads the entries of dir, then those of its subdirectories.
func (f fallback) scan(failed *failures, dir string, skip func(id string) bool, depth int) {
	list, err := os.ReadDir(dir)
	failed.note(err)
	for _, e := range list {
		if strings.HasSuffix(e.Name(), ".desktop") && !strings.HasPrefix(e.Name(), ".") && !skip(e.Name()) {
			f.read(failed, filepath.Join(dir, e.Name()), e.Name())
		}
	}
	for _, e := range list {
		if file := filepath.Join(dir, e.Name()); depth < 8 && isDir(file, e) && !strings.HasPrefix(e.Name(), ".") {
			f.scan(failed, file, func(string) bool { return false }, depth+1)
		}
	}
}

func (f fallback) read(failed *failures, file, id string) {
	data, err := rootfs.ReadHost(rootfs.HostPath(file), 0, 0)
	if err != nil {
		failed.note(err)
		return
	}
	text := string(data)
	c := candidate{id: id}
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
			if old, ok := f[word]; strings.Contains(word, "/") && (!ok || c.preference > old.preference) {
				f[word] = c
			}
		}
	}
}

// isMissing reports whether no entry of that ID exists: if xdg-mime names it, the
// type opens with nothing.
func (h *Host) isMissing(id string) bool {
	for i := h.homeIndex; i < len(h.searched); i++ {
		if h.hasEntry(i, id) {
			return false
		}
	}
	return !slices.ContainsFunc(h.searched[h.homeIndex:], func(p *directory) bool {
		list, _ := filepath.Glob(p.path + "/*/" + id)
		return len(list) > 0
	})
}
