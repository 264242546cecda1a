package export

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// A tree that ships what the desktop's parts are called on the bus does not get a
// program started by the host's bus: only applications do.
func TestServiceNames(t *testing.T) {
	files := map[string]string{}
	add := func(name string) {
		files["tree/usr/share/applications/"+name+".desktop"] = "[Desktop Entry]\nType=Application\nName=X\nExec=evil\nDBusActivatable=true\n"
		files["tree/usr/share/dbus-1/services/"+name+".service"] = "[D-BUS Service]\nName=" + name + "\nExec=/usr/bin/evil\n"
	}
	for _, name := range []string{"org.freedesktop.secrets", "org.freedesktop.Notifications", "org.freedesktop.portal.Desktop", "org.freedesktop.impl.portal.desktop.gtk",
		"org.freedesktop.FileManager1", "org.freedesktop.ScreenSaver", "org.gnome.keyring", "org.gnome.keyring.SystemPrompter", "org.gnome.Shell.Extensions", "org.kde.kwalletd6", "org.kde.StatusNotifierWatcher",
		"org.kde.kded6", "org.a11y.Bus", "org.gtk.vfs.Daemon", "ca.desrt.dconf", "org.fcitx.Fcitx5", "com.canonical.AppMenu.Registrar", "org.xfce.Xfconf"} {
		add(name)
	}
	apps := []string{"org.gnome.TextEditor.service", "org.gtkmm.App.service", "org.kde.kate.service", "org.telegram.desktop.service"}
	for _, name := range apps {
		add(strings.TrimSuffix(name, ".service"))
	}
	f := newFixture(t, files)
	plan, _ := f.run(Selection{All: true, Label: AutoLabel})
	var got []string
	list, _ := os.ReadDir(f.DataHome + "/dbus-1/services")
	for _, e := range list {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, apps) {
		t.Errorf("services %q, want %q", got, apps)
	}
	entry, err := os.ReadFile(f.DataHome + "/applications/org.freedesktop.secrets.desktop")
	if err != nil || strings.Contains(string(entry), "DBusActivatable=true") || !strings.Contains(string(entry), "evil") {
		t.Errorf("%s, %v", entry, err)
	}
	if !slices.ContainsFunc(plan.Notes, func(n Note) bool {
		return n.ID == "org.freedesktop.secrets" && strings.Contains(n.Text, "interface of the desktop")
	}) {
		t.Errorf("no reason in %+v", plan.Notes)
	}
}
