// Package icon finds the icons of a chroot's programs, and the places where the
// host's desktop finds icons. It reads; what is written where is for package
// export.
//
// Source: Icon Theme Specification 0.13.
package icon

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"chrun/session/rootfs"
)

// Dir is a directory of a theme.
type Dir struct {
	Path        string // below the theme's, for example "48x48/apps"
	Size, Scale int    // pixels, of which Scale make one
	Scalable    bool
	Context     string // "Applications", …
}

// limits of what a theme's index may hold.
const (
	maxIndex = 256 << 10
	maxDirs  = 2000
	maxSize  = 4096 // pixels
	maxScale = 8
)

// exts are the formats of icons, the preferred one first (Icon Lookup).
var exts = []string{"png", "svg", "xpm"}

// parseIndex reads an index.theme: the directories of Directories and
// ScaledDirectories that have a sane group; nil if there is none.
func parseIndex(data []byte) []Dir {
	if len(data) > maxIndex {
		return nil
	}
	listed, groups, order := map[string]bool{}, map[string]*Dir{}, []*Dir{}
	var at *Dir
	inTheme := false
	for text := range strings.Lines(string(data)) {
		text = strings.TrimSpace(text)
		if name, ok := strings.CutPrefix(text, "["); ok {
			name = strings.TrimSuffix(name, "]")
			inTheme, at = name == "Icon Theme", nil
			if !inTheme && groups[name] == nil && len(groups) < maxDirs {
				at = &Dir{Path: name, Scale: 1}
				groups[name] = at
				order = append(order, at)
			}
			continue
		}
		key, value, _ := strings.Cut(text, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case inTheme && (key == "Directories" || key == "ScaledDirectories"):
			for _, d := range strings.Split(value, ",") {
				listed[strings.TrimSpace(d)] = true
			}
		case at == nil:
		case key == "Size":
			at.Size, _ = strconv.Atoi(value)
		case key == "Scale":
			at.Scale, _ = strconv.Atoi(value)
		case key == "Type":
			at.Scalable = value == "Scalable"
		case key == "Context":
			at.Context = value
		}
	}
	var dirs []Dir
	for _, d := range order {
		if listed[d.Path] && 0 < d.Size && d.Size <= maxSize && 0 < d.Scale && d.Scale <= maxScale && fs.ValidPath(d.Path) && d.Path != "." {
			dirs = append(dirs, *d)
		}
	}
	return dirs
}

// standard are the directories of hicolor-icon-theme 0.17 for applications and
// types, and such of more sizes, for a host or a chroot that has icons in hicolor
// but no index of it.
func standard(more ...int) []Dir {
	var dirs []Dir
	for _, c := range []struct{ dir, context string }{{"apps", "Applications"}, {"mimetypes", "MimeTypes"}} {
		for _, size := range append([]int{16, 22, 24, 32, 36, 48, 64, 72, 96, 128, 192, 256, 512}, more...) {
			name := strconv.Itoa(size)
			name += "x" + name
			dirs = append(dirs, Dir{name + "/" + c.dir, size, 1, false, c.context})
			dirs = append(dirs, Dir{name + "@2/" + c.dir, size, 2, false, c.context})
		}
		dirs = append(dirs, Dir{"scalable/" + c.dir, 128, 1, true, c.context}, Dir{"symbolic/" + c.dir, 16, 1, true, c.context})
	}
	return dirs
}

// merge adds to dirs those of more that it lacks.
func merge(dirs, more []Dir) []Dir {
	had := map[string]bool{}
	for _, d := range dirs {
		had[d.Path] = true
	}
	return append(dirs, slices.DeleteFunc(more, func(d Dir) bool { return had[d.Path] })...)
}

// Image is a file of an icon in a chroot.
type Image struct {
	Path rootfs.Path
	Ext  string // "png", "svg" or "xpm"
	Dir  Dir    // where it lies in its theme; without Size, in none: see Measure
}

// cutExt takes the name of a file of an icon apart.
func cutExt(file string) (name, ext string, ok bool) {
	name, ext = strings.TrimSuffix(file, path.Ext(file)), strings.TrimPrefix(path.Ext(file), ".")
	return name, ext, name != "" && slices.Contains(exts, ext)
}
