package mime

import (
	"maps"
	"slices"
	"strings"

	"chrun/session/rootfs"
)

func readList(f *failures, file, added string, plain bool) list {
	data, err := rootfs.ReadHost(rootfs.HostPath(file), 0, 0)
	if err != nil {
		f.note(err)
		return list{file: file, group: added, canAssociate: plain}
	}
	return parseList(file, string(data), added, plain)
}

func parseList(file, text, added string, plain bool) list {
	l := list{file: file, text: text, group: added, canAssociate: plain, keys: parseKeyFile(text), firstIDs: map[string]string{}}
	mimeapps := strings.HasSuffix(file, "mimeapps.list")
	inside := !mimeapps
	for line := range strings.SplitSeq(text, "\n") {
		if mimeapps && strings.HasPrefix(line, "[") {
			inside = strings.HasPrefix(line, "["+defaultGroup+"]")
			continue
		}
		t, value, ok := strings.Cut(line, "=")
		if _, seen := l.firstIDs[t]; ok && inside && !seen {
			value, _, _ = strings.Cut(value, ";")
			l.firstIDs[t] = value
		}
	}
	return l
}

// updateCache applies With and Without to the cache of DataHome.
func (h *Host) updateCache() {
	old := h.searched[h.homeIndex]
	p, last := *old, len(old.lists)-1
	p.lists = slices.Clone(old.lists)
	p.lists[last] = parseList(old.lists[last].file, h.editCache(old.lists[last].text), cacheGroup, true)
	p.raw = maps.Clone(p.lists[last].firstIDs)
	maps.Copy(p.raw, old.lists[last-1].firstIDs) // defaults.list wins
	h.searched[h.homeIndex] = &p
	h.combineLists(&p)
}

// editCache removes the entries of With and Without from the text of a cache, and
// inserts those of With where update-desktop-database would: types in order, and
// the IDs of a type in order.
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
	listed := map[string]bool{}
	for line := range strings.Lines(text) {
		t, _, _ := strings.Cut(line, "=")
		listed[t] = true
	}
	newTypes := slices.DeleteFunc(slices.Sorted(maps.Keys(add)), func(t string) bool { return listed[t] })
	var b strings.Builder
	writeLine := func(t string, ids []string) {
		for _, id := range slices.Sorted(slices.Values(add[t])) {
			i := slices.IndexFunc(ids, func(other string) bool { return other > id })
			if i < 0 {
				i = len(ids)
			}
			ids = slices.Insert(ids, i, id)
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
		for len(newTypes) > 0 && newTypes[0] < t {
			writeLine(newTypes[0], nil)
			newTypes = newTypes[1:]
		}
		ids := strings.Split(strings.TrimSuffix(value, ";"), ";")
		n := len(ids)
		ids = slices.DeleteFunc(ids, func(id string) bool { _, ok := h.added[id]; return ok || h.removed[id] })
		if len(ids) == n && add[t] == nil {
			b.WriteString(old)
		} else {
			writeLine(t, ids)
		}
		delete(add, t)
	}
	for _, t := range newTypes {
		writeLine(t, nil)
	}
	return b.String()
}

// Cache returns the text of DataHome/applications/mimeinfo.cache after With and
// Without; other lines are unchanged. If the file was up to date, the text is
// exactly what update-desktop-database 0.26 would write. That program should not
// run: it would also register entries of the user's that the cache lacks, which
// changes defaults.
func (h *Host) Cache() []byte {
	lists := h.searched[h.homeIndex].lists
	return []byte(lists[len(lists)-1].text)
}

// HasCache reports whether Read has read this text in that file.
func (h *Host) HasCache(text string) bool {
	lists := h.searched[h.homeIndex].lists
	return lists[len(lists)-1].text == text
}

// media are the top-level types that update-desktop-database accepts
// (mimeutils.c). With others, a package of types could also choose a directory
// below the host's mime/.
var media = []string{"application", "audio", "chemical", "font", "image", "inode", "message", "model", "multipart", "text",
	"video", "x-content", "x-directory", "x-scheme-handler"}

// isValidType reports whether update-desktop-database accepts t as a type.
func isValidType(t string) bool {
	kind, sub, ok := strings.Cut(t, "/")
	if !ok || sub == "" || strings.ContainsFunc(sub, isNotTokenChar) {
		return false
	}
	if len(kind) >= 2 && strings.EqualFold(kind[:2], "x-") {
		return !strings.ContainsFunc(kind, isNotTokenChar)
	}
	return slices.Contains(media, kind) || t == "misc/ultravox" || kind == "zz-application" // Wine uses it
}

func isNotTokenChar(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?=`, r)
}
