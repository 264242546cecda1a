package inside

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
)

// probeGPU opens the graphics hardware as drivers do, and finds out which driver the
// chroot's libraries would load.
func probeGPU(_ context.Context, in *Input, add func(...report.Check)) {
	if len(in.GPU) == 0 && in.NvidiaHost == "" {
		return
	}
	if value := in.Env.Get("LIBGL_ALWAYS_SOFTWARE"); value == "1" || value == "true" {
		add(report.Notice("gpu", report.Answers, "gpu-software", "LIBGL_ALWAYS_SOFTWARE="+value+" turns the hardware off"))
	}
	drivers := findDrivers(newLibraries(in))
	var good []string // one line for all
	for _, node := range in.GPU {
		if c := checkNode(node, in, drivers); c.Status == report.OK {
			good = append(good, c.Text)
		} else {
			add(c)
		}
	}
	if in.NvidiaHost != "" {
		if bad := checkNvidia(in.NvidiaHost, drivers); len(bad) > 0 {
			add(bad...)
		} else {
			good = append(good, "NVIDIA "+in.NvidiaHost+" on both sides")
		}
	}
	if len(good) > 0 {
		add(report.Good("gpu", report.Answers, strings.Join(good, "; ")))
	}
	for _, name := range drivers.broken[:min(len(drivers.broken), 3)] {
		add(report.Notice("gpu", report.Answers, "gpu-broken", name+" names a library that is not in the chroot"))
	}
	if drivers.loader32 && drivers.has64() && !drivers.has32() {
		add(report.Notice("gpu", report.Answers, "gpu-32bit", "32-bit programs draw without the hardware: no 32-bit driver"))
	}
}

// checkNode opens one node and says who draws with it.
func checkNode(node Node, in *Input, drivers *drivers) report.Check {
	name := path.Base(node.Path)
	sys := "/sys/class/drm/" + name + "/device"
	driver := linkName(sys + "/driver")
	if state, err := readRegular(sys+"/power/runtime_status", 64); err == nil && strings.TrimSpace(string(state)) == "suspended" {
		return report.Good("gpu", report.Reachable, name+" sleeps ("+driver+"); it was not woken")
	}
	if path.Dir(node.Path) != "/dev/dri" { // NVIDIA's: opening it may wake the hardware
		if err := unix.Access(node.Path, unix.R_OK|unix.W_OK); err != nil {
			return explainNode(node, in, err)
		}
		return report.Good("gpu", report.Reachable, name+" can be used")
	}
	fd, err := unix.Open(node.Path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return explainNode(node, in, err)
	}
	defer unix.Close(fd)
	if name := driverOf(fd); name != "" {
		driver = name
	}
	if driver == "" {
		return report.Good("gpu", report.Reachable, name+" can be opened")
	}
	if driver == "nvidia" || driver == "nvidia-drm" {
		return report.Good("gpu", report.Reachable, name+" can be opened (NVIDIA)")
	}
	mesa := drivers.mesaFor(driver)
	if mesa == "" {
		return report.Notice("gpu", report.Answers, "gpu-no-driver", fmt.Sprintf("the chroot has no driver for %s (%s): the processor draws", name, driver))
	}
	text := fmt.Sprintf("%s (%s): %s", name, driver, mesa)
	if v := drivers.vulkanFor(driver); v != "" {
		text += ", Vulkan " + v
	}
	return report.Good("gpu", report.Answers, text)
}

// explainNode says why a node cannot be opened.
func explainNode(node Node, in *Input, err error) report.Check {
	switch {
	case errors.Is(err, fs.ErrPermission) && node.Group != "" && node.Group != "root":
		return report.Bad("gpu", report.Reachable, "gpu-permission", node.Path+": only the group "+node.Group+" may open it", "group", node.Group, "user", in.User)
	case errors.Is(err, fs.ErrPermission):
		return report.Bad("gpu", report.Reachable, "gpu-mode", node.Path+": no group may open it")
	case errors.Is(err, fs.ErrNotExist):
		return report.Bad("gpu", report.Brought, "gpu-permission", node.Path+" was not shared: you may not open it", "group", node.Group, "user", in.User)
	}
	return report.Bad("gpu", report.Reachable, "gpu-refused", node.Path+": "+err.Error())
}

// drmVersion is struct drm_version on 64-bit machines (include/uapi/drm/drm.h).
type drmVersion struct {
	numbers                   [4]int32
	nameLength                uint64
	name                      *byte
	dateLength, date          uint64
	descriptionLen, descripts uint64
}

// driverOf asks a node for the name of its driver in the kernel, "" if it is no node of
// the kernel's graphics.
func driverOf(fd int) string {
	const drmMajor, ioctlVersion = 226, 0xc0406400 // DRM_IOCTL_VERSION
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || unix.Major(st.Rdev) != drmMajor {
		return ""
	}
	name := make([]byte, 64)
	v := drmVersion{nameLength: uint64(len(name)), name: &name[0]}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlVersion, uintptr(unsafe.Pointer(&v)))
	runtime.KeepAlive(name)
	if errno != 0 || v.nameLength > uint64(len(name)) {
		return ""
	}
	return string(name[:v.nameLength])
}

// linkName returns the last part of the target of a symlink.
func linkName(file string) string {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlink(file, buf)
	if err != nil {
		return ""
	}
	return path.Base(string(buf[:n]))
}

// checkNvidia compares NVIDIA's libraries with the kernel's module. They must have the
// same version.
func checkNvidia(version string, d *drivers) (checks []report.Check) {
	if len(d.nvidia) == 0 {
		return []report.Check{report.Notice("gpu", report.Answers, "nvidia-missing", "the chroot has no libraries for the host's NVIDIA driver "+version, "version", version)}
	}
	for _, l := range d.nvidia {
		if l.version != version {
			checks = append(checks, report.Bad("gpu", report.Answers, "nvidia-version", fmt.Sprintf("the chroot's NVIDIA libraries%s are %s, the host's driver is %s", l.bits(), l.version, version), "version", version))
		}
	}
	if d.loader32 && !slices.ContainsFunc(d.nvidia, func(l nvidiaLibrary) bool { return l.is32 }) {
		checks = append(checks, report.Notice("gpu", report.Answers, "nvidia-32bit", "32-bit programs have no NVIDIA libraries", "version", version))
	}
	return checks
}
