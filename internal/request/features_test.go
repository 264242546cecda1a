package request

import (
	"strings"
	"testing"

	"chrun/internal/cli"
)

func TestAllowed(t *testing.T) {
	for _, x := range []struct {
		switches string
		root     bool
		on, off  string
	}{
		{"", false, "wayland x11 pipewire gpu network", ""},
		{"-all", false, "", "wayland x11 pipewire gpu network"},
		{"-all +x11", false, "x11", "wayland gpu"},
		{"+x11 -all", false, "", "x11"},
		{"-sound +alsa", false, "alsa x11", "pipewire pulseaudio jack"},
		{"-x11 +display", false, "x11 wayland", ""},
		{"", true, "network-files network gpu devices shm", "wayland x11 session-bus tmp"},
		{"-gpu", true, "devices", "gpu"},
		{"+x11", true, "", "x11"},
	} {
		var list []cli.Switch
		for _, s := range strings.Fields(x.switches) {
			list = append(list, cli.Switch{Name: s[1:], On: s[0] == '+'})
		}
		f := allowedFeatures(list, x.root, x.root)
		for _, name := range strings.Fields(x.on) {
			if !f(name) {
				t.Errorf("%q (root %v): %s is off", x.switches, x.root, name)
			}
		}
		for _, name := range strings.Fields(x.off) {
			if f(name) {
				t.Errorf("%q (root %v): %s is on", x.switches, x.root, name)
			}
		}
	}
}
