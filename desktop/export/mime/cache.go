package mime

import (
	"maps"
	"slices"
	"strings"

	"chrun/session/rootfs"
)

// readList reads a list of associations.
func readList(file, added string, plain bool) list {
	data, err := rootfs.ReadHost(rootfs.HostPath(file), 0, 0)
	if err != nil {
		return list{file: file, added: added, plain: plain}
	}
	return parseList(file, string(data), added, plain)
}

func parseList(file, text, added string, plain bool) list {
	l := list{file: file, text: text, added: added, plain: plain, keys: parseKeyFile(text), first: map[string]string{}}
	mimeapps := strings.HasSuffix(file, "mimeapps.list")
	inside := !mimeapps
	for line := range strings.SplitSeq(text, "\n") {
		if mimeapps && strings.HasPrefix(line, "[") {
			inside = strings.HasPrefix(line, "["+defaultGroup+"]")
			continue
		}
		t, value, ok := strings.Cut(line, "=")
		if _, there := l.first[t]; ok && inside && !there {
			value, _, _ = strings.Cut(value, ";")
			l.first[t] = value
		}
	}
	return l
}

// updateCache puts into DataHome's cache what h is with and without.
func (h *Host) updateCache() {
	old := h.searched[h.home]
	p, last := *old, len(old.lists)-1
	p.lists = slices.Clone(old.lists)
	p.lists[last] = parseList(old.lists[last].file, h.editCache(old.lists[last].text), cacheGroup, true)
	p.raw = maps.Clone(p.lists[last].first)
	maps.Copy(p.raw, old.lists[last-1].first) // defaults.list is asked first
	h.searched[h.home] = &p
	h.combine(&p)
}

// editCache takes the entries that h is without and with out of the text of a
// cache, and puts those that it is with where update-desktop-database would:
// types in order, and the ids of one.
func (h *Host) editCache(text string) string {
	add := map[string][]string{}
	for id, types := range h.added {
		for i, t := range types {
			if !slices.Contains(types[:i], t) && isValidType(t) {
				add[t] = append(add[t], id)
			}
		}
	}
	if text == "" {
		text = "[" + cacheGroup + "]\n"
	} else if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	there := map[string]bool{}
	for line := range strings.Lines(text) {
		t, _, _ := strings.Cut(line, "=")
		there[t] = true
	}
	todo := slices.DeleteFunc(slices.Sorted(maps.Keys(add)), func(t string) bool { return there[t] })
	var b strings.Builder
	line := func(t string, ids []string) {
		for _, id := range slices.Sorted(slices.Values(add[t])) {
			at := slices.IndexFunc(ids, func(other string) bool { return other > id })
			if at < 0 {
				at = len(ids)
			}
			ids = slices.Insert(ids, at, id)
		}
		if len(ids) > 0 {
			b.WriteString(t + "=" + strings.Join(ids, ";") + ";\n")
		}
	}
	for old := range strings.Lines(text) {
		t, value, ok := strings.Cut(strings.TrimRight(old, "\n"), "=")
		if !ok || strings.HasPrefix(old, "#") {
			b.WriteString(old)
			continue
		}
		for len(todo) > 0 && todo[0] < t {
			line(todo[0], nil)
			todo = todo[1:]
		}
		ids := strings.Split(strings.TrimSuffix(value, ";"), ";")
		n := len(ids)
		ids = slices.DeleteFunc(ids, func(id string) bool { _, ours := h.added[id]; return ours || h.removed[id] })
		if len(ids) == n && add[t] == nil {
			b.WriteString(old)
		} else {
			line(t, ids)
		}
		delete(add, t)
	}
	for _, t := range todo {
		line(t, nil)
	}
	return b.String()
}

// Cache is the text of DataHome/applications/mimeinfo.cache for the entries
// that h is with and without; other lines are as they are in the file. Where
// the file was up to date, it is byte for byte that of update-desktop-database
// 0.26, which need not run then. It is better that it does not: entries of the
// user's that no cache listed would get their types, and the defaults move.
func (h *Host) Cache() []byte {
	lists := h.searched[h.home].lists
	return []byte(lists[len(lists)-1].text)
}

// media are the first halves of types that update-desktop-database takes
// (mimeutils.c). Any but these would also let a package of types name a
// directory of its own below the host's mime/.
var media = []string{"application", "audio", "chemical", "font", "image", "inode", "message", "model", "multipart", "text",
	"video", "x-content", "x-directory", "x-scheme-handler"}

// isValidType says whether update-desktop-database takes t for a type.
func isValidType(t string) bool {
	kind, sub, ok := strings.Cut(t, "/")
	if !ok || sub == "" || strings.ContainsFunc(sub, notToken) {
		return false
	}
	if len(kind) >= 2 && strings.EqualFold(kind[:2], "x-") {
		return !strings.ContainsFunc(kind, notToken)
	}
	return slices.Contains(media, kind) || t == "misc/ultravox" || kind == "zz-application" // of Wine
}

func notToken(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?=`, r)
}
