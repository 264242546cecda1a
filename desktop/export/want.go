package export

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"chrun/desktop/entry"
	"chrun/desktop/export/icon"
	"chrun/desktop/export/mime"
	"chrun/desktop/export/service"
	"chrun/session/rootfs"
)

// Host is the user's side.
type Host struct {
	Home     string
	StateDir string // where manifests are: DIR/exports
	BinDir   string // ~/.local/bin
	mime.Dirs
	RuntimeDir string
	Launcher   string // absolute path of chrun
	Locale     string
	// BusNameOwned says whether a name is owned on the session bus.
	BusNameOwned func(name string) bool
}

// Note is something that a person should know of an export.
type Note struct {
	ID      string // of an app in the chroot, or ""
	Text    string
	Refusal string `json:"-"` // why the app is not exported at all, or ""
}

// file is what shall be at a path.
type file struct {
	mode os.FileMode
	data []byte
	from string // where the data come from, if they are not here: from and stamp
	path rootfs.Path
}

// wanted collects what shall be there.
type wanted struct {
	host    *Host
	root    *rootfs.Root
	name    string // of the chroot
	asked   *Selection
	had     *manifest
	files   map[string]*file
	notes   []Note
	ids     map[string]string   // exported id by the chroot's
	types   map[string]bool     // that exported entries open
	opens   map[string][]string // the same by exported id, with ".desktop"
	mimes   *mime.Host          // without ours
	now     *mime.Host          // with them
	icons   *icon.Tree
	places  *icon.Host
	named   map[string]string // the exported name of each icon
	used    map[string]bool   // such names
	bytes   int               // of the icons that were read
	shown   map[string]string // names that the host's menu shows, and by which id
	there   map[string]string // the host's entries
	claimed map[string]bool   // ids that the host's lists give a default to
}

func (w *wanted) note(id, format string, args ...any) {
	w.notes = append(w.notes, Note{ID: id, Text: fmt.Sprintf(format, args...)})
}

// refuse says why an app is not exported.
func (w *wanted) refuse(id, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	w.notes = append(w.notes, Note{ID: id, Text: "is not exported: " + why, Refusal: why})
}

// want computes what shall be there.
func want(h *Host, root *rootfs.Root, name string, asked *Selection, had *manifest) *wanted {
	w := &wanted{host: h, root: root, name: name, asked: asked, had: had, files: map[string]*file{}, ids: map[string]string{},
		types: map[string]bool{}, named: map[string]string{}, used: map[string]bool{}, claimed: map[string]bool{}}
	apps := w.apps()
	if len(apps) > 0 {
		w.look()
		w.settle(apps)
	}
	for _, a := range apps {
		w.app(a)
	}
	w.packages()
	for _, b := range asked.Commands {
		w.bin(b)
	}
	return w
}

// apps are those that are asked for and there.
func (w *wanted) apps() []App {
	all := ListApps(w.root)
	asked := func(a App) bool {
		switch {
		case slices.Contains(w.asked.Apps, a.ID):
			return true
		case !w.asked.All || slices.Contains(w.asked.Except, a.ID):
			return false
		case a.Err != nil:
			w.refuse(a.ID, "%v", a.Err)
			return false
		}
		return a.Entry.String("Type") == "Application"
	}
	apps := slices.DeleteFunc(slices.Clone(all), func(a App) bool { return !asked(a) })
	for _, id := range w.asked.Apps {
		if !slices.ContainsFunc(all, func(a App) bool { return a.ID == id }) {
			w.note(id, "is no longer in the chroot")
		}
	}
	for _, m := range w.asked.CustomEntries {
		e, err := entry.New(m.Name, m.Icon, entry.Literal(m.Program))
		apps = append(apps, App{ID: path.Base(m.Program), Entry: e, Err: err})
	}
	return apps
}

// look reads the host.
func (w *wanted) look() {
	var ours []string
	for p := range w.had.files {
		if rel, ok := strings.CutPrefix(p, w.host.DataHome+"/applications/"); ok {
			ours = append(ours, rel)
		}
	}
	w.now = mime.Read(w.host.Dirs)
	w.mimes = w.now.Without(ours)
	w.there = w.mimes.Entries()
	w.shown = map[string]string{}
	for id, file := range w.there {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if e, err := entry.Parse(data); err == nil && e.IsShown(w.host.Desktops) {
			w.shown[e.Localised("Name", w.host.Locale)] = id
			w.shown[e.String("Name")] = id
		}
	}
	w.icons = icon.Open(w.root)
	w.places = icon.ReadHost(w.host.Home, append([]string{w.host.DataHome}, w.host.DataDirs...))
}

