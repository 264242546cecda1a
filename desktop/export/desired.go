package export

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"chrun/desktop/entry"
	"chrun/desktop/export/icon"
	"chrun/desktop/export/inside"
	"chrun/desktop/export/service"
	"chrun/session/rootfs"
)

// desired is what an export should have on the host.
type desired struct {
	failure error             // of a file of the host
	files   map[string]*file  // by path
	ids     map[string]string // exported ID of each app, by its ID in the chroot
	notes   []Note
}

// file is a file that an export should have on the host: one that is made, or a copy.
type file struct {
	mode   os.FileMode
	data   []byte      // of one that is made
	path   rootfs.Path // what it is a copy of, or ""
	source string      // that path with its stamp, or ""
	packed *icon.Image // if it is unpacked, its image
	sum    string      // of the content, once it has been read
	size   int64       // likewise, in bytes
}

// isAs reports, without reading it, whether the file is the one of a record.
func (f *file) isAs(r record) bool {
	return f.source != "" && f.source == r.source || f.source == "" && sum(f.data) == r.sums[0]
}

// buffers hold contents while they are copied.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// setContent records what the content is. Copies do not keep it: the icons of a
// chroot need more memory than all else.
func (f *file) setContent(data []byte) {
	f.sum, f.size = sum(data), int64(len(data))
}

