package desktop

import (
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// The planner mounts /dev and /tmp. With gpu, devices and shm allowed /dev is
// the host's, whole, so that what is plugged in later appears inside; else the
// allowed ones bind their parts of it into a /dev with the base alone.

// Gpu is the graphics hardware. Its drivers are the chroot's.
var Gpu = session.Feature{
	Name:   "gpu",
	Shares: "the graphics hardware: /dev/dri, nvidia, kfd",
	Detect: func(f *session.Facts) session.Share {
		var found []string
		for _, name := range []string{"dri", "nvidiactl", "kfd", "dxg", "mali0", "kgsl-3d0", "nvhost-ctrl"} {
			if exists(f.Caller.Host.Join("/dev", name)) {
				found = append(found, "/dev/"+name)
			}
		}
		s := session.Share{State: strings.Join(found, ", "), Binds: selectDevices(f, "gpu")}
		if s.State == "" {
			s.State = "none known on the host"
		}
		return s
	},
}

// Devices is the rest of /dev. What may be opened there is decided, as ever, by
// the caller's uid and groups.
var Devices = session.Feature{
	Name:   "devices",
	Shares: "the other devices: sound cards, cameras, gamepads, disks as far as the caller may",
	Detect: func(f *session.Facts) session.Share {
		s := session.Share{State: "the host's /dev", Binds: selectDevices(f, "devices")}
		// libudev says which device is a gamepad or camera from here.
		if source := f.Caller.Host.Join("/run/udev"); exists(source) {
			s.Binds = append(s.Binds, session.Bind{Source: source, Dest: "/run/udev", ReadOnly: true, Why: "what udev knows of the devices"})
		}
		return s
	},
}

// enoughShm is what browsers need: at the 64 MiB of containers their tabs
// crash.
const enoughShm = 256 << 20

// Shm is the host's POSIX shared memory: JACK, PulseAudio, X and GPU processes
// hand their buffers over there.
var Shm = session.Feature{
	Name:   "shm",
	Shares: "the host's shared memory, /dev/shm",
	Detect: func(f *session.Facts) session.Share {
		s := session.Share{State: "the host's /dev/shm", Binds: selectDevices(f, "shm")}
		var st unix.Statfs_t
		if err := unix.Statfs(string(f.Caller.Host.Join("/dev/shm")), &st); err != nil {
			return session.Share{State: "the host has no /dev/shm"}
		}
		if size := st.Blocks * uint64(st.Frsize); size > 0 && size < enoughShm {
			s.Notes = []string{fmt.Sprintf("/dev/shm has only %d MiB: browsers may crash", size>>20)}
		}
		return s
	},
}

// Tmp is the host's /tmp, as the wiki of every chroot shares it: sockets of X,
// agents and input methods, and files handed from program to program.
var Tmp = session.Feature{
	Name:   "tmp",
	Shares: "the host's /tmp",
	Detect: func(f *session.Facts) session.Share { return session.Share{State: "the host's /tmp"} },
}

// selectDevices binds what of the host's /dev belongs to a class, unless /dev is shared
// whole. What the caller may not open anyway is left out, and so are links: udev
// makes them for names, not for devices.
func selectDevices(f *session.Facts, class string) (binds []session.Bind) {
	if session.WholeDev(f) {
		return nil
	}
	dev := f.Caller.Host.Join("/dev")
	entries, err := os.ReadDir(string(dev))
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

func exists(p session.HostPath) bool {
	var st unix.Stat_t
	return unix.Stat(string(p), &st) == nil
}

// deviceClasses says which feature shares an entry of /dev, by patterns of
// path.Match.
var deviceClasses = []struct {
	class    string
	patterns []string
}{
	// What every program takes for granted.
	{"base", []string{"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "fd", "stdin", "stdout", "stderr", "mqueue"}},
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

// classifyDevice says what an entry of /dev belongs to: "base" (always there), "gpu",
// "shm", or "devices".
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
