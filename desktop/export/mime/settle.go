package mime

import (
	"maps"
	"slices"
)

// listTypes are those that the host's lists, caches and shared-mime-info name, in
// order.
func (h *Host) listTypes() []string {
	all := maps.Clone(h.base.types)
	for t := range h.base.aliases {
		all[t] = true
	}
	for _, p := range h.searched {
		for t := range p.tweaks {
			all[t] = true
		}
		for _, l := range p.lists {
			for t := range l.first {
				all[t] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// findMoved calls found with a type that moved, from where and where to.
func findMoved(before, after *Host, types []string, found func(t, was, is string)) {
	for _, t := range types {
		was, there := before.asked[t]
		if !there {
			was = before.GLibDefault(t)
			before.asked[t] = was
		}
		if is := after.GLibDefault(t); was != "" && is != "" && is != was {
			found(t, was, is)
		} else if is = after.xdgListed(t); is != "" {
			if was = before.XDGDefault(t); was != "" && was != is && !before.isMissing(was) {
				found(t, was, is)
			}
		}
	}
}

// KeepDefaults parts the types of entries to be exported (by id, with ".desktop"):
// with those that are kept no default of h moves; those left out would move
// one. An id in claims is named by a mimeapps.list of the host, for the types
// given, so that its mere presence moves their default: it needs another id.
//
// h may hold these entries as exported before: a default that is one of them
// already does not move.
func (h *Host) KeepDefaults(ids map[string][]string) (kept, left, claims map[string][]string) {
	kept, left = maps.Clone(ids), map[string][]string{}
	types := h.With(ids).listTypes()
	for again := true; again; {
		again, claims = false, map[string][]string{}
		after, with := h.With(kept), maps.Clone(kept)
		findMoved(h, after, types, func(t, was, id string) {
			types, ours := with[id]
			if !ours {
				return
			}
			for _, u := range append(h.base.lineage(t), t) {
				same := func(v string) bool { return v == u || h.base.resolveAlias(v) == u }
				if !slices.ContainsFunc(types, same) {
					continue
				}
				again = true
				// Without it, the next of ours would take its place. In a line of
				// the cache they stand in order, some perhaps behind what was.
				front := func(other string) bool { return other == id || other < was || !h.isCached(was, u) }
				for other, types := range kept {
					if i := slices.IndexFunc(types, same); i >= 0 && front(other) {
						left[other] = append(left[other], types[i])
						kept[other] = slices.DeleteFunc(slices.Clone(types), same)
					}
				}
				return
			}
			claims[id] = append(claims[id], t)
		})
	}
	for _, list := range left {
		slices.Sort(list)
	}
	return kept, left, claims
}

// isCached says whether DataHome's cache gives the type to the entry.
func (h *Host) isCached(id, t string) bool {
	w := h.searched[h.home].tweaks[h.base.resolveAlias(t)]
	return w != nil && slices.Contains(w.added, id)
}
