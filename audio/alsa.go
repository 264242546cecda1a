package audio

import (
	"fmt"
	"slices"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// Alsa lets programs that only support ALSA play through the sound server, which
// usually keeps the hardware busy.
var Alsa = session.Feature{
	Name:      "alsa",
	Group:     group,
	Shares:    "the sound server for programs that only support ALSA",
	Variables: []string{"ALSA_CONFIG_PATH"},
	Detect:    detectAlsa,
}

// alsaConfig is the configuration that comes with alsa-lib. Ours is read after it.
// After both, alsa-lib loads the files of the system and of the user, so that the
// default in those takes precedence over ours.
const alsaConfig session.Path = "/usr/share/alsa/alsa.conf"

func detectAlsa(f *session.Facts) session.Share {
	var s session.Share
	if list := f.Caller.Env.Get("ALSA_CONFIG_PATH"); list != "" {
		missing := findMissingConfig(f, list)
		if missing == "" {
			return session.Share{State: "configured by ALSA_CONFIG_PATH", Env: []session.Var{{Name: "ALSA_CONFIG_PATH", Value: list}}}
		}
		s.Notes = append(s.Notes, "ALSA_CONFIG_PATH is not passed on: the chroot has no "+missing)
	}
	if f.Root.Exists("/etc/asound.conf") {
		s.State = "configured by the chroot's /etc/asound.conf"
		return s
	}
	plugin, servers := choosePlugin(f)
	switch {
	case plugin == "" && len(servers) == 0:
		s.State = "no sound server"
	case plugin == "":
		s.State = "the chroot has no ALSA plugin for " + strings.Join(servers, " or ")
	case !f.Root.Exists(alsaConfig):
		s.State = "the chroot has no " + string(alsaConfig)
	default:
		file := session.PrivateDir.Join("alsa.conf")
		s.State = "through " + plugin
		s.Files = []session.File{{Path: file, Data: []byte(formatConfig(plugin)), Why: "ALSA plays through " + plugin}}
		s.Env = []session.Var{{Name: "ALSA_CONFIG_PATH", Value: string(alsaConfig) + ":" + string(file)}}
	}
	return s
}

// findMissingConfig returns the first file of an ALSA_CONFIG_PATH, which ':' or ' '
// separate, that the chroot does not have.
func findMissingConfig(f *session.Facts, list string) string {
	for _, p := range strings.FieldsFunc(list, func(r rune) bool { return r == ':' || r == ' ' }) {
		if p[0] != '/' || !f.Root.Exists(session.Path(p)) {
			return p
		}
	}
	return ""
}

// choosePlugin returns the type of the ALSA plugin to use, "pipewire" or "pulse".
// It is "" if the chroot has no plugin for any of the servers that are running,
// which are listed then.
func choosePlugin(f *session.Facts) (plugin string, servers []string) {
	isPlugin := func(name string) bool {
		return slices.ContainsFunc(rootfs.LibDirs, func(dir session.Path) bool {
			return f.Root.Exists(dir.Join("alsa-lib", "libasound_module_pcm_"+name+".so"))
		})
	}
	if f.Allowed("pipewire") {
		if found, _ := findPipewire(f); len(found) > 0 {
			if isPlugin("pipewire") {
				return "pipewire", nil
			}
			servers = append(servers, "pipewire")
		}
	}
	if f.Allowed("pulseaudio") {
		if found, _ := findPulse(f, readClientConf(f.Caller)); len(found) > 0 {
			if isPlugin("pulse") {
				return "pulse", nil
			}
			servers = append(servers, "pulse")
		}
	}
	return "", servers
}

// formatConfig returns a configuration that makes the plugin the default device. It
// contains no socket: like every client, the plugins read PIPEWIRE_REMOTE and
// PULSE_SERVER.
func formatConfig(plugin string) string {
	return fmt.Sprintf(`# Made by chrun for this launch.
pcm.!default {
	type %[1]s
	hint {
		show on
		description "The host's sound server"
	}
}
ctl.!default {
	type %[1]s
}
`, plugin)
}