// id is the name of an app's entry on the host.
func (w *wanted) id(a *App) string {
	_, taken := w.there[a.ID+".desktop"]
	// One that was given once stays: launchers and lists of defaults know it.
	_, given := w.had.files[w.host.DataHome+"/applications/"+a.ID+"."+w.name+".desktop"]
	if taken || given || w.claimed[a.ID+".desktop"] {
		return a.ID + "." + w.name
	}
	return a.ID
}

// settle finds which types each entry may open so that no default moves: first
// as if nothing of ours were there, then from what an earlier export has made
// the default. An id that the host's lists give a default to is not taken.
func (w *wanted) settle(apps []App) {
	ids := func() map[string][]string {
		all := map[string][]string{}
		for _, a := range apps {
			if a.Err == nil {
				all[w.id(&a)+".desktop"] = a.Entry.List("MimeType")
			}
		}
		return all
	}
	w.opens = ids()
	if w.asked.ClaimTypes {
		return
	}
	kept, _, claims := w.mimes.KeepDefaults(w.opens)
	if len(claims) > 0 {
		for id := range claims {
			w.claimed[id] = true
		}
		kept, _, _ = w.mimes.KeepDefaults(ids())
	}
	all := ids()
	for id, types := range kept {
		kept[id] = append(slices.Clone(types), w.opened(id, types, all[id])...)
	}
	w.opens, _, _ = w.now.KeepDefaults(kept)
}

