package icon

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// Tree are the icons of a chroot. A theme's directories are listed once, when an
// icon is first looked for in it.
type Tree struct {
	root   *rootfs.Root
	themes []*theme // in the order in which they are asked
	left   int      // entries that may still be listed
}

type theme struct {
	name   string
	bases  []rootfs.Path // its directories, of which earlier ones come first
	places []place
	files  map[string][]file // by name; nil before it is listed
	large  []int             // places with too many entries to list: asked for each name
}

type place struct {
	path rootfs.Path
	dir  Dir
}

type file struct {
	in    int // places
	ext   string
	check bool // whether it is a regular file is not known
}

// Limits of what is looked at. Large desktops have 300000 icons.
const (
	maxThemes  = 100
	maxEntries = 500000
	maxImages  = 100 // of one name in one theme
)

// bases are where a system keeps its icons; earlier ones come first.
var bases = []rootfs.Path{"/usr/local/share/icons", "/usr/share/icons"}
var pixmaps = []rootfs.Path{"/usr/local/share/pixmaps", "/usr/share/pixmaps"}

// order are the themes that are asked first: hicolor, where programs put their
// own icons, and those that other themes inherit from. The others follow by name.
var order = []string{"hicolor", "Adwaita", "gnome", "breeze", "oxygen", "Papirus", "elementary", "Tango"}

