package inside

import (
	"context"
	"fmt"
	"path"
	"strings"

	"chrun/internal/doctor/report"
	"chrun/session"
	"chrun/session/rootfs"
)

// probeAlsa looks whether programs that only know ALSA reach the sound server: that
// needs a plugin of the chroot, for each architecture that it has.
func probeAlsa(_ context.Context, in *Input, add func(...report.Check)) {
	const row = "alsa"
	if in.denies(row) || !in.shares("pipewire") && !in.shares("pulseaudio") {
		return
	}
	tree := openTree()
	if tree == nil {
		return
	}
	defer tree.Close()
	var missing, found []string
	for _, dir := range rootfs.LibDirs {
		if !tree.Exists(dir.Join("libasound.so.2")) {
			continue
		}
		name := ""
		for _, plugin := range []string{"pipewire", "pulse"} {
			if tree.Exists(dir.Join("alsa-lib/libasound_module_pcm_" + plugin + ".so")) {
				name = plugin
				break
			}
		}
		if name == "" {
			missing = append(missing, string(dir))
		} else {
			found = append(found, name)
		}
	}
	switch {
	case len(missing) > 0:
		check := report.Notice
		if !in.shares(row) && len(found) == 0 {
			check = report.Bad
		}
		add(check(row, report.Reachable, "alsa-plugin", fmt.Sprintf("programs that only know ALSA are silent: no plugin in %s", strings.Join(missing, ", "))))
	case len(found) > 0:
		add(report.Good(row, report.Reachable, "through the plugin for "+found[0]))
	}
}

// pathInside is a path of the chroot, as the tree's reader wants it.
func pathInside(name string) session.Path { return session.Path(path.Clean(name)) }
