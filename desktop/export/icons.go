package export

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/desktop/export/icon"
	"chrun/session/rootfs"
)

// picture is an image of an icon with its place on the host.
type picture struct {
	rel   string // below $XDG_DATA_HOME
	exact bool   // a directory of just its size
	file  *file
}

// images reads what has to be read of an icon's images. A picture that has not
// changed since it was copied is not read again.
func (w *wanted) images(id, name string, images []icon.Image) []picture {
	var found []picture
	for _, i := range images {
		if w.bytes > maxBytes {
			w.note(id, "leaves out its pictures: those of the chroot are larger than %d MiB", maxBytes>>20)
			return nil
		}
		f := &file{mode: 0o644, path: i.Path}
		data, err := w.root.ReadIf(i.Path, func(st *unix.Stat_t) bool {
			f.from = string(i.Path) + " " + stamp(st)
			return i.Dir.Size == 0 || !w.copied(f.from)
		})
		as, size := name, i.Dir.Size*i.Dir.Scale
		if strings.HasSuffix(string(i.Path), "-symbolic."+i.Ext) && !strings.HasSuffix(name, "-symbolic") {
			as += "-symbolic"
		}
		w.bytes += len(data)
		if f.data = data; err == nil && data != nil {
			size, err = i.Measure(data)
		}
		if err != nil {
			w.note(id, "leaves out a picture: %v", err)
			continue
		}
		rel, exact := w.places.Place(i, as, size)
		found = append(found, picture{rel, exact, f})
	}
	return found
}

// copied says whether a picture was copied in this state.
func (w *wanted) copied(from string) bool {
	if w.had.from == nil {
		w.had.from = map[string]bool{}
		for _, f := range w.had.files {
			w.had.from[f.from] = true
		}
	}
	return w.had.from[from]
}

func (p *picture) rename(from, to string) {
	dir, base := path.Split(p.rel)
	p.rel = dir + to + strings.TrimPrefix(base, from)
}

// read is the content of the file.
func (f *file) read(root *rootfs.Root) ([]byte, error) {
	if f.data == nil && f.path != "" {
		return root.Read(f.path)
	}
	return f.data, nil
}

// has says whether the host has the image in the theme that it is from, other
// than hicolor: then its desktop shows it by that name.
func (h *Host) has(i icon.Image) bool {
	rel, ok := strings.CutPrefix(string(i.Path), "/usr/share/icons/")
	if !ok || strings.HasPrefix(rel, "hicolor/") || i.Dir.Size == 0 {
		return false
	}
	for _, d := range h.DataDirs {
		if _, err := os.Stat(filepath.Join(d, "icons", rel)); err == nil {
			return true
		}
	}
	return false
}
