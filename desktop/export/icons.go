package export

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"chrun/desktop/export/icon"
	"chrun/session/rootfs"
)

// iconExporter copies the icons of apps.
type iconExporter struct {
	*builder
	tree    *icon.Tree
	theme   *icon.Host
	names   map[string]string // exported name of each icon, by its name in the chroot
	taken   map[string]bool   // exported names
	sources map[string]bool   // sources of the previous export's files
	bytes   atomic.Int64      // read so far
}

// image is one image of an icon, and where it goes on the host.
type image struct {
	rel     string // below $XDG_DATA_HOME
	isExact bool   // the directory is for exactly this size
	file    *file
}

func newIconExporter(b *builder) *iconExporter {
	x := &iconExporter{builder: b, tree: icon.Open(b.root), names: map[string]string{}, taken: map[string]bool{}, sources: map[string]bool{},
		theme: icon.ReadHost(b.host.Home, append([]string{b.host.DataHome}, b.host.DataDirs...))}
	for _, r := range b.previous.files {
		x.sources[r.source] = true
	}
	return x
}

// export adds the images of an icon and returns the icon's name on the host. It
// keeps its name, by which notifications and trays refer to it, unless the host
// has another icon of that name. id is the app's.
func (x *iconExporter) export(id, name string) string {
	exported, done := x.names[name]
	if !done {
		exported = x.add(id, name)
		x.names[name], x.taken[exported] = exported, true
	}
	return exported
}

func (x *iconExporter) add(id, name string) string {
	exported := name
	if ext := path.Ext(name); path.IsAbs(name) {
		exported = strings.TrimSuffix(path.Base(name), ext)
	} else {
		if ext == ".png" || ext == ".svg" || ext == ".xpm" || ext == ".svgz" {
			exported = strings.TrimSuffix(name, ext)
		}
		exported = strings.ReplaceAll(exported, "/", "-")
	}
	found := x.tree.Find(name)
	if len(found) == 0 || !isValidID(exported) {
		x.note(id, "names an icon that the chroot does not have: %.80q", name)
		if path.IsAbs(name) || !isValidID(exported) {
			return ""
		}
		return exported
	}
	if found[0].NeedsPath() {
		return x.addByPath(id, exported, found[0])
	}
	images := x.readImages(id, exported, found)
	if len(images) == 0 {
		return ""
	}
	if x.host.hasImage(found[0]) || x.hasCopy(exported, images) {
		return exported // the host shows it already
	}
	if !x.isFree(exported) {
		renamed := x.findFreeName(exported)
		for i := range images {
			images[i].rename(exported, renamed)
		}
		exported = renamed
	}
	for _, i := range images {
		target := filepath.Join(x.host.DataHome, i.rel)
		if x.files[target] == nil || i.isExact {
			x.files[target] = i.file
		}
	}
	return exported
}

// addByPath copies an image that no theme can have, and returns its path on the host.
func (x *iconExporter) addByPath(id, name string, i icon.Image) string {
	target := filepath.Join(x.host.DataHome, "icons", name+"."+x.chroot+"."+i.Ext)
	for n := 2; x.files[target] != nil && x.files[target].path != i.Path; n++ {
		target = filepath.Join(x.host.DataHome, "icons", fmt.Sprint(name, ".", x.chroot, n, ".", i.Ext))
	}
	f := &file{mode: 0o644, path: i.Path}
	data, err := x.root.ReadIf(i.Path, func(st *unix.Stat_t) bool {
		f.source = string(i.Path) + " " + stamp(st)
		return !x.sources[f.source]
	})
	if err == nil && data != nil {
		f.setContent(data)
		_, err = i.Measure(data)
	}
	if err != nil {
		x.note(id, "is exported without its icon: %v", err)
		return ""
	}
	x.files[target] = f
	return target
}

// readImages reads the images of an icon to find out where they go.
func (x *iconExporter) readImages(id, name string, found []icon.Image) []image {
	found = slices.Clone(found) // a packed image gets another extension
	files, sizes, errs := make([]*file, len(found)), make([]int, len(found)), make([]error, len(found))
	err := inParallel(len(found), func(n int) error {
		if x.bytes.Load() > maxBytes {
			return rootfs.ErrTooLarge
		}
		files[n], sizes[n], errs[n] = x.readImage(&found[n])
		return nil
	})
	if err != nil {
		x.note(id, "is exported without icons: those of the chroot are larger than %d MiB", maxBytes>>20)
		return nil
	}
	var images []image
	for n, i := range found {
		if errs[n] != nil {
			x.note(id, "is exported without one of its images: %v", errs[n])
			continue
		}
		base := name
		if strings.HasSuffix(string(i.Path), "-symbolic."+i.Ext) && !strings.HasSuffix(name, "-symbolic") {
			base += "-symbolic"
		}
		rel, isExact := x.theme.Place(i, base, sizes[n])
		images = append(images, image{rel, isExact, files[n]})
	}
	return images
}

// readImage reads an image, unless it has not changed since it was copied, and returns
// its size in pixels. A packed one gets the extension that it has on the host.
func (x *iconExporter) readImage(i *icon.Image) (f *file, size int, err error) {
	f = &file{mode: 0o644, path: i.Path}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	data, err := x.root.ReadInto(*buffer, i.Path, func(st *unix.Stat_t) bool {
		f.source = string(i.Path) + " " + stamp(st)
		return i.Dir.Size == 0 || !x.sources[f.source]
	})
	if data != nil {
		*buffer = data
	}
	x.bytes.Add(int64(len(data)))
	size = i.Dir.Size * i.Dir.Scale
	if i.Ext == "svgz" && err == nil {
		packed := *i
		if f.packed, i.Ext = &packed, "svg"; data != nil {
			unpacking := packed
			data, err = unpacking.Unpack(data)
		}
	}
	if err == nil && data != nil {
		f.setContent(data)
		size, err = i.Measure(data)
	}
	return f, size, err
}

func (i *image) rename(from, to string) {
	dir, base := path.Split(i.rel)
	i.rel = dir + to + strings.TrimPrefix(base, from)
}

// isFree reports whether an exported icon can have the name.
func (x *iconExporter) isFree(name string) bool {
	return len(x.hostFiles(name)) == 0 && len(x.hostFiles(name+"-symbolic")) == 0 && !x.taken[name]
}

func (x *iconExporter) findFreeName(name string) string {
	free := name + "." + x.chroot
	for n := 2; !x.isFree(free); n++ {
		free = fmt.Sprint(name, ".", x.chroot, n)
	}
	return free
}

// hostFiles returns the host's files of an icon, without those of the previous
// export.
func (x *iconExporter) hostFiles(name string) []string {
	return slices.DeleteFunc(slices.Clone(x.theme.Files(name)), func(p string) bool { _, exported := x.previous.files[p]; return exported })
}

// hasCopy reports whether one of the host's files of that name is a copy of one of
// the images.
func (x *iconExporter) hasCopy(name string, images []image) bool {
	for _, p := range x.hostFiles(name) {
		data, err := os.ReadFile(p)
		if err != nil {
			continue
		}
		for _, i := range images {
			isSame := false
			_ = i.file.read(x.root, func(image []byte) error { isSame = bytes.Equal(image, data); return nil })
			if isSame {
				return true
			}
		}
	}
	return false
}

// hasImage reports whether the host has the image in the same theme. Images of
// hicolor do not count: they are compared by content.
func (h *Host) hasImage(i icon.Image) bool {
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
