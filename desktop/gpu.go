package desktop

import (
	"strings"

	"chrun/session"
)

// Gpu shares the graphics hardware. The drivers are those of the chroot.
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
			s.State = "no graphics device found on the host"
		}
		return s
	},
}
