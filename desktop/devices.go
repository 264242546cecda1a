package desktop

import (
	"os"
	"path"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// Devices shares the rest of /dev. Which devices the program may open depends,
// as on the host, on the uid and the groups of the caller.
//
// The planner mounts /dev. If gpu, devices and shm are all allowed, it is the
// host's /dev, so that devices plugged in later appear inside. Otherwise it holds
// only the base devices, and each allowed feature binds its own.
var Devices = session.Feature{
	Name:   "devices",
	Shares: "all other devices that the caller may open: sound cards, cameras, gamepads, disks",
	Detect: func(f *session.Facts) session.Share {
		s := session.Share{State: "the host's /dev", Binds: selectDevices(f, "devices")}
		// libudev reads here which devices are gamepads or cameras.
		if source := f.Caller.Host.Join("/run/udev"); exists(source) {
			s.Binds = append(s.Binds, session.Bind{Source: source, Dest: "/run/udev", ReadOnly: true, Why: "the device database of udev"})
		}
		return s
	},
}

// selectDevices binds the entries of the host's /dev that belong to a class,
// unless the whole /dev is shared. It skips devices that the caller may not
// open, and the symlinks that udev makes.
func selectDevices(f *session.Facts, class string) (binds []session.Bind) {
	if session.SharesWholeDev(f) {
		return nil
	}
	dev := f.Caller.Host.Join("/dev")
	entries, err := rootfs.ListHost(dev)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if classifyDevice(e.Name()) != class || e.Type()&(os.ModeDevice|os.ModeDir) == 0 {
			continue
		}
		source := dev.Join(e.Name())
		if unix.Access(string(source), unix.R_OK) == nil || unix.Access(string(source), unix.W_OK) == nil {
			binds = append(binds, session.Bind{Source: source, Dest: session.Path("/dev").Join(e.Name()), Why: "the host's devices, selected"})
		}
	}
	return binds
}

// deviceClasses maps entries of /dev to the feature that shares them, by
// patterns of path.Match.
var deviceClasses = []struct {
	class    string
	patterns []string
}{
	// Devices that every program expects.
	{"base", []string{"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "fd", "stdin", "stdout", "stderr", "mqueue", ".host"}},
	{"shm", []string{"shm"}},
	{"gpu", []string{
		"dri", "accel", "udmabuf", "dma_heap", // any
		"nvidia*", "nvhost*", "nvmap", "nvgpu*", "nvsciipc", "tegra*", // NVIDIA, and its Tegra
		"kfd",              // AMD, computing
		"mali*", "umplock", // ARM
		"kgsl-*", "ion", // Qualcomm
		"pvr*", "galcore", // PowerVR, Vivante
		"dxg",   // Windows (WSL 2)
		"vchiq", // Raspberry Pi
	}},
}

// classifyDevice returns the class of an entry of /dev: "base" (always shared),
// "gpu", "shm", or "devices".
func classifyDevice(name string) string {
	for _, c := range deviceClasses {
		for _, pattern := range c.patterns {
			if ok, _ := path.Match(pattern, name); ok {
				return c.class
			}
		}
	}
	return "devices"
}
