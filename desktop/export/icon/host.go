package icon

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"chrun/session/rootfs"
)

// Host is where the host's desktop finds icons.
type Host struct {
	dirs  []Dir               // of its hicolor
	files map[string][]string // in hicolor and beside the themes, by name
	best  map[like]Dir        // what Place has found
}

// Theme is the directory of the theme into which exported icons go, below
// $XDG_DATA_HOME: every other falls back to it. Its modification time is what
// makes a desktop look again.
const Theme = "icons/hicolor"

// ReadHost reads where icons are; dataDirs is $XDG_DATA_HOME and $XDG_DATA_DIRS,
// in this order, and home the home. It searches as GTK 3 and 4 do
// (gtk_icon_theme_init): the home's .icons come second.
func ReadHost(home string, dataDirs []string) *Host {
	h := &Host{files: map[string][]string{}, best: map[like]Dir{}}
	var icons, beside []string
	for i, d := range dataDirs {
		icons = append(icons, filepath.Join(d, "icons"))
		if i == 0 {
			icons = append(icons, filepath.Join(home, ".icons"))
		} else {
			beside = append(beside, filepath.Join(d, "pixmaps"))
		}
	}
	for _, base := range icons {
		// The first index counts for all.
		data, _ := rootfs.ReadHost(rootfs.HostPath(base).Join("hicolor/index.theme"), maxIndex, 0)
		if h.dirs = parseIndex(data); h.dirs != nil {
			break
		}
	}
	if h.dirs == nil {
		h.dirs = standard()
	}
	for _, base := range icons {
		base = filepath.Join(base, "hicolor")
		tops, _ := os.ReadDir(base)
		has := map[string]bool{} // most of its directories are in few systems
		for _, e := range tops {
			has[e.Name()] = true
		}
		for _, d := range h.dirs {
			if top, _, _ := strings.Cut(d.Path, "/"); has[top] {
				h.list(filepath.Join(base, d.Path))
			}
		}
	}
	beside = slices.Concat(icons, beside, []string{"/usr/share/pixmaps"})
	slices.Sort(beside)
	for _, dir := range slices.Compact(beside) {
		h.list(dir)
	}
	return h
}

func (h *Host) list(dir string) {
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	for _, n := range names {
		if name, _, ok := cutExt(n); ok {
			h.files[name] = append(h.files[name], filepath.Join(dir, n))
		}
	}
}

// Files are the host's files of the icon, which one in Theme would shadow. A
// theme's own icon of that name is shown before either.
func (h *Host) Files(name string) []string { return h.files[name] }

// Place is where an image of the icon called name goes, below $XDG_DATA_HOME: a
// directory that the host's hicolor has, of its size or the next. measured is
// what Measure says. exact says that the directory is made for it.
func (h *Host) Place(i Image, name string, measured int) (rel string, exact bool) {
	// By the names of the directories: the type Scalable is that of 256x256, too.
	w := like{"sized", i.Dir.Size, i.Dir.Scale, i.Dir.Context}
	if w.size == 0 {
		w.size, w.scale, w.context = measured, 1, "Applications"
	}
	switch {
	case i.Ext == "svg" && strings.HasSuffix(name, "-symbolic"):
		w.kind, w.size, w.scale = "symbolic", 0, 1
	case i.Ext == "svg":
		w.kind, w.size, w.scale = "scalable", 0, 1
	}
	best, known := h.best[w]
	if !known {
		best = slices.MinFunc(h.dirs, func(a, b Dir) int { return slices.Compare(w.cost(a), w.cost(b)) })
		h.best[w] = best
	}
	exact = kindOf(best) == w.kind && (w.kind != "sized" && kindOf(i.Dir) == w.kind || w.kind == "sized" && best.Size == w.size && best.Scale == w.scale)
	return path.Join(Theme, best.Path, name+"."+i.Ext), exact
}

// like is what a directory should be like.
type like struct {
	kind        string
	size, scale int // size 0: of no matter
	context     string
}

// cost says how unlike d is; what counts most comes first: the kind, the pixels,
// their scale.
func (w like) cost(d Dir) []int {
	var c [5]int
	if is := kindOf(d); is != w.kind {
		c[0]++
		if is == "sized" || w.kind == "sized" {
			c[0]++
		}
	}
	if w.size > 0 {
		c[1] = abs(d.Size*d.Scale - w.size*w.scale)
	}
	if d.Scale != w.scale {
		c[2]++
	}
	if d.Context != w.context {
		c[3]++
	}
	if d.Context != "Applications" {
		c[4]++
	}
	return c[:]
}

// kindOf says what kind of images a directory of hicolor has.
func kindOf(d Dir) string {
	if top, _, _ := strings.Cut(d.Path, "/"); top == "scalable" || top == "symbolic" {
		return top
	}
	return "sized"
}

func abs(n int) int { return max(n, -n) }