// Open prepares to look for icons in the tree, which must stay open.
func Open(root *rootfs.Root) *Tree {
	t := &Tree{root: root, left: maxEntries}
	found := map[string]*theme{}
	for _, base := range bases {
		entries, _ := root.List(base)
		for _, e := range entries {
			th := found[e.Name()]
			if th == nil {
				th = &theme{name: e.Name()}
				found[th.name] = th
				t.themes = append(t.themes, th)
			}
			th.bases = append(th.bases, base.Join(th.name))
		}
	}
	rank := func(th *theme) int {
		if i := slices.Index(order, th.name); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortFunc(t.themes, func(a, b *theme) int { return cmp.Or(rank(a)-rank(b), cmp.Compare(a.name, b.name)) })
	t.themes = t.themes[:min(len(t.themes), maxThemes)]
	none := &theme{}
	for _, dir := range slices.Concat(pixmaps, bases) {
		none.places = append(none.places, place{path: dir})
	}
	t.themes = append(t.themes, none)
	return t
}

// Find finds an icon by the value of a key Icon: a name, or an absolute path. Of
// a name it is every size and scale, symbolic ones too, of the first theme that
// has it, else the files beside the themes; the largest first, and of each size
// the one that the chroot's desktop would show. Names' images have not been read.
// Of an absolute path, the content says what Image.Ext is, if it is an image.
func (t *Tree) Find(name string) []Image {
	if path.IsAbs(name) {
		p := rootfs.Path(path.Clean(name))
		data, _ := t.root.Read(p)
		for _, ext := range exts {
			i := Image{Path: p, Ext: ext}
			if _, err := i.Measure(data); err == nil {
				return []Image{i}
			}
		}
		if _, ext, ok := cutExt(path.Base(name)); ok && t.root.Exists(p) {
			return []Image{{Path: p, Ext: ext}} // whoever reads it hears why it is none
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
		if images := t.images(th, name); len(images) > 0 {
			return append(images, t.images(th, name+"-symbolic")...)
		}
	}
	return nil
}

// images are the regular files of that name in a theme.
func (t *Tree) images(th *theme, name string) []Image {
	if th.files == nil {
		t.list(th)
	}
	files := slices.Clip(th.files[name])
	for _, in := range th.large {
		for _, ext := range exts {
			files = append(files, file{in, ext, true})
		}
	}
	var images []Image
	for _, f := range files {
		at := th.places[f.in]
		i := Image{at.path.Join(name + "." + f.ext), f.ext, at.dir}
		if kindOf(i.Dir) == "scalable" && i.Ext != "svg" {
			i.Dir = Dir{} // it has one size: its own
		}
		covered := slices.ContainsFunc(images, func(o Image) bool {
			return o.Dir.Size == i.Dir.Size && o.Dir.Scale == i.Dir.Scale && o.Dir.Scalable == i.Dir.Scalable
		})
		if !covered && (!f.check || t.regular(i.Path)) {
			images = append(images, i)
		}
	}
	slices.SortStableFunc(images, func(a, b Image) int { return b.Dir.Size*b.Dir.Scale - a.Dir.Size*a.Dir.Scale })
	return images
}

func (t *Tree) regular(p rootfs.Path) bool {
	st, err := t.root.Stat(p)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// list lists the directories of the theme.
func (t *Tree) list(th *theme) {
	th.files = map[string][]file{}
	if th.places == nil {
		th.places = t.places(th)
	}
	for in, at := range th.places {
		if t.left < 0 {
			return
		}
		entries, err := t.root.List(at.path)
		t.left -= len(entries)
		if errors.Is(err, rootfs.ErrTooLarge) {
			th.large = append(th.large, in)
			continue
		}
		for _, e := range entries {
			name, ext, ok := cutExt(e.Name())
			link := e.Type()&fs.ModeSymlink != 0
			if ok && (link || e.Type().IsRegular()) && len(th.files[name]) < maxImages {
				th.files[name] = append(th.files[name], file{in, ext, link})
			}
		}
	}
}

// places are the directories of a theme in the order in which they are searched.
func (t *Tree) places(th *theme) []place {
	var dirs []Dir
	for _, base := range th.bases {
		data, _ := t.root.Read(base.Join("index.theme"))
		if dirs = parseIndex(data); dirs != nil {
			break // the first index counts for all
		}
	}
	if dirs == nil || th.name == "hicolor" {
		// Programs put images there of sizes that the tree's own index lacks.
		dirs = merge(dirs, standard(1024))
	}
	has := map[rootfs.Path]bool{} // most directories of hicolor are in few systems
	for _, base := range th.bases {
		entries, _ := t.root.List(base)
		for _, e := range entries {
			has[base.Join(e.Name())] = true
		}
	}
	var places []place
	for _, d := range dirs {
		top, _, _ := strings.Cut(d.Path, "/")
		for _, base := range th.bases {
			if has[base.Join(top)] {
				places = append(places, place{base.Join(d.Path), d})
			}
		}
	}
	return places
}

// Measure checks that data, the content of the image, is one, and says how many
// pixels wide it is; 0 where it has no size of its own. So a link to something
// else is never taken for an icon, nor what would cost the desktop's memory.
func (i *Image) Measure(data []byte) (size int, err error) {
	width, height := 0, 0
	switch i.Ext {
	case "png": // Portable Network Graphics 5.2 and 11.2.2
		if bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")) && len(data) >= 24 {
			width, height = int(binary.BigEndian.Uint32(data[16:])), int(binary.BigEndian.Uint32(data[20:]))
		}
	case "svg": // editors write long prologues before the element
		head := bytes.TrimSpace(bytes.TrimPrefix(data[:min(len(data), 32<<10)], []byte("\xef\xbb\xbf")))
		if bytes.HasPrefix(head, []byte("<")) && bytes.Contains(head, []byte("<svg")) {
			return 0, nil
		}
	case "xpm":
		_, body, _ := bytes.Cut(data[:min(len(data), 4096)], []byte(`"`))
		if bytes.HasPrefix(data, []byte("/* XPM */")) {
			fmt.Sscan(string(body[:min(len(body), 40)]), &width, &height)
		}
	}
	if 0 < width && width <= maxSize && 0 < height && height <= maxSize {
		return width, nil
	}
	return 0, fmt.Errorf("%s is no %s image of a sane size", i.Path, strings.ToUpper(i.Ext))
}
