package audio

import (
	"strings"
	"testing"

	"chrun/session"
)

func TestAlsa(t *testing.T) {
	const plugins = "tree/usr/lib/x86_64-linux-gnu/alsa-lib/libasound_module_pcm_"
	d := newDesk(t)
	state := func(want string) session.Share {
		t.Helper()
		s := detectAlsa(d.Facts)
		if s.State != want {
			t.Errorf("state = %q, want %q", s.State, want)
		}
		return s
	}
	state("no sound server")
	d.socket("run/pulse/native", true)
	state("the chroot has no ALSA plugin for pulse")
	d.socket("run/pipewire-0", true)
	state("the chroot has no ALSA plugin for pipewire or pulse")
	d.write(plugins+"pulse.so", "")
	state("the chroot has no /usr/share/alsa/alsa.conf")
	d.write("tree/usr/share/alsa/alsa.conf", "")
	s := state("through pulse")
	wantEnv(t, s, map[string]string{"ALSA_CONFIG_PATH": "/usr/share/alsa/alsa.conf:/run/chrun/alsa.conf"})
	if len(s.Files) != 1 || s.Files[0].Path != "/run/chrun/alsa.conf" || !strings.Contains(string(s.Files[0].Data), "type pulse\n") {
		t.Errorf("files = %+v", s.Files)
	}
	d.write(plugins+"pipewire.so", "")
	state("through pipewire")
	d.deny("pipewire")
	state("through pulse")
	d.deny("pipewire", "pulseaudio")
	state("no sound server")
	d.deny()

	d.Caller.Env = session.Environ{"ALSA_CONFIG_PATH=/usr/share/alsa/alsa.conf /opt/my.conf"}
	if s := state("through pipewire"); len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "/opt/my.conf") {
		t.Errorf("notes = %q", s.Notes)
	}
	d.write("tree/opt/my.conf", "")
	wantEnv(t, state("as ALSA_CONFIG_PATH says"), map[string]string{"ALSA_CONFIG_PATH": "/usr/share/alsa/alsa.conf /opt/my.conf"})
	d.Caller.Env = nil
	d.write("tree/etc/asound.conf", "")
	wantEnv(t, state("as the chroot's /etc/asound.conf says"), map[string]string{})
}

func TestJack(t *testing.T) {
	d := newDesk(t, "JACK_DEFAULT_SERVER=studio", "JACK_DRIVER_DIR=/x", "JACK_START_SERVER=1")
	own := map[string]bool{"/dev/shm/jack_default_4_0": true, "/dev/shm/jack_default_5_0": true}
	d.Caller.UID = 4
	d.Caller.Listeners = func() session.Listeners { return own }
	s := detectJack(d.Facts)
	wantEnv(t, s, map[string]string{"JACK_DEFAULT_SERVER": "studio", "JACK_NO_START_SERVER": "1"})
	if s.State != "the JACK server (listening)" {
		t.Error(s.State)
	}
	if s := detectJack(d.deny("shm").Facts); !strings.Contains(s.State, "out of reach without shm") {
		t.Error(s.State)
	}
	if s := hideJack(d.Facts); len(s.Cover) != 1 || s.Cover[0] != "/dev/shm/jack_default_4_0" {
		t.Error(s.Cover)
	}
}
