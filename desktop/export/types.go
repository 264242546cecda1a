package export

import (
	"cmp"
	"os"
	"path"
	"slices"
	"strings"

	"chrun/desktop/entry"
	"chrun/desktop/export/inside"
	"chrun/desktop/export/mime"
)

// typeExporter decides which types exported entries may open, and exports the
// definitions of types that the host does not know.
type typeExporter struct {
	*builder
	current *mime.Host          // the host as it is
	without *mime.Host          // the host without the previous export
	allowed map[string][]string // by exported ID, with ".desktop"
	opened  map[string]bool     // types that exported entries open
}

func newTypeExporter(b *builder) *typeExporter {
	var previous []string
	for p := range b.previous.files {
		if name, ok := strings.CutPrefix(p, b.host.DataHome+"/applications/"); ok {
			previous = append(previous, name)
		}
	}
	current := mime.Read(b.host.Dirs)
	return &typeExporter{builder: b, current: current, without: current.Without(previous), opened: map[string]bool{}}
}

// limit decides which types each entry may open so that no default changes: first
// as if there were no previous export, then also from what that one has made the
// default. If the host's lists give a default to an ID, n chooses another one.
func (x *typeExporter) limit(apps []App, n *namer) {
	listTypes := func() map[string][]string {
		types := map[string][]string{}
		for _, a := range apps {
			if a.Err == nil {
				types[n.exportedID(a.ID)+".desktop"] = a.Entry.List("MimeType")
			}
		}
		return types
	}
	x.allowed = listTypes()
	if x.selection.ClaimTypes {
		return
	}
	kept, claimed := x.without.KeepDefaults(x.allowed)
	all := x.allowed
	if len(claimed) > 0 {
		for id := range claimed {
			n.claimed[id] = true
		}
		all = listTypes()
		kept, _ = x.without.KeepDefaults(all)
	}
	for id, types := range kept {
		kept[id] = append(slices.Clone(types), x.registered(id, types, all[id])...)
	}
	x.allowed, _ = x.current.KeepDefaults(kept)
}

// registered returns those of types, without kept, for which the previous export
// registered the entry: if it has become the default of one, it stays the default.
func (x *typeExporter) registered(id string, kept, types []string) (more []string) {
	p := x.host.DataHome + "/applications/" + id
	if _, ok := x.previous.files[p]; !ok {
		return nil
	}
	data, err := os.ReadFile(p)
	if err != nil {
		return nil
	}
	e, err := entry.Parse(data)
	if err != nil {
		return nil
	}
	for _, t := range e.List("MimeType") {
		if slices.Contains(types, t) && !slices.Contains(kept, t) {
			more = append(more, t)
		}
	}
	return more
}

// allows reports whether the exported entry may open the type.
func (x *typeExporter) allows(id, t string) bool {
	return slices.Contains(x.allowed[id+".desktop"], t)
}

// defaultOf returns the ID of the entry that opens the type now.
func (x *typeExporter) defaultOf(t string) string {
	return strings.TrimSuffix(cmp.Or(x.without.GLibDefault(t), x.without.XDGDefault(t)), ".desktop")
}

// define lets exportPackage define types if the host does not know them.
func (x *typeExporter) define(types []string) {
	for _, t := range types {
		x.opened[t] = true
	}
}

// exportPackage adds the definitions of types that the host does not know.
func (x *typeExporter) exportPackage() {
	if len(x.opened) == 0 {
		return
	}
	p := x.without.NewPackage(func(t string) bool { return x.opened[t] })
	dirs := inside.DataDirs(x.root)
	for _, dir := range slices.Backward(dirs) { // programs read those of the system first
		dir = dir.Join("mime/packages")
		entries, _ := x.root.List(dir)
		for _, e := range entries {
			data, err := x.root.Read(dir.Join(e.Name()))
			if err != nil || path.Ext(e.Name()) != ".xml" {
				continue
			}
			if err := p.Add(data); err != nil {
				x.note("", "cannot read %s: %v", dir.Join(e.Name()), err)
			}
		}
	}
	if data := p.Bytes(); data != nil {
		x.files[x.host.DataHome+"/mime/packages/chrun-"+x.chroot+".xml"] = &file{mode: 0o644, data: data}
	}
}
