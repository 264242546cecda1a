package audio

import (
	"strings"
	"testing"

	"chrun/internal/fakedesk"
	"chrun/session"
)

func TestAlsa(t *testing.T) {
	const plugins = "tree/usr/lib/x86_64-linux-gnu/alsa-lib/libasound_module_pcm_"
	d := fakedesk.New(t)
	wantState := func(want string) session.Share {
		t.Helper()
		s := detectAlsa(d.Facts)
		if s.State != want {
			t.Errorf("state = %q, want %q", s.State, want)
		}
		return s
	}
	wantState("no sound server")
	d.Socket("run/pulse/native", true)
	wantState("the chroot has no ALSA plugin for pulse")
	d.Socket("run/pipewire-0", true)
	wantState("the chroot has no ALSA plugin for pipewire or pulse")
	d.Write(plugins+"pulse.so", "")
	wantState("the chroot has no /usr/share/alsa/alsa.conf")
	d.Write("tree/usr/share/alsa/alsa.conf", "")
	s := wantState("through pulse")
	fakedesk.WantEnv(t, s, map[string]string{"ALSA_CONFIG_PATH": "/usr/share/alsa/alsa.conf:/run/chrun/alsa.conf"})
	if len(s.Files) != 1 || s.Files[0].Path != "/run/chrun/alsa.conf" || !strings.Contains(string(s.Files[0].Data), "type pulse\n") {
		t.Errorf("files = %+v", s.Files)
	}
	d.Write(plugins+"pipewire.so", "")
	wantState("through pipewire")
	d.Deny("pipewire")
	wantState("through pulse")
	d.Deny("pipewire", "pulseaudio")
	wantState("no sound server")
	d.Deny()

	d.Caller.Env = session.Environ{"ALSA_CONFIG_PATH=/usr/share/alsa/alsa.conf /opt/my.conf"}
	if s := wantState("through pipewire"); len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "/opt/my.conf") {
		t.Errorf("notes = %q", s.Notes)
	}
	d.Write("tree/opt/my.conf", "")
	fakedesk.WantEnv(t, wantState("configured by ALSA_CONFIG_PATH"), map[string]string{"ALSA_CONFIG_PATH": "/usr/share/alsa/alsa.conf /opt/my.conf"})
	d.Caller.Env = nil
	d.Write("tree/etc/asound.conf", "")
	fakedesk.WantEnv(t, wantState("configured by the chroot's /etc/asound.conf"), map[string]string{})
}

func TestJack(t *testing.T) {
	d := fakedesk.New(t, "JACK_DEFAULT_SERVER=studio", "JACK_DRIVER_DIR=/x", "JACK_START_SERVER=1")
	own := map[string]bool{"/dev/shm/jack_default_4_0": true, "/dev/shm/jack_default_5_0": true}
	d.Caller.UID = 4
	d.Caller.Listeners = func() *session.Listeners { return &session.Listeners{Names: own} }
	s := detectJack(d.Facts)
	fakedesk.WantEnv(t, s, map[string]string{"JACK_DEFAULT_SERVER": "studio", "JACK_NO_START_SERVER": "1"})
	if s.State != "the JACK server (listening)" {
		t.Error(s.State)
	}
	if s := detectJack(d.Deny("shm").Facts); !strings.Contains(s.State, "unreachable without shm") {
		t.Error(s.State)
	}
	if s := hideJack(d.Facts); len(s.Cover) != 1 || s.Cover[0] != "/dev/shm/jack_default_4_0" {
		t.Error(s.Cover)
	}
}
