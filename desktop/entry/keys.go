package entry

import "strings"

// localisable are the keys of version 1.5 that may have translations.
var localisable = map[string]bool{"Name": true, "GenericName": true, "Comment": true, "Icon": true, "Keywords": true,
	"X-GNOME-FullName": true, "X-GNOME-Keywords": true, "X-KDE-Keywords": true, "X-Geoclue-Reason": true}

// keys are the keys of Desktop Entry 1.5 for an application.
var keys = newSet("Type Version Name GenericName NoDisplay Comment Icon Hidden OnlyShowIn NotShowIn DBusActivatable " +
	"TryExec Exec Path Terminal Actions MimeType Categories Implements Keywords StartupNotify StartupWMClass " +
	"PrefersNonDefaultGPU SingleMainWindow")

// actionKeys are the keys of a group [Desktop Action NAME].
var actionKeys = newSet("Name Icon Exec")

// harmless are the keys outside the specification that an exported entry keeps:
// texts, and hints that run no program and grant no rights. It does not contain,
// for example, X-KDE-SubstituteUID and TerminalOptions (KDE runs what they say),
// X-GNOME-Bugzilla-ExtraInfoScript (a program of the host), InitialPreference
// (changes KDE's defaults), X-KDE-Wayland-Interfaces and
// X-KDE-DBUS-Restricted-Interfaces (rights in KWin), X-Flatpak and X-Snap… (mark an
// entry as another launcher's).
var harmless = newSet("X-GNOME-FullName X-GNOME-Keywords X-GNOME-Gettext-Domain X-GNOME-UsesNotifications " +
	"X-GNOME-SingleWindow X-GNOME-DocPath " +
	"X-Ubuntu-Gettext-Domain " +
	"X-Purism-FormFactor X-KDE-FormFactor X-KDE-Keywords X-KDE-Protocols X-KDE-StartupNotify X-DocPath " +
	"X-Desktop-File-Install-Version X-AppStream-Ignore X-AppInstall-Package X-Geoclue-Reason " +
	"X-GNOME-Autostart-enabled X-GNOME-Autostart-Delay X-KDE-autostart-after " +
	"X-Unity-IconBackgroundColor X-MultipleArgs X-GIO-NoFuse")

// dropReasons are the reasons why an exported entry does not keep a key.
var dropReasons = map[string]string{
	"TerminalOptions":                  "KDE passes it to the host's terminal, which may run it",
	"X-KDE-SubstituteUID":              "KDE would run Exec as another user",
	"X-KDE-Username":                   "KDE would run Exec as another user",
	"X-GNOME-Bugzilla-ExtraInfoScript": "it names a program that the host would run",
	"InitialPreference":                "it would change KDE's defaults",
	"X-KDE-Wayland-Interfaces":         "it would grant rights in the compositor",
	"X-KDE-DBUS-Restricted-Interfaces": "it would grant rights in the compositor",
	"SystemdService":                   "it names a service of the host",
	"Encoding":                         "deprecated",
	"MiniIcon":                         "deprecated",
	"SortOrder":                        "deprecated",
	"FilePattern":                      "deprecated",
	"URL":                              "only links have it",
}

func newSet(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}
