package icon

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"chrun/session/rootfs"
)

// Tree are the icons of a chroot. A theme's directories are listed once, when an
// icon is first looked for in it.
type Tree struct {
	root   *rootfs.Root
	themes []*theme // in the order in which they are asked
	bare   map[string][]Image
}

type theme struct {
	dirs   []rootfs.Path // of the same name
	images map[string][]Image
}

// maxImages bounds how many files one icon may have.
const maxImages = 100

// bases are where a system keeps its icons; later ones add to earlier ones.
var bases = []rootfs.Path{"/usr/local/share/icons", "/usr/share/icons"}
var pixmaps = []rootfs.Path{"/usr/share/pixmaps", "/usr/local/share/pixmaps"}

// order are the themes that are asked first: hicolor, where programs put their
// own icons, and those that other themes inherit from. The others follow by name.
var order = []string{"hicolor", "Adwaita", "gnome", "breeze", "oxygen", "Papirus", "elementary", "Tango"}

// Open prepares to look for icons in the tree, which must stay open.
func Open(root *rootfs.Root) *Tree {
	t := &Tree{root: root}
	found := map[string]*theme{}
	for _, base := range bases {
		entries, _ := root.List(base)
		for _, e := range entries {
			if found[e.Name()] == nil {
				found[e.Name()] = &theme{}
			}
			found[e.Name()].dirs = append(found[e.Name()].dirs, base.Join(e.Name()))
		}
	}
	rank := func(name string) int {
		if i := slices.Index(order, name); i >= 0 {
			return i
		}
		return len(order)
	}
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(rank(a)-rank(b), cmp.Compare(a, b)) })
	for _, name := range names {
		t.themes = append(t.themes, found[name])
	}
	return t
}

// Find finds an icon by the value of a key Icon: a name, or an absolute path. Of
// a name it is every size and scale, symbolic ones too, of the first theme that
// has it, else the files beside the themes. What it finds has not been read.
func (t *Tree) Find(name string) []Image {
	if path.IsAbs(name) {
		p := rootfs.Path(path.Clean(name))
		if _, ext, ok := cutExt(path.Base(name)); ok && t.root.Exists(p) {
			return []Image{{Path: p, Ext: ext}}
		}
		return nil
	}
	if n, _, ok := cutExt(name); ok {
		name = n // a file's name, where none should be
	}
	if name == "" || strings.Contains(name, "/") {
		return nil
	}
	for _, th := range t.themes {
		th.load(t.root)
		if images := th.images[name]; len(images) > 0 {
			return slices.Concat(images, th.images[name+"-symbolic"])
		}
	}
	if t.bare == nil {
		t.bare = map[string][]Image{}
		for _, dir := range slices.Concat(pixmaps, bases) {
			add(t.root, t.bare, dir, Dir{})
		}
	}
	return t.bare[name]
}

// load lists the directories of the theme.
func (th *theme) load(root *rootfs.Root) {
	if th.images != nil {
		return
	}
	th.images = map[string][]Image{}
	var dirs []Dir
	for _, base := range th.dirs {
		if data, err := root.Read(base.Join("index.theme")); err == nil && len(data) <= maxIndex {
			dirs = parseIndex(data)
			break // the first index counts for all
		}
	}
	if dirs == nil {
		dirs = standard()
	}
	for _, base := range th.dirs {
		for _, d := range dirs {
			add(root, th.images, base.Join(d.Path), d)
		}
	}
}

func add(root *rootfs.Root, images map[string][]Image, dir rootfs.Path, d Dir) {
	entries, _ := root.List(dir)
	for _, e := range entries {
		name, ext, ok := cutExt(e.Name())
		if ok && (e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0) && len(images[name]) < maxImages {
			images[name] = append(images[name], Image{dir.Join(e.Name()), ext, d})
		}
	}
}

// Measure checks that data, the content of the image, is one, and says how many
// pixels wide it is; 0 where it has no size of its own. So a link to something
// else is never taken for an icon.
func (i *Image) Measure(data []byte) (size int, err error) {
	head := data[:min(len(data), 4096)]
	switch i.Ext {
	case "png": // Portable Network Graphics 5.2 and 11.2.2
		if bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")) && len(head) >= 24 && string(head[12:16]) == "IHDR" {
			return int(min(binary.BigEndian.Uint32(head[16:]), 1<<20)), nil
		}
	case "svg":
		if bytes.Contains(head, []byte("<svg")) {
			return 0, nil
		}
	case "xpm":
		if _, body, ok := bytes.Cut(head, []byte(`"`)); ok && bytes.HasPrefix(head, []byte("/* XPM */")) {
			fmt.Sscan(string(body[:min(len(body), 20)]), &size)
			if 0 < size && size <= 4096 {
				return size, nil
			}
		}
	}
	return 0, fmt.Errorf("%s is no %s image", i.Path, strings.ToUpper(i.Ext))
}
