package desktop

import (
	"strings"
	"testing"

	"chrun/internal/fakedesk"
)

func TestFindMissingPlugins(t *testing.T) {
	d := fakedesk.New(t, "GTK_IM_MODULE=fcitx", "QT_IM_MODULE=ibus", "QT_IM_MODULES=wayland;ibus",
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
	d.Write("tree/usr/lib/aarch64-linux-gnu/gtk-4.0/4.0.0/immodules/libim-fcitx5.so", "")
	d.Write("tree/usr/lib64/qt5/plugins/platforminputcontexts/libibusplatforminputcontextplugin.so", "")
	d.Write("tree/usr/lib/qt6/plugins/platformthemes/libqt5ct.so", "")
	d.Write("tree/usr/lib/qt/plugins/styles/libkvantum.so", "")
	if got() != "" {
		t.Errorf("lacks %q in a tree with all plugins", got())
	}
	d.SetEnv("GTK_IM_MODULE=xim", "QT_IM_MODULE=compose", "QT_STYLE_OVERRIDE=Fusion", "QT_QPA_PLATFORMTHEME=")
	if got() != "" {
		t.Errorf("lacks the built-in %q", got())
	}
	d.SetEnv("GTK_IM_MODULE=/", "QT_IM_MODULE=..", "QT_STYLE_OVERRIDE=-")
	if want := "GTK_IM_MODULE QT_IM_MODULE QT_STYLE_OVERRIDE"; got() != want {
		t.Errorf("lacks %q, want %q", got(), want)
	}
}
