package icon

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/desktop/export/inside"
	"chrun/session/rootfs"
)

// Tree holds the icons of a chroot. It lists the directories of a theme once, when
// it first searches that theme.
type Tree struct {
	root        *rootfs.Root
	themes      []*theme // in the order in which they are searched
	entriesLeft int      // entries that may still be listed
}

type theme struct {
	name      string
	bases     []rootfs.Path // its directories; earlier ones win
	dirs      []themeDir
	files     map[string][]file // by name; nil before it is listed
	largeDirs []int             // dirs with too many entries to list: they are searched for each name
}

type themeDir struct {
	path rootfs.Path
	dir  Dir
}

type file struct {
	dir         int // index in dirs
	ext         string
	isUnchecked bool // it may not be a regular file
}

// Limits of what a search reads. Large desktops have 300000 icons.
const (
	maxThemes  = 100
	maxEntries = 500000
	maxImages  = 100 // of one name in one theme
)

// listDirs returns the directories for icons, in themes and without; earlier ones
// win.
func listDirs(root *rootfs.Root) (icons, pixmaps []rootfs.Path) {
	for i, data := range inside.DataDirs(root) {
		icons, pixmaps = append(icons, data.Join("icons")), append(pixmaps, data.Join("pixmaps"))
		if home := root.Home(); i == 0 && home != "" {
			icons = append(icons, home.Join(".icons"))
		}
	}
	return icons, pixmaps
}

// preferredThemes are searched first: hicolor, where programs put their own icons,
// and themes that others inherit from. The others follow by name.
var preferredThemes = []string{"hicolor", "Adwaita", "gnome", "breeze", "oxygen", "Papirus", "elementary", "Tango"}

// Open prepares a search for icons. root must stay open.
func Open(root *rootfs.Root) *Tree {
	t := &Tree{root: root, entriesLeft: maxEntries}
	found := map[string]*theme{}
	iconDirs, pixmapDirs := listDirs(root)
	for _, base := range iconDirs {
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
		if i := slices.Index(preferredThemes, th.name); i >= 0 {
			return i
		}
		return len(preferredThemes)
	}
	slices.SortFunc(t.themes, func(a, b *theme) int { return cmp.Or(rank(a)-rank(b), cmp.Compare(a.name, b.name)) })
	t.themes = t.themes[:min(len(t.themes), maxThemes)]
	unthemed := &theme{}
	for _, dir := range slices.Concat(pixmapDirs, iconDirs) {
		unthemed.dirs = append(unthemed.dirs, themeDir{path: dir})
	}
	t.themes = append(t.themes, unthemed)
	return t
}

// Find returns the images of an icon, named as in a key Icon: by name or by
// absolute path. For a name, it returns images of every size and scale, and
// symbolic ones, of the first theme that has the icon, or else the files outside
// themes: the largest first, and for each size the one that the chroot's desktop
// would show. It does not read them. For an absolute path, it sets Image.Ext by the
// content of the file, if that is an image.
func (t *Tree) Find(name string) []Image {
	if path.IsAbs(name) {
		p := rootfs.Path(path.Clean(name))
		data, _ := t.root.Read(p)
		for _, ext := range slices.Concat(extensions, pathFormats) {
			i := Image{Path: p, Ext: ext}
			if _, err := i.Measure(data); err == nil {
				return []Image{i}
			}
		}
		if ext := path.Ext(name); ext != "" && t.root.Exists(p) {
			return []Image{{Path: p, Ext: strings.ToLower(ext[1:])}} // Measure will return what is wrong with it
		}
		return nil
	}
	if n, _, ok := cutExt(name); ok {
		name = n // some entries have a file name here
	}
	if strings.Contains(name, "/") {
		return t.findNested(name)
	}
	if name == "" {
		return nil
	}
	for _, th := range t.themes {
		if images := t.findImages(th, name); len(images) > 0 {
			return append(images, t.findImages(th, name+"-symbolic")...)
		}
	}
	return nil
}

