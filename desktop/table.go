// Package desktop is the table of what a desktop session offers to programs in
// a chroot: the features of packages display and audio, and its own: buses,
// devices, small files, language, environment. The table is the documentation
// of what is shared. Nothing here mounts, connects or changes anything.
//
// Sources: D-Bus Specification; XDG Base Directory 0.8; at-spi2-core
// atspi-misc.c; glibc locale/; locale(7), localtime(5), machine-id(5).
package desktop

import (
	"fmt"
	"slices"
	"strings"

	"chrun/audio"
	"chrun/display"
	"chrun/session"
)

// Features is the table. Its order is that of -v and of the documentation.
var Features = []session.Feature{
	display.Wayland, display.X11,
	audio.Pipewire, audio.Pulseaudio, audio.Alsa, audio.Jack,
	SessionBus, SystemBus, Accessibility,
	Gpu, Devices, Shm, Tmp,
	Documents, Files, Removable, Appearance,
	Agents, Smartcard, Printing, HostOpen,
	NetworkFiles, LocaleTime, MachineID, Network,
}

// All is the group of every feature.
const All = "all"

// Groups lists the names of the groups, in the order of the table.
func Groups() []string {
	var groups []string
	for _, f := range Features {
		if f.Group != "" && !slices.Contains(groups, f.Group) {
			groups = append(groups, f.Group)
		}
	}
	return append(groups, All)
}

// FeaturesNamed returns the features that name means: one, those of a group, or all.
func FeaturesNamed(name string) ([]session.Feature, error) {
	var found []session.Feature
	for _, f := range Features {
		if name == f.Name || name == f.Group && f.Group != "" || name == All {
			found = append(found, f)
		}
	}
	if found == nil {
		names := make([]string, len(Features))
		for i, f := range Features {
			names[i] = f.Name
		}
		return nil, fmt.Errorf("unknown feature %q: there are %s; and the groups %s",
			name, strings.Join(names, ", "), strings.Join(Groups(), ", "))
	}
	return found, nil
}
