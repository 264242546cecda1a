package request

import (
	"slices"

	"chrun/desktop"
	"chrun/internal/cli"
	"chrun/session/config"
)

// configuredSwitches orders what a configuration file allows and denies so that
// the narrower name wins: all, then groups, then features; for the same name
// deny wins.
func configuredSwitches(ch *config.Chroot) (list []cli.Switch) {
	breadth := func(name string) int {
		found, _ := desktop.FeaturesNamed(name)
		switch {
		case name == desktop.All:
			return 0
		case len(found) == 1 && found[0].Name == name:
			return 2
		}
		return 1
	}
	for b := range 3 {
		for _, name := range ch.Allow {
			if breadth(name) == b {
				list = append(list, cli.Switch{Name: name, On: true})
			}
		}
		for _, name := range ch.Deny {
			if breadth(name) == b {
				list = append(list, cli.Switch{Name: name})
			}
		}
	}
	return list
}

// bareRootFeatures are what root gets without a desktop.
var bareRootFeatures = []string{"files", "network-files", "network", "gpu", "devices", "shm", "terminal"}

// rootFeatures are what root inside gets in addition from a desktop: what makes
// windows and sound work, and none of the user's files.
var rootFeatures = []string{"wayland", "x11", "pipewire", "pulseaudio", "alsa",
	"session-bus", "system-bus", "accessibility", "locale-time", "machine-id", "host-open"}

// allowedFeatures applies the switches in their order, so the last one wins, and
// returns a function that reports whether a feature is shared.
func allowedFeatures(switches []cli.Switch, root, bare bool) func(feature string) bool {
	denied := map[string]bool{}
	for _, s := range switches {
		found, _ := desktop.FeaturesNamed(s.Name)
		for _, f := range found {
			denied[f.Name] = !s.On
		}
	}
	return func(name string) bool {
		return !denied[name] && (!root || slices.Contains(bareRootFeatures, name) || !bare && slices.Contains(rootFeatures, name))
	}
}
