package service

import "strings"

// reserved are names on the session bus that stand for an interface or a part of a
// desktop, not for an application. Programs of the host call them without being
// asked: whoever provides one would be started without a click, and be told
// passwords, notifications or files. A name is reserved with all names below it; "*"
// at the end stands for any further characters.
var reserved = []struct{ name, reason string }{
	{"org.freedesktop", "it is an interface of the desktop"}, // secrets, Notifications, portal, impl.portal, FileManager1, …
	{"org.a11y", "it is the accessibility bus"},
	{"org.gtk", "it is a part of GLib and GTK"}, // vfs, Private
	{"ca.desrt.dconf*", "it is the settings database"},
	{"org.mpris", "it is an interface of the desktop"},
	{"org.gnome.keyring*", "it is the password store"},
	{"org.kde.kwallet*", "it is the password store"},
	{"org.kde.secretservicecompat", "it is the password store"},
	{"org.kde.ksecretd", "it is the password store"},
	{"org.kde.polkit*", "it asks for passwords"},
	{"org.kde.kpasswdserver*", "it asks for passwords"},
	{"org.kde.ksshaskpass", "it asks for passwords"},
	{"org.gnome.seahorse", "it asks for passwords"},
	{"org.gnupg", "it asks for passwords"},
	{"org.bluez", "it is a service of the system"},
	{"org.pulseaudio", "it is the sound server"},
	{"org.PulseAudio1", "it is the sound server"},
	{"org.pipewire", "it is the sound server"},
	{"org.maliit", "it receives what is typed"},
	{"org.fcitx*", "it receives what is typed"},
	{"org.onboard", "it receives what is typed"},
	{"com.canonical", "it is a part of the desktop"}, // Unity, indicators
	{"org.ayatana", "it is a part of the desktop"},
	{"com.deepin", "it is a part of the desktop"},
	{"org.deepin.dde*", "it is a part of the desktop"},
	{"org.cinnamon", "it is a part of the desktop"},
	{"org.mate.panel*", "it is a part of the desktop"},
	{"org.mate.SessionManager", "it is a part of the desktop"},
	{"org.mate.SettingsDaemon", "it is a part of the desktop"},
	{"org.mate.ScreenSaver", "it is a part of the desktop"},
	{"org.xfce.Session*", "it is a part of the desktop"},
	{"org.xfce.Xfconf", "it is a part of the desktop"},
	{"org.xfce.Panel", "it is a part of the desktop"},
	{"org.xfce.FileManager", "it is a part of the desktop"},
	{"org.xfce.ScreenSaver", "it is a part of the desktop"},
	{"org.gnome.Shell", "it is a part of the desktop"},
	{"org.gnome.Mutter", "it is a part of the desktop"},
	{"org.gnome.SessionManager", "it is a part of the desktop"},
	{"org.gnome.SettingsDaemon", "it is a part of the desktop"},
	{"org.gnome.ScreenSaver", "it is a part of the desktop"},
	{"org.gnome.DisplayManager", "it is a part of the desktop"},
	{"org.gnome.OnlineAccounts", "it is a part of the desktop"},
	{"org.gnome.Identity", "it is a part of the desktop"},
	{"org.gnome.evolution.dataserver", "it is a part of the desktop"},
	{"org.gnome.GConf", "it is the settings database"},
	{"org.gnome.Tracker*", "it is an index of your files"},
	{"org.gnome.zeitgeist*", "it is an index of your files"},
	{"org.kde.baloo*", "it is an index of your files"},
	{"org.kde.kded*", "it is a part of the desktop"},
	{"org.kde.kglobalaccel*", "it receives what is typed"},
	{"org.kde.kioslave*", "it is a part of the desktop"},
	{"org.kde.kio*", "it is a part of the desktop"},
	{"org.kde.klauncher*", "it is a part of the desktop"},
	{"org.kde.krunner", "it is a part of the desktop"},
	{"org.kde.ksmserver", "it is a part of the desktop"},
	{"org.kde.kuiserver", "it is a part of the desktop"},
	{"org.kde.plasma*", "it is a part of the desktop"},
	{"org.kde.KWin*", "it is a part of the desktop"},
	{"org.kde.kwin*", "it is a part of the desktop"},
	{"org.kde.kscreen*", "it is a part of the desktop"},
	{"org.kde.KScreen", "it is a part of the desktop"},
	{"org.kde.Solid", "it is a part of the desktop"},
	{"org.kde.Screensaver", "it is a part of the desktop"},
	{"org.kde.screensaver", "it is a part of the desktop"},
	{"org.kde.ActivityManager", "it is a part of the desktop"},
	{"org.kde.kactivitymanagerd", "it is a part of the desktop"},
	{"org.kde.StatusNotifier*", "it is a part of the desktop"},
	{"org.kde.JobViewServer", "it is a part of the desktop"},
	{"org.kde.kappmenu*", "it is a part of the desktop"},
	{"org.kde.kdeconnect*", "it is a part of the desktop"},
	{"org.kde.dolphin.FileManager1", "it is an interface of the desktop"},
}

// Reserved returns why the chroot's program must not be started for a name, or "".
func Reserved(name string) (reason string) {
	for _, r := range reserved {
		prefix, any := strings.CutSuffix(r.name, "*")
		if rest, ok := strings.CutPrefix(name, prefix); ok && (any || rest == "" || rest[0] == '.') {
			return r.reason
		}
	}
	return ""
}
