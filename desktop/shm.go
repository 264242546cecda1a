package desktop

import (
	"fmt"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// minShm is what browsers need, in bytes. With the 64 MiB of containers their
// tabs crash.
const minShm = 256 << 20

// Shm shares the host's POSIX shared memory, through which JACK, PulseAudio, X
// and GPU processes exchange buffers.
var Shm = session.Feature{
	Name:   "shm",
	Shares: "the host's shared memory, /dev/shm",
	Detect: func(f *session.Facts) session.Share {
		s := session.Share{State: "the host's /dev/shm", Binds: selectDevices(f, "shm")}
		var st unix.Statfs_t
		if err := unix.Statfs(string(f.Caller.Host.Join("/dev/shm")), &st); err != nil {
			return session.Share{State: "the host has no /dev/shm"}
		}
		if size := st.Blocks * uint64(st.Frsize); size > 0 && size < minShm {
			s.Notes = []string{fmt.Sprintf("/dev/shm has only %d MiB: browsers may crash", size>>20)}
		}
		return s
	},
}
