package session

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// named are the paths in the caller's home that the command line names.
func named(offers []Offer) (all []HostPath) {
	for _, o := range offers {
		all = append(all, o.Share.Named...)
	}
	return all
}

// showNamed shows a directory of the caller's home in the place of the chroot's own
// if the command line names something that only the caller's has, and nothing that
// only the chroot's has. A single file, bound, could not be replaced.
func (b *builder) showNamed(feature string, named []HostPath) {
	wanted := map[string]bool{}
	for _, p := range named {
		name := b.findHidden(p)
		if name == "" {
			continue
		}
		var st unix.Stat_t
		isYours, isOwn := unix.Lstat(string(p), &st) == nil, b.exists(Path(p))
		if isYours != isOwn {
			only, known := wanted[name]
			wanted[name] = isYours && (only || !known)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if dir := HostPath(b.f.Caller.Account.Home).Join(name); wanted[name] {
			b.bind(feature, Bind{Source: dir, Dest: Path(dir), Why: "the command line names something in it"})
		}
	}
}

// explainNamed warns of what the command line names in the caller's home and the
// program will not find, or will find something else in its place. In the caller's
// real home it finds what is named by a relative path.
func (b *builder) explainNamed(named []HostPath) {
	home := HostPath(b.f.Caller.Account.Home)
	explained := map[string]bool{}
	if b.req.Cwd == "" {
		named = append(named, b.f.Caller.Cwd)
	}
	inHome := b.plan.Cwd == HomeAlias(home)
	for _, p := range named {
		rest, ok := strings.CutPrefix(string(p), string(home)+"/")
		name, _, _ := strings.Cut(rest, "/")
		isInArgument := func(arg string) bool { return strings.Contains(arg, string(p)) }
		if !ok || b.clicked[p] || explained[name] || inHome && !slices.ContainsFunc(b.req.Argv, isInArgument) {
			continue
		}
		explained[name] = b.explainHidden(name) || p != b.f.Caller.Cwd && b.explainMissing(p)
	}
}

// explainHidden says that the chroot's home has something that hides a directory of
// the caller's home, or that this launch shows the caller's.
func (b *builder) explainHidden(name string) bool {
	own, yours := b.hidden[name], HostPath(b.f.Caller.Account.Home).Join(name)
	if own == "" {
		return false
	}
	home := b.f.Caller.Account.Home
	settle := fmt.Sprintf("to share yours always: mv %s %s", QuoteInHome(string(own), home), QuoteInHome(string(yours)+".chroot", home))
	switch there := b.findInAlias(yours); {
	case b.shows(Path(yours), yours):
		b.warn("~/%s is yours in this launch, not the chroot's own; %s", name, settle)
	case there != "":
		b.warn("~/%s inside is the chroot's own; yours is %s there; %s", name, there, settle)
	default:
		b.warn("~/%s inside is the chroot's own; %s", name, settle)
	}
	return true
}

// explainMissing says that a file of the caller's home, mostly a dot file, is not
// inside.
func (b *builder) explainMissing(p HostPath) bool {
	home := b.f.Caller.Account.Home
	name := strings.TrimPrefix(string(p), home+"/")
	var st unix.Stat_t
	if unix.Lstat(string(p), &st) != nil || b.exists(Path(p)) || b.linked[Path(p)] {
		return false
	}
	why := ""
	if name[0] == '.' {
		why = ", where dot files are the chroot's own"
	}
	if there := b.findInAlias(p); there != "" {
		b.warn("~/%s is not inside%s; yours is %s there; --home=host shares all", name, why, there)
	} else {
		b.warn("~/%s is not inside%s; to share yours: --bind %s", name, why, QuoteInHome(string(p), home))
	}
	return true
}

// findHidden returns the name of the directory of the caller's home that contains p
// and that something of the chroot's hides, or "".
func (b *builder) findHidden(p HostPath) string {
	rest, ok := strings.CutPrefix(string(p), b.f.Caller.Account.Home+"/")
	name, _, _ := strings.Cut(rest, "/")
	if !ok || b.hidden[name] == "" {
		return ""
	}
	return name
}

// findInAlias returns where p, in the caller's home, is inside because the whole
// home is there, or "".
func (b *builder) findInAlias(p HostPath) Path {
	home := HostPath(b.f.Caller.Account.Home)
	if home == "" || !p.IsBelow(home) || !b.shows(HomeAlias(home), home) {
		return ""
	}
	return HomeAlias(p)
}

// findLooseFile returns where a program looks for p: p, or the target of a link that
// an earlier launch has left in the home, and that leads nowhere because documents
// are denied.
func (b *builder) findLooseFile(p Path) Path {
	home := HostPath(b.f.Caller.Account.Home)
	if path.Dir(string(p)) != string(b.f.Home) || home == "" || b.linked[p] {
		return p
	}
	target := HomeAlias(home).Join(path.Base(string(p)))
	if to, _, _ := b.follow(p); to == target {
		return target
	}
	return p
}

// exists reports whether p exists inside.
func (b *builder) exists(p Path) bool {
	_, at, err := b.follow(p)
	return err == nil && at.exists()
}

// findOnHost returns where an entry of the home inside is on the host.
func (b *builder) findOnHost(h homeInside, name string) HostPath {
	if h.mount.Kind == FromTree {
		return b.plan.Tree.Join(h.source, name)
	}
	return HostPath(h.source).Join(name)
}
