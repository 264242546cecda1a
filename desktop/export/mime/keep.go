package mime

import (
	"maps"
	"slices"
)

// listTypes returns the types that the host's lists, caches and shared-mime-info
// name, in order.
func (h *Host) listTypes() []string {
	all := maps.Clone(h.types.types)
	for t := range h.types.aliases {
		all[t] = true
	}
	for _, p := range h.searched {
		for t := range p.tweaks {
			all[t] = true
		}
		for _, l := range p.lists {
			for t := range l.firstIDs {
				all[t] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// findMoved calls found for every type whose default, for GLib or for xdg-mime,
// differs. A type that had no default before does not count, nor does one for
// which xdg-mime names an entry that does not exist.
func findMoved(before, after *Host, types []string, found func(t, was, is string)) {
	for _, t := range types {
		was, known := before.defaults[t]
		if !known {
			was = before.GLibDefault(t)
			before.defaults[t] = was
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

// KeepDefaults decides which of their types exported entries (by ID, with
// ".desktop") may open so that no default of h changes. claims holds the types for
// which a mimeapps.list of the host names an ID, so that even without any type the
// entry would become a default: it needs another ID.
//
// h may already have these entries from an earlier export: a default that is one
// of them does not change then.
func (h *Host) KeepDefaults(ids map[string][]string) (kept, claims map[string][]string) {
	kept = maps.Clone(ids)
	types := h.With(ids).listTypes()
	for again := true; again; {
		again, claims = false, map[string][]string{}
		after, tried := h.With(kept), maps.Clone(kept)
		findMoved(h, after, types, func(t, was, id string) {
			own, exported := tried[id]
			if !exported {
				return
			}
			for _, u := range append(h.types.lineage(t), t) {
				same := func(v string) bool { return v == u || h.types.resolveAlias(v) == u }
				if !slices.ContainsFunc(own, same) {
					continue
				}
				again = true
				// Otherwise another exported entry could become the default in its
				// place. The cache lists entries in order, so those after the
				// previous default cannot.
				comesFirst := func(other string) bool { return other == id || other < was || !h.isCached(was, u) }
				for other, types := range kept {
					if comesFirst(other) && slices.ContainsFunc(types, same) {
						kept[other] = slices.DeleteFunc(slices.Clone(types), same)
					}
				}
				return
			}
			claims[id] = append(claims[id], t)
		})
	}
	return kept, claims
}

// isCached reports whether DataHome's cache lists the entry for the type.
func (h *Host) isCached(id, t string) bool {
	w := h.searched[h.homeIndex].tweaks[h.types.resolveAlias(t)]
	return w != nil && slices.Contains(w.added, id)
}
