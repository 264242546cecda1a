// Package icon finds the icons of a chroot's programs, and decides where the host's
// desktop will find them. It only reads; package export writes the files.
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
	Path        string // below the theme's directory, for example "48x48/apps"
	Size, Scale int    // in logical pixels, of Scale physical ones
	Scalable    bool
	Context     string // "Applications", …
}

// Limits of a theme's index.
const (
	maxIndex = 256 << 10
	maxDirs  = 2000
	maxSize  = 4096 // pixels
	maxScale = 8
)

// parseIndex returns the directories that an index.theme lists in Directories and
// ScaledDirectories and that have a valid group, or nil.
func parseIndex(data []byte) []Dir {
	if len(data) > maxIndex {
		return nil
	}
	listed, groups, order := map[string]bool{}, map[string]*Dir{}, []*Dir{}
	var current *Dir
	inTheme := false
	for text := range strings.Lines(string(data)) {
		text = strings.TrimSpace(text)
		if name, ok := strings.CutPrefix(text, "["); ok {
			name = strings.TrimSuffix(name, "]")
			inTheme, current = name == "Icon Theme", nil
			if !inTheme && groups[name] == nil && len(groups) < maxDirs {
				current = &Dir{Path: name, Scale: 1}
				groups[name] = current
				order = append(order, current)
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
		case current == nil:
		case key == "Size":
			current.Size, _ = strconv.Atoi(value)
		case key == "Scale":
			current.Scale, _ = strconv.Atoi(value)
		case key == "Type":
			current.Scalable = value == "Scalable"
		case key == "Context":
			current.Context = value
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

// standardDirs returns the directories of hicolor-icon-theme 0.17 for applications
// and types, also in more sizes. They are for a host or a chroot that has icons in
// hicolor but no index.
func standardDirs(more ...int) []Dir {
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

// appendMissing appends the directories of more that dirs lacks.
func appendMissing(dirs, more []Dir) []Dir {
	known := map[string]bool{}
	for _, d := range dirs {
		known[d.Path] = true
	}
	return append(dirs, slices.DeleteFunc(more, func(d Dir) bool { return known[d.Path] })...)
}

// Image is an image file of an icon in a chroot.
type Image struct {
	Path rootfs.Path
	Ext  string // the format: one of extensions or pathFormats, or an unknown one
	Dir  Dir    // its directory in the theme; Size is 0 if only Measure can tell
}

// cutExt splits the name of an image file into the icon's name and the format.
func cutExt(file string) (name, ext string, ok bool) {
	name, ext = strings.TrimSuffix(file, path.Ext(file)), strings.TrimPrefix(path.Ext(file), ".")
	return name, ext, name != "" && slices.Contains(extensions, ext)
}
