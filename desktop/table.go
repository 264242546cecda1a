// Package desktop holds the table of features that a desktop session shares with
// programs in a chroot: those of packages display and audio, and its own, such as
// buses, devices, documents and language. The table in the README is made from it.
// The package also decides which environment variables pass.
//
// Features only read and describe: they mount nothing, connect to nothing and
// change nothing. Only Notify and OwnsBusName connect, to the session bus, and X11
// asks a server for which there are several cookies.
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

// Features is the table of all features, in the order of -v and of the
// documentation.
var Features = []session.Feature{
	display.Wayland, display.X11,
	audio.Pipewire, audio.Pulseaudio, audio.Alsa, audio.Jack,
	SessionBus, SystemBus, Accessibility,
	Gpu, Devices, Shm, Tmp,
	Documents, Files, Storage, Appearance,
	Agents, Smartcard, Printing, HostOpen,
	Terminal, NetworkFiles, LocaleTime, MachineID, Network,
}

// All is the name of the group of all features.
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

// FeaturesNamed returns the features for a name: that of one feature, of a group,
// or All.
func FeaturesNamed(name string) ([]session.Feature, error) {
	var found []session.Feature
	for _, f := range Features {
		if name == f.Name || name == f.Group && f.Group != "" || name == All {
			found = append(found, f)
		}
	}
	if found == nil {
		return nil, &UnknownFeatureError{name}
	}
	return found, nil
}

// UnknownFeatureError reports a name that is neither a feature's nor a group's.
type UnknownFeatureError struct{ Name string }

func (e *UnknownFeatureError) Error() string {
	return fmt.Sprintf("unknown feature %q: the features are %s; the groups are %s", e.Name, strings.Join(Names(), ", "), strings.Join(Groups(), ", "))
}

// Names returns the names of all features.
func Names() (names []string) {
	for _, f := range Features {
		names = append(names, f.Name)
	}
	return names
}
