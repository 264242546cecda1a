package main

import (
	"chrun/desktop"
	"chrun/session/config"
)

// bySize brings the switches of a configuration file into an order in which
// the narrower one wins: all, groups, features; at equal size deny wins.
func bySize(ch *config.Chroot) (list []toggle) {
	size := func(name string) int {
		found, _ := desktop.Named(name)
		switch {
		case name == desktop.All:
			return 0
		case len(found) == 1 && found[0].Name == name:
			return 2
		}
		return 1
	}
	for s := range 3 {
		for _, name := range ch.Allow {
			if size(name) == s {
				list = append(list, toggle{name, true})
			}
		}
		for _, name := range ch.Deny {
			if size(name) == s {
				list = append(list, toggle{name, false})
			}
		}
	}
	return list
}

// rootFeatures are what root gets without a desktop.
var rootFeatures = map[string]bool{"network-files": true, "network": true, "gpu": true, "devices": true, "shm": true}

// desktopFeatures are what root inside gets of a desktop besides: what makes
// windows and sound work, and nothing of the user's files.
var desktopFeatures = map[string]bool{"wayland": true, "x11": true, "pipewire": true, "pulseaudio": true, "alsa": true,
	"session-bus": true, "system-bus": true, "accessibility": true, "locale-time": true, "machine-id": true, "host-open": true}

// allowed applies the switches in their order; the later wins.
func allowed(switches []toggle, root, bare bool) func(string) bool {
	off := map[string]bool{}
	for _, s := range switches {
		found, _ := desktop.Named(s.name)
		for _, f := range found {
			off[f.Name] = !s.on
		}
	}
	return func(name string) bool {
		return !off[name] && (!root || rootFeatures[name] || !bare && desktopFeatures[name])
	}
}
