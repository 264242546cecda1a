package mime

import (
	"maps"
	"slices"
)

// Types are those that the host's lists, caches and shared-mime-info name, in
// order.
func (h *Host) Types() []string {
	all := maps.Clone(h.base.types)
	for t := range h.base.aliases {
		all[t] = true
	}
	for _, p := range h.dir {
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

// Moved are those of the types whose default, by GLib or by xdg-mime, is one
// entry before and another after. One that had none may gain one, and one that
// xdg-mime names though it is nowhere counts as none. Types nil asks for every
// type of both hosts: one that is exported moves those that are kinds of it.
func Moved(before, after *Host, types []string) []string {
	var moved []string
	each(before, after, types, func(t, _, _ string) { moved = append(moved, t) })
	return moved
}

// each calls found with a type that moved, from where and where to.
func each(before, after *Host, types []string, found func(t, was, is string)) {
	if types == nil {
		types = slices.Concat(before.Types(), after.Types())
		slices.Sort(types)
		types = slices.Compact(types)
	}
	for _, t := range types {
		was, there := before.asked[t]
		if !there {
			was = before.Default(t)
			before.asked[t] = was
		}
		if is := after.Default(t); was != "" && is != "" && is != was {
			found(t, was, is)
		} else if is = after.xdgListed(t); is != "" {
			if was = before.XDG(t); was != "" && was != is && !before.dead(was) {
				found(t, was, is)
			}
		}
	}
}

// Settle parts the types of entries to be exported (by id, with ".desktop"):
// with those that are kept no default of h moves; those left out would move
// one. An id in claims is named by a mimeapps.list of the host, for the types
// given, so that its mere presence moves their default: it needs another id.
//
// h may hold these entries as exported before: a default that is one of them
// already does not move.
func (h *Host) Settle(ids map[string][]string) (kept, left, claims map[string][]string) {
	kept, left = maps.Clone(ids), map[string][]string{}
	types := h.With(ids).Types()
	for again := true; again; {
		again, claims = false, map[string][]string{}
		after, with := h.With(kept), maps.Clone(kept)
		each(h, after, types, func(t, was, id string) {
			types, ours := with[id]
			if !ours {
				return
			}
			for _, u := range append(h.base.lineage(t), t) {
				same := func(v string) bool { return v == u || h.base.unalias(v) == u }
				if !slices.ContainsFunc(types, same) {
					continue
				}
				again = true
				// Without it, the next of ours would take its place. In a line of
				// the cache they stand in order, some perhaps behind what was.
				front := func(other string) bool { return other == id || other < was || !h.caches(was, u) }
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

// caches says whether DataHome's cache gives the type to the entry.
func (h *Host) caches(id, t string) bool {
	w := h.dir[h.home].tweaks[h.base.unalias(t)]
	return w != nil && slices.Contains(w.added, id)
}
