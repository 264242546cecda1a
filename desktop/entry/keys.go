package entry

import "strings"

// localisable are the keys of version 1.5 that have translations.
var localisable = map[string]bool{"Name": true, "GenericName": true, "Comment": true, "Icon": true, "Keywords": true,
	"X-GNOME-FullName": true, "X-GNOME-Keywords": true, "X-KDE-Keywords": true}

// keys are those of Desktop Entry 1.5 that an application's entry may have.
var keys = newSet("Type Version Name GenericName NoDisplay Comment Icon Hidden OnlyShowIn NotShowIn DBusActivatable " +
	"TryExec Exec Path Terminal Actions MimeType Categories Implements Keywords StartupNotify StartupWMClass " +
	"PrefersNonDefaultGPU SingleMainWindow")

// actionKeys are those of a [Desktop Action NAME].
var actionKeys = newSet("Name Icon Exec")

// harmless are the keys beyond the specification that an exported entry keeps:
// texts, and hints that make nothing run and grant nothing. Not among them, for
// example: X-KDE-SubstituteUID and TerminalOptions (KDE runs more of them),
// X-GNOME-Bugzilla-ExtraInfoScript (a program of the host), InitialPreference
// (moves KDE's defaults), X-KDE-Wayland-Interfaces and
// X-KDE-DBUS-Restricted-Interfaces (rights in KWin), X-Flatpak and X-Snap… (make
// the entry another launcher's).
var harmless = newSet("X-GNOME-FullName X-GNOME-Keywords X-GNOME-Gettext-Domain X-GNOME-UsesNotifications " +
	"X-GNOME-SingleWindow X-GNOME-DocPath " +
	"X-Ubuntu-Gettext-Domain " +
	"X-Purism-FormFactor X-KDE-FormFactor X-KDE-Keywords X-KDE-Protocols X-KDE-StartupNotify X-DocPath " +
	"X-Desktop-File-Install-Version X-AppStream-Ignore X-AppInstall-Package X-Geoclue-Reason " +
	"X-Unity-IconBackgroundColor X-MultipleArgs X-GIO-NoFuse")

// dropReasons says dropReasons a key is left out.
var dropReasons = map[string]string{
	"TerminalOptions":                  "KDE gives it to the host's terminal, which may run it",
	"X-KDE-SubstituteUID":              "KDE would run the line as another user",
	"X-KDE-Username":                   "KDE would run the line as another user",
	"X-GNOME-Bugzilla-ExtraInfoScript": "it names a program that the host would run",
	"InitialPreference":                "it would move KDE's defaults",
	"X-KDE-Wayland-Interfaces":         "it would grant rights in the compositor",
	"X-KDE-DBUS-Restricted-Interfaces": "it would grant rights in the compositor",
	"SystemdService":                   "it names a service of the host",
	"Encoding":                         "deprecated",
	"MiniIcon":                         "deprecated",
	"SortOrder":                        "deprecated",
	"FilePattern":                      "deprecated",
	"URL":                              "it belongs to links",
}

func newSet(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}
