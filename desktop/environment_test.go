package desktop

import (
	"strings"
	"testing"
)

func TestKeep(t *testing.T) {
	for _, kv := range []string{
		"MOZ_ENABLE_WAYLAND=1", "GDK_BACKEND=x11", "GDK_SCALE=2", "QT_QPA_PLATFORM=wayland", "QT_SCALE_FACTOR=2",
		"SDL_VIDEODRIVER=x11", "ELECTRON_OZONE_PLATFORM_HINT=auto", "XCURSOR_THEME=x", "XCURSOR_SIZE=24", "XMODIFIERS=@im=fcitx",
		"XDG_ACTIVATION_TOKEN=x", "DESKTOP_STARTUP_ID=x", "SSH_AUTH_SOCK=/run/x", "EDITOR=vi", "X=a\nb'\"$c", "KRB5CCNAME=FILE:/tmp/krb5cc_1",
		"XDG_CONFIG_HOME=/home/a/.config", "XDG_DATA_HOME=/home/a/x/../y", "XDG_CURRENT_DESKTOP=GNOME", "__GLX_VENDOR_LIBRARY_NAME=nvidia",
		"GTK_PATHS=", "LISTEN=1", "SNAPSHOT=1", "VKEY=1",
	} {
		name, value, _ := strings.Cut(kv, "=")
		if ok, why := KeepVariable(name, value, "/home/a"); !ok {
			t.Errorf("%s does not pass: %s", kv, why)
		}
	}
	for _, kv := range []string{
		"LD_LIBRARY_PATH=/x", "LD_PRELOAD=", "XCURSOR_PATH=/x", "GDK_PIXBUF_MODULE_FILE=/x", "GTK_PATH=/x", "QT_PLUGIN_PATH=/x",
		"TMPDIR=/x", "PYTHONPATH=/x", "GST_PLUGIN_SYSTEM_PATH_1_0=/x", "XDG_DATA_DIRS=/x", "VK_ICD_FILENAMES=/x",
		"__EGL_VENDOR_LIBRARY_DIRS=/x", "NOTIFY_SOCKET=/x", "container=flatpak", "SNAP_NAME=x", "BASH_FUNC_which%%=() { :; }",
		"XDG_CONFIG_HOME=/data/a", "XDG_CONFIG_HOME=relative", "XDG_CACHE_HOME=/home/a/../b", "XDG_STATE_HOME=/home/ab", "XDG_DATA_HOME=",
	} {
		name, value, _ := strings.Cut(kv, "=")
		if ok, why := KeepVariable(name, value, "/home/a"); ok || why == "" {
			t.Errorf("%s passes (%q)", kv, why)
		}
	}
	seen := map[string]bool{}
	for _, d := range droppedVariables {
		if seen[d.Pattern] || d.Why == "" || strings.Contains(strings.TrimSuffix(d.Pattern, "*"), "*") {
			t.Errorf("bad entry %+v", d)
		}
		seen[d.Pattern] = true
	}
}