// opened are the types of those that an entry of an earlier export opens, and
// that are not among kept: what it has become the default of it stays.
func (w *wanted) opened(id string, kept, types []string) (more []string) {
	at := w.host.DataHome + "/applications/" + id
	if _, ours := w.had.files[at]; !ours {
		return nil
	}
	data, err := os.ReadFile(at)
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

// app adds an entry and what belongs to it.
func (w *wanted) app(a App) {
	if a.Err == nil && !validID(a.ID) {
		a.Err = fmt.Errorf("its id %.80q is no name for a file", a.ID)
	}
	if a.Err != nil {
		w.refuse(a.ID, "%v", a.Err)
		return
	}
	if try := a.Entry.String("TryExec"); try != "" && FindProgram(w.root, try) == "" {
		w.refuse(a.ID, "the chroot lacks the program that it tries, %.80q", try)
		return
	}
	r := entry.RewriteOptions{ID: a.ID, OriginalID: a.ID, Launcher: w.host.Launcher, Chroot: w.name, MapIcon: func(n string) string { return w.icon(a.ID, n) }}
	if r.ID = w.id(&a); w.claimed[a.ID+".desktop"] {
		w.note(a.ID, "is called %s: the host's lists of defaults name %s, and a default would move", r.ID, a.ID)
	} else if file, taken := w.there[a.ID+".desktop"]; taken {
		w.note(a.ID, "is called %s, since %s is there", r.ID, file)
	}
	target := w.host.DataHome + "/applications/" + r.ID + ".desktop"
	if w.files[target] != nil {
		w.refuse(a.ID, "another of its programs is called %s", r.ID)
		return
	}
	r.Label = w.label(&a)
	bus, argv := w.service(&a, r.ID)
	r.HasService = bus
	var opens, moved []string
	r.KeepType = func(t string) bool {
		if !slices.Contains(w.opens[r.ID+".desktop"], t) {
			from := cmp.Or(w.mimes.GLibDefault(t), w.mimes.XDGDefault(t))
			moved = append(moved, t+" ("+strings.TrimSuffix(from, ".desktop")+")")
			return false
		}
		opens = append(opens, t)
		return true
	}
	out, dropped, err := a.Entry.Rewrite(r)
	if err != nil {
		w.refuse(a.ID, "%v", err)
		return
	}
	for _, d := range dropped {
		what := d.Key
		if d.Group != "" && d.Group != "Desktop Entry" {
			what = strings.TrimSpace("[" + d.Group + "] " + d.Key)
		}
		w.note(a.ID, "leaves out %s: %s", cmp.Or(what, "a part of its file"), d.Why)
	}
	if len(moved) > 0 {
		w.note(a.ID, "does not open, since their default would move: %s", strings.Join(moved, ", "))
	}
	for _, t := range opens {
		w.types[t] = true
	}
	w.ids[a.ID] = r.ID
	w.files[target] = &file{mode: 0o644, data: out.Bytes()}
	if bus {
		words := append(entry.LaunchCommand(w.host.Launcher, w.name, r.ID, ""), entry.Literal(argv...)...)
		w.files[w.host.DataHome+"/dbus-1/services/"+r.ID+".service"] = &file{mode: 0o644, data: service.Format(r.ID, arguments(words))}
	}
}

// label is what stands behind the names of an app.
func (w *wanted) label(a *App) string {
	switch w.asked.Label {
	case "":
		return ""
	case AutoLabel:
		for _, n := range []string{a.Entry.String("Name"), a.Entry.Localised("Name", w.host.Locale)} {
			if _, shown := w.shown[n]; shown {
				return " (" + w.name + ")"
			}
		}
		return ""
	}
	return " " + w.asked.Label
}

// packages adds the definitions of types that the host does not know.
func (w *wanted) packages() {
	if len(w.types) == 0 {
		return
	}
	dir := rootfs.Path("/usr/share/mime/packages")
	entries, _ := w.root.List(dir)
	p := w.mimes.NewPackage(func(t string) bool { return w.types[t] })
	for _, e := range entries {
		data, err := w.root.Read(dir.Join(e.Name()))
		if err != nil || path.Ext(e.Name()) != ".xml" {
			continue
		}
		if err := p.Add(data); err != nil {
			w.note("", "cannot read %s: %v", dir.Join(e.Name()), err)
		}
	}
	if data := p.Bytes(); data != nil {
		w.files[w.packageFile()] = &file{mode: 0o644, data: data}
	}
}

// packageFile is where our definitions of types are.
func (w *wanted) packageFile() string {
	return w.host.DataHome + "/mime/packages/chrun-" + w.name + ".xml"
}

// icon adds the images of an icon and gives the name that it has on the host: its
// own, by which notifications and trays ask for it, unless the host has another
// picture under it.
func (w *wanted) icon(id, name string) string {
	if as, done := w.named[name]; done {
		return as
	}
	as := strings.TrimSuffix(path.Base(name), path.Ext(name))
	if !path.IsAbs(name) {
		as = name
		if ext := path.Ext(name); ext == ".png" || ext == ".svg" || ext == ".xpm" {
			as = strings.TrimSuffix(name, ext)
		}
	}
	images := w.icons.Find(name)
	if len(images) == 0 || !validID(as) {
		w.note(id, "has an icon that the chroot lacks: %.80q", name)
		if path.IsAbs(name) || !validID(as) {
			as = ""
		}
		w.named[name], w.used[as] = as, true
		return as
	}
	pictures := w.images(id, as, images)
	free := func(as string) bool {
		return len(w.others(as)) == 0 && len(w.others(as+"-symbolic")) == 0 && !w.used[as]
	}
	switch theirs := w.others(as); {
	case len(pictures) == 0:
		as = ""
	case w.host.has(images[0]), w.same(theirs, pictures):
		pictures = nil // the host shows it already
	case !free(as):
		renamed := as + "." + w.name
		for n := 2; !free(renamed); n++ {
			renamed = fmt.Sprint(as, ".", w.name, n)
		}
		for i := range pictures {
			pictures[i].rename(as, renamed)
		}
		as = renamed
	}
	for _, p := range pictures {
		target := filepath.Join(w.host.DataHome, p.rel)
		if w.files[target] == nil || p.exact {
			w.files[target] = p.file
		}
	}
	w.named[name], w.used[as] = as, true
	return as
}

// others are the host's files of an icon but ours.
func (w *wanted) others(name string) []string {
	return slices.DeleteFunc(slices.Clone(w.places.Files(name)), func(p string) bool { _, ours := w.had.files[p]; return ours })
}

// same says whether one of the host's files is one of the pictures.
func (w *wanted) same(theirs []string, pictures []picture) bool {
	for _, p := range theirs {
		data, err := os.ReadFile(p)
		if err != nil {
			continue
		}
		for _, q := range pictures {
			if mine, err := q.file.read(w.root); err == nil && bytes.Equal(mine, data) {
				return true
			}
		}
	}
	return false
}
