package icon

import (
	"cmp"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Host is where the host's desktop finds icons.
type Host struct {
	dirs  []Dir               // of its hicolor
	files map[string][]string // in hicolor and beside the themes, by name
}

// Theme is the directory of the theme into which exported icons go, below
// $XDG_DATA_HOME: every other falls back to it. Its modification time is what
// makes a desktop look again.
const Theme = "icons/hicolor"

// ReadHost reads where icons are; dataDirs is $XDG_DATA_HOME and $XDG_DATA_DIRS,
// in this order, and home the home.
func ReadHost(home string, dataDirs []string) *Host {
	h := &Host{files: map[string][]string{}}
	var hicolors, beside []string
	for _, d := range dataDirs {
		hicolors = append(hicolors, filepath.Join(d, Theme))
		beside = append(beside, filepath.Join(d, "icons"))
	}
	hicolors = append([]string{filepath.Join(home, ".icons/hicolor")}, hicolors...)
	beside = append(beside, filepath.Join(home, ".icons"), "/usr/share/pixmaps")
	for _, d := range hicolors {
		if data, err := os.ReadFile(filepath.Join(d, "index.theme")); err == nil {
			h.dirs = parseIndex(data)
			break
		}
	}
	if len(h.dirs) == 0 {
		h.dirs = standard()
	}
	for _, base := range hicolors {
		for _, d := range h.dirs {
			h.list(filepath.Join(base, d.Path))
		}
	}
	for _, dir := range beside {
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
	size, scale, context := i.Dir.Size, i.Dir.Scale, i.Dir.Context
	if size == 0 {
		size, scale, context = measured, 1, "Applications"
	}
	// By the names of the directories: the type Scalable is that of 256x256, too.
	kind := "sized"
	switch {
	case i.Ext == "svg" && strings.HasSuffix(name, "-symbolic"):
		kind = "symbolic"
	case i.Ext == "svg":
		kind = "scalable"
	}
	if kind != "sized" {
		size, scale = 0, 1
	}
	best := slices.MinFunc(h.dirs, func(a, b Dir) int {
		cost := func(d Dir) int {
			c := 0
			if is := kindOf(d); is != kind {
				c += 1 << 20
				if is == "sized" || kind == "sized" {
					c += 1 << 18
				}
			}
			if d.Context != context {
				c += 1 << 16
			}
			if d.Scale != scale {
				c += 1 << 14
			}
			if kind == "sized" {
				c += abs(d.Size - size)
			}
			return c
		}
		return cmp.Compare(cost(a), cost(b))
	})
	exact = kindOf(best) == kind && (kind != "sized" && kindOf(i.Dir) == kind || kind == "sized" && best.Size == size && best.Scale == scale)
	return path.Join(Theme, best.Path, name+"."+i.Ext), exact
}

// kindOf says what kind of images a directory of hicolor has.
func kindOf(d Dir) string {
	if top, _, _ := strings.Cut(d.Path, "/"); top == "scalable" || top == "symbolic" {
		return top
	}
	return "sized"
}

func abs(n int) int { return max(n, -n) }
