package inside

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
)

// probeDevices looks whether the program may use the game controllers and cameras that
// are plugged in. It opens none.
func probeDevices(_ context.Context, in *Input, add func(...report.Check)) {
	usable := 0
	for _, node := range in.Devices {
		switch {
		case !strings.HasPrefix(node.Path, "/dev/video") && !isController(node.Path):
		case unix.Access(node.Path, unix.R_OK) == nil:
			usable++
		default:
			add(report.Notice("devices", report.Reachable, "device-permission", node.Path+": only the group "+node.Group+" may open it", "group", node.Group, "user", in.User))
		}
	}
	if usable > 0 {
		add(report.Good("devices", report.Reachable, fmt.Sprintf("the host's /dev; game controllers and cameras: %d", usable)))
	}
}

// isController reports whether udev's database says that a device is a game controller
// (systemd, udev-builtin-input_id).
func isController(node string) bool {
	if strings.HasPrefix(node, "/dev/input/js") {
		return true
	}
	var st unix.Stat_t
	if unix.Stat(node, &st) != nil {
		return false
	}
	data, err := readRegular("/run/udev/data/c"+strconv.Itoa(int(unix.Major(st.Rdev)))+":"+strconv.Itoa(int(unix.Minor(st.Rdev))), 64<<10)
	return err == nil && strings.Contains(string(data), "E:ID_INPUT_JOYSTICK=1\n")
}

// probeNetwork lists the network interfaces that are up.
func probeNetwork(_ context.Context, _ *Input, add func(...report.Check)) {
	list, err := net.Interfaces()
	if err != nil {
		add(report.Bad("network", report.Reachable, "network-refused", "network interfaces: "+err.Error()))
		return
	}
	var names []string
	for _, i := range list {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 {
			names = append(names, i.Name)
		}
	}
	if len(names) > 0 {
		add(report.Good("network", report.Reachable, "the host's: "+strings.Join(names[:min(len(names), 4)], ", ")))
	}
}