// read calls do with the content of the file, which is valid until do returns. It
// fails if a copy has changed since it was read the first time.
func (f *file) read(root *rootfs.Root, do func(data []byte) error) error {
	if f.path == "" {
		return do(f.data)
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	data, err := root.ReadInto(*buffer, f.path, nil)
	if data != nil {
		*buffer = data
	}
	if err == nil && f.packed != nil {
		packed := *f.packed
		data, err = packed.Unpack(data)
	}
	if err == nil && f.sum != "" && f.sum != sum(data) {
		err = fmt.Errorf("%s has changed while it was copied", f.path)
	}
	if err != nil {
		return err
	}
	return do(data)
}

// builder computes what should be on the host. The parts of an export share it.
type builder struct {
	host      *Host
	root      *rootfs.Root
	chroot    string // its name
	selection *Selection
	previous  *manifest
	desired
}

func (b *builder) note(id, format string, args ...any) {
	b.notes = append(b.notes, Note{ID: id, Text: fmt.Sprintf(format, args...)})
}

// detail is a note that is said only on request.
func (b *builder) detail(id, format string, args ...any) {
	b.notes = append(b.notes, Note{ID: id, Text: fmt.Sprintf(format, args...), IsDetail: true})
}

// refuse records why an app is not exported.
func (b *builder) refuse(id string, why error) {
	b.notes = append(b.notes, Note{ID: id, Text: "is not exported: " + why.Error(), Refusal: why.Error()})
}

// computeDesired decides which files the selection needs on the host. It reads the
// host and the chroot, and changes nothing.
func computeDesired(h *Host, root *rootfs.Root, chroot string, selection *Selection, previous *manifest) *desired {
	b := &builder{host: h, root: root, chroot: chroot, selection: selection, previous: previous,
		desired: desired{files: map[string]*file{}, ids: map[string]string{}}}
	if apps := b.selectApps(); len(apps) > 0 {
		types := newTypeExporter(b)
		names := newNamer(b, types.without.Entries())
		types.limit(apps, names)
		x := &appExporter{b, names, types, newIconExporter(b), inside.ProgramDirs(b.root)}
		for _, a := range apps {
			x.export(a)
		}
		types.exportPackage()
		b.failure = types.current.Failure()
	}
	if len(selection.Autostart) > 0 {
		x := &appExporter{builder: b, icons: newIconExporter(b), programs: inside.ProgramDirs(root)}
		x.exportAutostart()
	}
	for _, program := range selection.Commands {
		b.exportCommand(program)
	}
	return &b.desired
}

// selectApps returns the apps of the selection that the chroot has, and the custom
// entries.
func (b *builder) selectApps() []App {
	all := ListApps(b.root)
	isSelected := func(a App) bool {
		switch {
		case slices.Contains(b.selection.Apps, a.ID):
			return true
		case !b.selection.All || slices.Contains(b.selection.Except, a.ID):
			return false
		case a.Err != nil:
			b.refuse(a.ID, a.Err)
			return false
		}
		return a.Entry.String("Type") == "Application"
	}
	apps := slices.DeleteFunc(slices.Clone(all), func(a App) bool { return !isSelected(a) })
	for _, id := range b.selection.Apps {
		if !slices.ContainsFunc(all, func(a App) bool { return a.ID == id }) {
			b.note(id, "is no longer in the chroot")
		}
	}
	for _, c := range b.selection.CustomEntries {
		e, err := entry.New(c.Name, c.Icon, entry.Literal(c.Program))
		apps = append(apps, App{ID: path.Base(c.Program), Entry: e, Err: err})
	}
	return apps
}

// namer chooses the ID and the label of exported entries.
type namer struct {
	*builder
	entries map[string]string // files of the host's entries, by ID with ".desktop"
	shown   map[string]bool   // names that the host's menu shows
	// claimed are the IDs, with ".desktop", to which the host's lists already
	// give a default.
	claimed map[string]bool
}

// newNamer reads the names of the host's entries, which exclude those of the
// previous export.
func newNamer(b *builder, entries map[string]string) *namer {
	n := &namer{b, entries, map[string]bool{}, map[string]bool{}}
	for _, file := range entries {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if e, err := entry.Parse(data); err == nil && e.IsShown(b.host.Desktops) {
			n.shown[e.Localised("Name", b.host.Locale)] = true
			n.shown[e.String("Name")] = true
		}
	}
	return n
}

// exportedID returns the name of an app's entry on the host, without ".desktop".
func (n *namer) exportedID(id string) string {
	_, taken := n.entries[id+".desktop"]
	// An ID that was exported once stays: launchers and lists of defaults refer to it.
	_, exported := n.previous.files[n.host.entryFile(id+"."+n.chroot)]
	if taken || exported || n.claimed[id+".desktop"] {
		return id + "." + n.chroot
	}
	return id
}

// label returns the text that follows the names of an app.
func (n *namer) label(e *entry.Entry) string {
	switch n.selection.Label {
	case "":
		return ""
	case AutoLabel:
		if n.shown[e.String("Name")] || n.shown[e.Localised("Name", n.host.Locale)] {
			return " (" + n.chroot + ")"
		}
		return ""
	}
	return " " + n.selection.Label
}

// appExporter adds the files of apps.
type appExporter struct {
	*builder
	names *namer
	types *typeExporter
	icons *iconExporter

	programs []rootfs.Path // directories of the chroot
}

// export adds the entry of an app, its icons and its D-Bus service.
func (x *appExporter) export(a App) {
	if err := x.check(&a); err != nil {
		x.refuse(a.ID, err)
		return
	}
	id := x.names.exportedID(a.ID)
	if x.names.claimed[a.ID+".desktop"] {
		x.detail(a.ID, "is exported as %s: a mimeapps.list of the host names %s, so that ID would become a default", id, a.ID)
	} else if file, taken := x.names.entries[a.ID+".desktop"]; taken {
		x.detail(a.ID, "is exported as %s because %s exists", id, file)
	}
	if x.files[x.host.entryFile(id)] != nil {
		x.refuse(a.ID, fmt.Errorf("another app of the chroot is exported as %s", id))
		return
	}
	argv, hasService := x.findService(&a, id)
	var opened, left, leftTypes []string
	out, dropped, err := a.Entry.Rewrite(entry.RewriteOptions{
		ID: id, OriginalID: a.ID, Source: string(a.Path), Launcher: x.host.Launcher, Chroot: x.chroot, Label: x.names.label(a.Entry), HasService: hasService,
		MapIcon: func(name string) string { return x.icons.export(a.ID, name) },
		KeepType: func(t string) bool {
			if !x.types.allows(id, t) {
				leftTypes = append(leftTypes, t)
				if program := x.types.defaultOf(t); program != "" {
					t += " (" + program + ")"
				}
				left = append(left, t)
				return false
			}
			opened = append(opened, t)
			return true
		},
	})
	if err != nil {
		x.refuse(a.ID, err)
		return
	}
	x.noteDropped(a.ID, dropped)
	if len(left) > 0 {
		x.notes = append(x.notes, Note{ID: a.ID, types: leftTypes,
			Text: "is not registered for types that another program opens by default: " + strings.Join(left, ", ") + "; to claim them: --mime=all"})
	}
	x.types.define(opened)
	x.ids[a.ID] = id
	x.files[x.host.entryFile(id)] = &file{mode: 0o644, data: out.Bytes()}
	if hasService {
		words := append(entry.LaunchCommand(x.host.Launcher, x.chroot, id, ""), entry.Literal(argv...)...)
		x.files[x.host.serviceFile(id)] = &file{mode: 0o644, data: service.Format(id, arguments(words))}
	}
}

// check returns why an app cannot be exported.
func (x *appExporter) check(a *App) error {
	if a.Err != nil {
		return a.Err
	}
	if !isValidID(a.ID) {
		return fmt.Errorf("its ID %.80q cannot be a file name", a.ID)
	}
	if program := a.Entry.String("TryExec"); program != "" && inside.FindProgram(x.root, x.programs, program) == "" {
		return fmt.Errorf("its TryExec names a program that the chroot does not have: %.80q", program)
	}
	return nil
}

func (x *appExporter) noteDropped(id string, dropped []entry.Dropped) {
	for _, d := range dropped {
		what := d.Key
		if d.Group != "" && d.Group != "Desktop Entry" {
			what = strings.TrimSpace("[" + d.Group + "] " + d.Key)
		}
		x.detail(id, "is exported without %s: %s", cmp.Or(what, "a part of its file"), d.Why)
	}
}
