package homereport

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"chrun/session"
)

// Message is a text for the person, with what to type.
type Message struct{ Text, Hint string }

// maxNames is how many names a message contains, and maxCommands how many files
// the command in a hint.
const maxNames, maxCommands = 20, 5

// news is what a launch has left, by kind: each kind is one message.
type news struct {
	fresh, changed []string // in the chroot's home only
	both           []string // a directory or so, of which the caller's home has another one
	replaced       []string // a file that stands in for the caller's
	removed        []string // links
	moved, copied  []movedLink
}

// addChanges adds those of the named entries of the home that differ from what the
// person knows, and returns their names.
func (n *news) addChanges(r *Report, names []string, entries map[string]entry, known map[string]string) (added []string) {
	for _, name := range names {
		e := entries[name]
		old, isKnown := known[name]
		if old == e.stamp {
			continue
		}
		kind := &n.fresh
		switch {
		case r.isInHome(name) && e.kind == file:
			kind = &n.replaced
		case r.isInHome(name):
			kind = &n.both
		case isKnown:
			kind = &n.changed
		}
		*kind = append(*kind, name)
		added = append(added, name)
	}
	return added
}

// movedLink is a link to the file name in the caller's home that is elsewhere on the
// host now. The command puts the file in its place.
type movedLink struct{ at, name, command string }

// addMoved adds a link that was moved or copied. For one that was moved there is no
// other message: who follows two could lose the file.
func (n *news) addMoved(at, name string) {
	if i := slices.Index(n.removed, name); i >= 0 {
		n.removed = slices.Delete(n.removed, i, i+1)
		n.moved = append(n.moved, movedLink{at, name, "mv"})
	} else {
		n.copied = append(n.copied, movedLink{at, name, "cp --remove-destination"})
	}
}

func (n *news) messages(r *Report) (all []Message) {
	add := func(names []string, one, many, hint string) {
		if len(names) > 0 {
			all = append(all, Message{describe(names, one, many), hint})
		}
	}
	where := func(names []string) string { // on the host
		if len(names) == 1 {
			return shorten(path.Join(r.dir, names[0]), r.home)
		}
		return shorten(r.dir, r.home)
	}
	move := func(names []string) string {
		it := map[bool]string{true: "it", false: "them"}[len(names) == 1]
		return "to have " + it + " in your home: mv -i " + r.inOwn(names) + " ~"
	}
	add(n.fresh, "is new in the chroot's home: "+where(n.fresh), "are new in the chroot's home: "+where(n.fresh), move(n.fresh))
	add(n.changed, "was changed in the chroot's home: "+where(n.changed), "were changed in the chroot's home: "+where(n.changed), move(n.changed))
	for _, name := range n.both {
		add([]string{name}, "is new in the chroot's home: "+where([]string{name})+"; your home has another one", "",
			"to have both in your home: mv -i "+r.inOwn([]string{name})+" "+session.QuoteInHome(path.Join(r.home, name+".chroot"), r.home))
	}
	add(n.replaced, "was written only in the chroot's home: yours is unchanged", "were written only in the chroot's home: yours are unchanged", r.settle(n.replaced))
	add(n.removed, "was removed inside: the host's file is unchanged", "were removed inside: the host's files are unchanged", "to remove it: rm "+r.words(r.home, n.removed))
	return slices.Concat(all, r.describeLinks(n.moved), r.describeLinks(n.copied))
}

// describeLinks says where links were moved or copied: a few one by one.
func (r *Report) describeLinks(links []movedLink) (all []Message) {
	slices.SortFunc(links, func(a, b movedLink) int { return strings.Compare(a.at, b.at) })
	if len(links) > maxCommands {
		var names []string
		for _, l := range links {
			names = append(names, shorten(l.at, r.home))
		}
		return []Message{{listNames("", names) + " are only links: the files are still at the top of ~",
			fmt.Sprintf("to have each there: %s ~/NAME %s/NAME", links[0].command, session.QuoteInHome(path.Dir(links[0].at), r.home))}}
	}
	for _, l := range links {
		all = append(all, Message{fmt.Sprintf("%s is only a link: the file is still ~/%s", shorten(l.at, r.home), l.name),
			fmt.Sprintf("to have the file there: %s %s %s", l.command, session.QuoteInHome(path.Join(r.home, l.name), r.home), session.QuoteInHome(l.at, r.home))})
	}
	return all
}

// standIns says which files of the private home stand in for the caller's, at
// every launch that may meet them. A command that runs in the caller's real home
// meets one only if it names its path.
func (r *Report) standIns() []Message {
	var names []string
	inHome := r.plan.Cwd == session.HomeAlias(session.HostPath(r.home))
	for _, s := range r.plan.StandIns {
		isNamed := func(arg string) bool { return strings.Contains(arg, string(s.Host)) }
		if name := path.Base(string(s.Own)); (!inHome || slices.ContainsFunc(r.plan.Argv, isNamed)) && !slices.Contains(r.earlier.replaced, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []Message{{describe(names, "inside is the chroot's own and hides yours", "inside are the chroot's own and hide yours"), r.settle(names)}}
}

// settle is the two commands for a file that stands in for the caller's.
func (r *Report) settle(names []string) string {
	own := r.inOwn(names)
	return fmt.Sprintf("to replace yours by it: mv %s ~; to remove it: rm %[1]s", own)
}

// describe is a sentence about names at the top of the home.
func describe(names []string, one, many string) string {
	if len(names) == 1 {
		return "~/" + names[0] + " " + one
	}
	return listNames("~/", names) + " " + many
}

func listNames(prefix string, names []string) string {
	text := prefix + strings.Join(names[:min(maxNames, len(names))], ", "+prefix)
	if more := len(names) - maxNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (r *Report) inOwn(names []string) string { return r.words(r.dir, names) }

// words is files of a directory in a command.
func (r *Report) words(dir string, names []string) string {
	if len(names) > maxCommands {
		return session.QuoteInHome(dir, r.home) + "/NAME"
	}
	var all []string
	for _, name := range names {
		all = append(all, session.QuoteInHome(path.Join(dir, name), r.home))
	}
	return strings.Join(all, " ")
}

// shorten is a path of the host in a text.
func shorten(p, home string) string {
	if rest, ok := strings.CutPrefix(p, home+"/"); ok {
		return "~/" + rest
	}
	return p
}