// findNested returns the images of an icon in a directory below those of hicolor, or
// below those for images outside themes.
func (t *Tree) findNested(name string) (images []Image) {
	if !fs.ValidPath(name) {
		return nil
	}
	for _, th := range t.themes {
		if len(images) > 0 || th.name != "hicolor" && th.name != "" {
			continue
		}
		if th.files == nil {
			t.listTheme(th)
		}
		for _, dir := range th.dirs {
			for _, ext := range extensions {
				if i := (Image{dir.path.Join(name + "." + ext), ext, dir.dir}); t.isRegular(i.Path) && len(images) < maxImages {
					images = append(images, i)
				}
			}
		}
	}
	return images
}

// findImages returns the regular files of that name in a theme.
func (t *Tree) findImages(th *theme, name string) []Image {
	if th.files == nil {
		t.listTheme(th)
	}
	files := slices.Clip(th.files[name])
	for _, dir := range th.largeDirs {
		for _, ext := range extensions {
			files = append(files, file{dir, ext, true})
		}
	}
	var images []Image
	for _, f := range files {
		dir := th.dirs[f.dir]
		i := Image{dir.path.Join(name + "." + f.ext), f.ext, dir.dir}
		if kindOf(i.Dir) == "scalable" && !strings.HasPrefix(i.Ext, "svg") {
			i.Dir = Dir{} // its content has the size
		}
		isHidden := slices.ContainsFunc(images, func(o Image) bool {
			return o.Dir.Size == i.Dir.Size && o.Dir.Scale == i.Dir.Scale && o.Dir.Scalable == i.Dir.Scalable
		})
		if !isHidden && (!f.isUnchecked || t.isRegular(i.Path)) {
			images = append(images, i)
		}
	}
	slices.SortStableFunc(images, func(a, b Image) int { return b.Dir.Size*b.Dir.Scale - a.Dir.Size*a.Dir.Scale })
	return images
}

func (t *Tree) isRegular(p rootfs.Path) bool {
	st, err := t.root.Stat(p)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// listTheme reads the directories of the theme.
func (t *Tree) listTheme(th *theme) {
	th.files = map[string][]file{}
	if th.dirs == nil {
		th.dirs = t.findDirs(th)
	}
	for i, dir := range th.dirs {
		if t.entriesLeft < 0 {
			return
		}
		entries, err := t.root.List(dir.path)
		t.entriesLeft -= len(entries)
		if errors.Is(err, rootfs.ErrTooLarge) {
			th.largeDirs = append(th.largeDirs, i)
			continue
		}
		for _, e := range entries {
			name, ext, ok := cutExt(e.Name())
			link := e.Type()&fs.ModeSymlink != 0
			if ok && (link || e.Type().IsRegular()) && len(th.files[name]) < maxImages {
				th.files[name] = append(th.files[name], file{i, ext, link})
			}
		}
	}
}

// findDirs returns the directories of a theme in the order of a search.
func (t *Tree) findDirs(th *theme) []themeDir {
	var dirs []Dir
	for _, base := range th.bases {
		data, _ := t.root.Read(base.Join("index.theme"))
		if dirs = parseIndex(data); dirs != nil {
			break // it is for the directories of all
		}
	}
	if dirs == nil || th.name == "hicolor" {
		// Programs also put images into sizes that the chroot's index lacks.
		dirs = appendMissing(dirs, standardDirs(1024))
	}
	has := map[rootfs.Path]bool{} // few systems have more than a few of the directories
	for _, base := range th.bases {
		entries, _ := t.root.List(base)
		for _, e := range entries {
			has[base.Join(e.Name())] = true
		}
	}
	var found []themeDir
	for _, d := range dirs {
		top, _, _ := strings.Cut(d.Path, "/")
		for _, base := range th.bases {
			if has[base.Join(top)] {
				found = append(found, themeDir{base.Join(d.Path), d})
			}
		}
	}
	return found
}
