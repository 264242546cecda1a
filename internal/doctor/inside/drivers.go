package inside

import (
	"debug/elf"
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// drivers are those of a chroot.
type drivers struct {
	libraries *libraries

	mesa     map[elf.Class][]string // names of DRI drivers
	gallium  map[elf.Class]bool     // Mesa 24.2 and newer: all of them in one library
	vulkan   []string
	nvidia   []nvidiaLibrary
	broken   []string // files that name a missing library
	loader32 bool     // a 64-bit chroot also has programs of 32 bits
}

// nvidiaLibrary is a version of NVIDIA's user space.
type nvidiaLibrary struct {
	version string
	is32    bool
}

func (l nvidiaLibrary) bits() string {
	if l.is32 {
		return " of 32 bits"
	}
	return ""
}

// findDrivers looks where the loaders of OpenGL and Vulkan look.
func findDrivers(l *libraries) *drivers {
	d := &drivers{libraries: l, mesa: map[elf.Class][]string{}, gallium: map[elf.Class]bool{}}
	class := elf.ELFCLASS64
	if f, err := readELF("/lib/ld-linux.so.2"); err == nil && f.class == elf.ELFCLASS32 {
		d.loader32 = readsELF("/lib64/ld-linux-x86-64.so.2")
		if !d.loader32 {
			class = elf.ELFCLASS32
		}
	}
	for _, dir := range l.dirs {
		d.findMesa(dir)
		d.findNvidia(dir)
		d.findNvidia(path.Join(dir, "nvidia/current"))
	}
	for _, dir := range []string{"/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d"} {
		for _, library := range d.readNames(dir, class) {
			if name := strings.TrimPrefix(strings.TrimSuffix(path.Base(library), ".so"), "libvulkan_"); name != "lvp" {
				d.vulkan = append(d.vulkan, name)
			}
		}
	}
	for _, dir := range []string{"/etc/glvnd/egl_vendor.d", "/usr/share/glvnd/egl_vendor.d"} {
		d.readNames(dir, class)
	}
	return d
}

func readsELF(file string) bool { _, err := readELF(file); return err == nil }

// findMesa looks for Mesa's drivers in a directory of libraries.
func (d *drivers) findMesa(dir string) {
	for _, name := range d.libraries.list(path.Join(dir, "dri")) {
		if driver, ok := strings.CutSuffix(name, "_dri.so"); ok {
			if f, err := d.libraries.read(path.Join(dir, "dri", name)); err == nil && !slices.Contains(d.mesa[f.class], driver) {
				d.mesa[f.class] = append(d.mesa[f.class], driver)
			}
		}
	}
	for _, name := range d.libraries.list(dir) {
		if strings.HasPrefix(name, "libgallium-") && strings.HasSuffix(name, ".so") {
			if f, err := d.libraries.read(path.Join(dir, name)); err == nil {
				d.gallium[f.class] = true
			}
		}
	}
}

// findNvidia looks for NVIDIA's libraries, which have the version in their names.
func (d *drivers) findNvidia(dir string) {
	for _, name := range d.libraries.list(dir) {
		version, ok := strings.CutPrefix(name, "libnvidia-glcore.so.")
		if !ok || !strings.Contains(version, ".") || len(version) > 30 {
			continue
		}
		if f, err := d.libraries.read(path.Join(dir, name)); err == nil {
			l := nvidiaLibrary{version, f.class == elf.ELFCLASS32}
			if !slices.Contains(d.nvidia, l) {
				d.nvidia = append(d.nvidia, l)
			}
		}
	}
}

// readNames returns the libraries that the files of a directory name, as the loaders of
// Vulkan and of EGL read them. What is missing is noted.
func (d *drivers) readNames(dir string, class elf.Class) (found []string) {
	for _, name := range listDirectory(dir, 100) {
		var file struct {
			ICD struct {
				Path string `json:"library_path"`
			}
		}
		data, err := readRegular(path.Join(dir, name), 64<<10)
		if err != nil || !strings.HasSuffix(name, ".json") || json.Unmarshal(data, &file) != nil || file.ICD.Path == "" {
			continue
		}
		library := file.ICD.Path
		if strings.Contains(library, "/") && !path.IsAbs(library) {
			library = path.Join(dir, library)
		}
		switch {
		case d.libraries.has(library, class):
			found = append(found, library)
		case !d.libraries.has(library, elf.ELFCLASS32):
			d.broken = append(d.broken, path.Join(dir, name))
		}
	}
	return found
}

func (d *drivers) has64() bool { return len(d.mesa[elf.ELFCLASS64]) > 0 || d.gallium[elf.ELFCLASS64] }
func (d *drivers) has32() bool { return len(d.mesa[elf.ELFCLASS32]) > 0 || d.gallium[elf.ELFCLASS32] }

// mesaNames are Mesa's names of the drivers for a driver of the kernel, and those of its
// Vulkan drivers (Mesa, src/loader). Others have the kernel's name.
var mesaNames = map[string]struct{ gl, vulkan []string }{
	"i915":       {[]string{"iris", "crocus", "i965", "i915"}, []string{"intel", "intel_hasvk"}},
	"xe":         {[]string{"iris"}, []string{"intel"}},
	"amdgpu":     {[]string{"radeonsi"}, []string{"radeon"}},
	"radeon":     {[]string{"radeonsi", "r600", "r300"}, nil},
	"nouveau":    {[]string{"nouveau", "zink"}, []string{"nouveau"}},
	"virtio_gpu": {[]string{"virtio_gpu"}, []string{"virtio"}},
	"msm":        {[]string{"msm", "kgsl"}, []string{"freedreno"}},
	"panthor":    {[]string{"panfrost", "panthor"}, []string{"panfrost"}},
	"panfrost":   {[]string{"panfrost"}, []string{"panfrost"}},
	"v3d":        {[]string{"v3d", "vc4"}, []string{"broadcom"}},
	"asahi":      {[]string{"asahi", "apple"}, []string{"asahi"}},
}

// mesaFor says which of Mesa's drivers would draw, "" for none.
func (d *drivers) mesaFor(kernel string) string {
	names := mesaNames[kernel].gl
	if names == nil {
		names = []string{kernel}
	}
	for _, class := range []elf.Class{elf.ELFCLASS64, elf.ELFCLASS32} {
		for _, name := range names {
			if slices.Contains(d.mesa[class], name) || d.gallium[class] {
				return "Mesa " + name
			}
		}
	}
	return ""
}

func (d *drivers) vulkanFor(kernel string) string {
	for _, name := range mesaNames[kernel].vulkan {
		if slices.ContainsFunc(d.vulkan, func(v string) bool {
			return v == name || strings.HasPrefix(v, name+"_") || strings.HasPrefix(v, name+".")
		}) {
			return name
		}
	}
	return ""
}
