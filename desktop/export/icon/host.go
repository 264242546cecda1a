package icon

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"chrun/session/rootfs"
)

// Host knows where the host's desktop finds icons.
type Host struct {
	dirs  []Dir               // of its hicolor theme
	files map[string][]string // in hicolor and outside themes, by icon name
	best  map[criteria]Dir    // results of Place
}

// Theme is the directory, below $XDG_DATA_HOME, of the theme that exported icons
// go to, since all other themes fall back to it. Desktops read it again when its
// modification time changes.
const Theme = "icons/hicolor"

// ReadHost lists the host's icons. dataDirs is $XDG_DATA_HOME followed by
// $XDG_DATA_DIRS. It searches as GTK 3 and 4 do (gtk_icon_theme_init): .icons in
// the home directory comes second.
func ReadHost(home string, dataDirs []string) *Host {
	h := &Host{files: map[string][]string{}, best: map[criteria]Dir{}}
	var icons, unthemed []string
	for i, d := range dataDirs {
		icons = append(icons, filepath.Join(d, "icons"))
		if i == 0 {
			icons = append(icons, filepath.Join(home, ".icons"))
		} else {
			unthemed = append(unthemed, filepath.Join(d, "pixmaps"))
		}
	}
	for _, base := range icons {
		// The first index is for the directories of all.
		data, _ := rootfs.ReadHost(rootfs.HostPath(base).Join("hicolor/index.theme"), maxIndex, 0)
		if h.dirs = parseIndex(data); h.dirs != nil {
			break
		}
	}
	if h.dirs == nil {
		h.dirs = standardDirs()
	}
	for _, base := range icons {
		base = filepath.Join(base, "hicolor")
		tops, _ := os.ReadDir(base)
		has := map[string]bool{} // few systems have more than a few of the directories
		for _, e := range tops {
			has[e.Name()] = true
		}
		for _, d := range h.dirs {
			if top, _, _ := strings.Cut(d.Path, "/"); has[top] {
				h.addFiles(filepath.Join(base, d.Path))
			}
		}
	}
	unthemed = slices.Concat(icons, unthemed, []string{"/usr/share/pixmaps"})
	slices.Sort(unthemed)
	for _, dir := range slices.Compact(unthemed) {
		h.addFiles(dir)
	}
	return h
}

func (h *Host) addFiles(dir string) {
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

// Files returns the host's files of the icon that an icon in Theme would hide. A
// desktop prefers an icon of its own theme to both.
func (h *Host) Files(name string) []string { return h.files[name] }

// Place returns the path below $XDG_DATA_HOME for an image of the icon with that
// name: in the directory of the host's hicolor theme that fits best. measured is
// the size from Measure. exact means that the directory is for exactly such images.
func (h *Host) Place(i Image, name string, measured int) (rel string, exact bool) {
	// The kind comes from the directory's name: 256x256 also has the type Scalable.
	w := criteria{"sized", i.Dir.Size, i.Dir.Scale, i.Dir.Context}
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
		best = slices.MinFunc(h.dirs, func(a, b Dir) int { return slices.Compare(w.distance(a), w.distance(b)) })
		h.best[w] = best
	}
	exact = kindOf(best) == w.kind && (w.kind != "sized" && kindOf(i.Dir) == w.kind || w.kind == "sized" && best.Size == w.size && best.Scale == w.scale)
	return path.Join(Theme, best.Path, name+"."+i.Ext), exact
}

// criteria describes the directory that an image should go to.
type criteria struct {
	kind        string
	size, scale int // size 0 means any
	context     string
}

// distance returns how much d differs, the most important difference first: kind,
// pixels, scale, context.
func (w criteria) distance(d Dir) []int {
	var c [5]int
	if kind := kindOf(d); kind != w.kind {
		c[0]++
		if kind == "sized" || w.kind == "sized" {
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

// kindOf returns which kind of images a directory of hicolor has.
func kindOf(d Dir) string {
	if top, _, _ := strings.Cut(d.Path, "/"); top == "scalable" || top == "symbolic" {
		return top
	}
	return "sized"
}

func abs(n int) int { return max(n, -n) }
