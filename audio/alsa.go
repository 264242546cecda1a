package audio

import (
	"fmt"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// Alsa lets programs that know only ALSA play through the sound server: the
// hardware is busy with it, or mixes nothing.
var Alsa = session.Feature{
	Name:      "alsa",
	Group:     group,
	Shares:    "the sound server to programs that know only ALSA",
	Variables: []string{"ALSA_CONFIG_PATH"},
	Detect:    detectAlsa,
}

// alsaConfig is alsa-lib's own configuration; ours is read after it. Only then
// do the hooks of the first one load the system's and the person's additions,
// so that whatever they choose as default wins over ours.
const alsaConfig session.Path = "/usr/share/alsa/alsa.conf"

func detectAlsa(f *session.Facts) session.Share {
	var s session.Share
	if list := f.Caller.Env.Get("ALSA_CONFIG_PATH"); list != "" {
		missing := missingConfig(f, list)
		if missing == "" {
			return session.Share{State: "as ALSA_CONFIG_PATH says", Env: []session.Var{{Name: "ALSA_CONFIG_PATH", Value: list}}}
		}
		s.Notes = append(s.Notes, "ALSA_CONFIG_PATH is left out: the chroot has no "+missing)
	}
	if f.Root.Exists("/etc/asound.conf") {
		s.State = "as the chroot's /etc/asound.conf says"
		return s
	}
	server, wanted := alsaServer(f)
	switch {
	case server == "" && wanted == "":
		s.State = "no sound server"
	case server == "":
		s.State = "the chroot has no ALSA plugin for " + wanted
	case !f.Root.Exists(alsaConfig):
		s.State = "the chroot has no " + string(alsaConfig)
	default:
		file := session.PrivateDir.Join("alsa.conf")
		s.State = "through " + server
		s.Files = []session.File{{Path: file, Data: []byte(alsaDefault(server)), Why: "ALSA plays through " + server}}
		s.Env = []session.Var{{Name: "ALSA_CONFIG_PATH", Value: string(alsaConfig) + ":" + string(file)}}
	}
	return s
}

// missingConfig is the first file of an ALSA_CONFIG_PATH (divided by ':' or
// ' ') that the chroot lacks.
func missingConfig(f *session.Facts, list string) string {
	for _, p := range strings.FieldsFunc(list, func(r rune) bool { return r == ':' || r == ' ' }) {
		if p[0] != '/' || !f.Root.Exists(session.Path(p)) {
			return p
		}
	}
	return ""
}

// alsaServer is the plugin type to use, "pipewire" or "pulse"; or, without
// one, the servers for which it was wanted.
func alsaServer(f *session.Facts) (server, wanted string) {
	var want []string
	if f.Allowed("pipewire") {
		if found, _ := findPipewire(f); len(found) > 0 {
			want = append(want, "pipewire")
		}
	}
	if f.Allowed("pulseaudio") {
		if found, _ := findPulse(f); len(found) > 0 {
			want = append(want, "pulse")
		}
	}
	for _, name := range want {
		for _, dir := range rootfs.LibDirs {
			if f.Root.Exists(dir.Join("alsa-lib", "libasound_module_pcm_"+name+".so")) {
				return name, ""
			}
		}
	}
	return "", strings.Join(want, " or ")
}

// alsaDefault makes server the default device. It names no socket: the plugins
// find theirs as every client does, by PIPEWIRE_REMOTE and PULSE_SERVER.
func alsaDefault(server string) string {
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
`, server)
}
