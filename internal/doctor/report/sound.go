package report

const noSound = "No sound"

var soundFaults = []Fault{
	{ID: "pipewire-gone", Topic: noSound, Sees: "\"Host is down\", pw-play: \"connection refused\".",
		Why: "PipeWire does not run.", Command: "systemctl --user restart pipewire wireplumber"},
	{ID: "pipewire-stale", Topic: noSound, Sees: "pw-play: \"Host is down\", but other programs have sound.",
		Why: "PIPEWIRE_REMOTE names a server that does not run.", Command: "unset PIPEWIRE_REMOTE"},
	{ID: "pipewire-permission", Topic: noSound, Sees: "pw-play: \"Permission denied\".",
		Why: "The socket of PipeWire is closed to the program.", Command: "chmod u+rw {socket}"},
	{ID: "pipewire-hang", Topic: noSound, Sees: "A player starts and waits.",
		Why: "PipeWire accepts connections and does not answer: it is stopped or stuck.", Command: "systemctl --user restart pipewire"},
	{ID: "pipewire-broken", Topic: noSound, Sees: "pw-play: \"Protocol error\".",
		Why: "Another program listens at PipeWire's socket.", Command: "unset PIPEWIRE_REMOTE"},
	{ID: "pulseaudio-gone", Topic: noSound, Sees: "\"Connection refused\", pactl: \"Connection failure\".",
		Why: "No sound server answers where PULSE_SERVER or client.conf says. A server in the network does so only with module-native-protocol-tcp.", Command: "unset PULSE_SERVER"},
	{ID: "pulseaudio-permission", Topic: noSound, Sees: "pactl: \"Access denied\", although the server runs.",
		Why: "The socket of the sound server is closed to the program.", Command: "chmod u+rwx {socket}"},
	{ID: "pulseaudio-refused", Topic: noSound, Sees: "pactl: \"Access denied\".",
		Why: "The server wants another cookie (~/.config/pulse/cookie): that of its own user. Chrun hands over the one that PULSE_COOKIE names.", Command: "pax11publish -r"},
	{ID: "pulseaudio-hang", Topic: noSound, Sees: "A player or browser tab starts and waits.",
		Why: "The sound server accepts connections and does not answer: it is stopped or stuck.", Command: "systemctl --user restart pipewire-pulse"},
	{ID: "pulseaudio-broken", Topic: noSound, Sees: "pactl: \"Protocol error\".",
		Why: "Another program listens where PULSE_SERVER says.", Command: "unset PULSE_SERVER"},
	{ID: "pulseaudio-silent", Topic: noSound, Sees: "Players run, but nothing is heard, and time does not go on.",
		Why: "The server has no sink that plays: no sound card, or no session manager (wireplumber).", Command: "systemctl --user restart wireplumber pipewire-pulse"},
	{ID: "alsa-plugin", Topic: noSound, Sees: "Most programs have sound, but mpg123, old games or aplay do not: \"Unknown PCM default\".",
		Why: "They know only ALSA, which needs a plugin in the chroot, for each architecture, to reach the sound server.", Command: "{install:alsa-plugin}"},
	{ID: "muted", Topic: noSound, Sees: "The doctor's --sound takes its tone, but you hear nothing.",
		Why: "The stream of this program, or the output, is muted or goes to another device: the mixer of the host shows it.", Command: "pavucontrol"},
}
