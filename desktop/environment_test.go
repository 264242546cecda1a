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

func TestLacks(t *testing.T) {
	d := newFixture(t, "GTK_IM_MODULE=fcitx", "QT_IM_MODULE=ibus", "QT_IM_MODULES=wayland;ibus",
		"QT_QPA_PLATFORMTHEME=qt5ct", "QT_STYLE_OVERRIDE=kvantum-dark", "XMODIFIERS=@im=fcitx")
	got := func() string {
		var list []string
		for _, l := range FindMissingPlugins(d.Root, d.Caller.Env) {
			list = append(list, l.Variable)
		}
		return strings.Join(list, " ")
	}
	if want := "GTK_IM_MODULE QT_IM_MODULE QT_QPA_PLATFORMTHEME QT_STYLE_OVERRIDE"; got() != want {
		t.Errorf("lacks %q, want %q", got(), want)
	}
	d.write("tree/usr/lib/aarch64-linux-gnu/gtk-4.0/4.0.0/immodules/libim-fcitx5.so", "")
	d.write("tree/usr/lib64/qt5/plugins/platforminputcontexts/libibusplatforminputcontextplugin.so", "")
	d.write("tree/usr/lib/qt6/plugins/platformthemes/libqt5ct.so", "")
	d.write("tree/usr/lib/qt/plugins/styles/libkvantum.so", "")
	if got() != "" {
		t.Errorf("lacks %q in a tree that has all", got())
	}
	d.setEnv("GTK_IM_MODULE=xim", "QT_IM_MODULE=compose", "QT_STYLE_OVERRIDE=Fusion", "QT_QPA_PLATFORMTHEME=")
	if got() != "" {
		t.Errorf("lacks the built-in %q", got())
	}
	d.setEnv("GTK_IM_MODULE=/", "QT_IM_MODULE=..", "QT_STYLE_OVERRIDE=-")
	if want := "GTK_IM_MODULE QT_IM_MODULE QT_STYLE_OVERRIDE"; got() != want {
		t.Errorf("lacks %q, want %q", got(), want)
	}
}

// Each toolkit has modules of its own; one that the chroot has not misses none.
func TestNoModules(t *testing.T) {
	d := newFixture(t)
	notes := func() string { return strings.Join(findMissingModules(d.Root, d.Caller.Env), "\n") }
	const lib = "tree/usr/lib/x86_64-linux-gnu/"
	d.write(lib+"libgtk-3.so.0", "")
	d.write(lib+"libgtk-4.so.1", "")
	d.write(lib+"libQt6Gui.so.6", "")
	if notes() != "" {
		t.Error("no input method is named:", notes())
	}
	d.setEnv("GTK_IM_MODULE=fcitx", "QT_IM_MODULE=ibus", "QT_IM_MODULES=wayland;fcitx;ibus")
	d.write(lib+"gtk-3.0/3.0.0/immodules/im-fcitx5.so", "")
	if want := "the chroot's GTK 4 has no module for fcitx: it has to be installed there (Debian's fcitx5-frontend-gtk4)\n" +
		"the chroot's Qt 6 has no module for fcitx: it has to be installed there (Debian's fcitx5-frontend-qt6)"; notes() != want {
		t.Error(notes())
	}
	d.write(lib+"gtk-4.0/4.0.0/immodules/libim-fcitx5.so", "")
	d.write(lib+"qt6/plugins/platforminputcontexts/libfcitx5platforminputcontextplugin.so", "")
	if notes() != "" {
		t.Error(notes())
	}
	d.setEnv("GTK_IM_MODULE=xim", "QT_IM_MODULE=compose")
	if notes() != "" {
		t.Error("part of the toolkit:", notes())
	}
}
