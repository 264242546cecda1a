package desktop

import (
	"path"
	"slices"
	"strings"

	"chrun/session"
)

// settingNames are files and directories in the configuration directory that hold
// the person's choices for toolkits, and nothing that depends on a version.
var settingNames = []string{"gtk-3.0", "gtk-4.0", "fontconfig", "kdeglobals", "qt5ct", "qt6ct", "Kvantum"}

// shareSettings shares the caller's settings read-only, except those that the
// home inside has of its own, and returns their names.
func shareSettings(f *session.Facts, s *session.Share) (names []string) {
	home := session.HostPath(f.Caller.Account.Home)
	source, dest := configHome(f)
	add := func(source session.HostPath, dest session.Path, onlyIfMissing bool) {
		if exists(source) {
			names = append(names, path.Base(string(dest)))
			s.Binds = append(s.Binds, session.Bind{Source: source, Dest: dest, ReadOnly: true, OnlyIfMissing: onlyIfMissing, Why: "the caller's settings"})
		}
	}
	for _, name := range settingNames {
		add(source.Join(name), dest.Join(name), true)
	}
	add(home.Join(".gtkrc-2.0"), f.Home.Join(".gtkrc-2.0"), true)
	// On a shared bus the host's dconf-service does all writing, and writes the
	// host's database. So programs inside must read that one, even if their home
	// has another. They never write it themselves, so read-only suffices.
	if f.Allowed("session-bus") {
		if dconf := source.Join("dconf"); exists(dconf) {
			add(dconf, dest.Join("dconf"), false)
		} else {
			s.Notes = append(s.Notes, string(dconf)+" does not exist: settings that programs inside write with dconf become visible inside at the next launch")
		}
	}
	return names
}

// shareTheme passes GTK_THEME if the chroot, the host's shared themes or GTK
// itself have the theme. With a missing theme GTK 3 looks broken, and GTK 4
// prints warnings.
func shareTheme(f *session.Facts, s *session.Share, themes []session.HostPath) {
	const name = "GTK_THEME"
	builtin := []string{"Adwaita", "Adwaita-dark", "HighContrast", "HighContrastInverse", "Default", "Raleigh", "Empty"}
	value := f.Caller.Env.Get(name)
	theme, _, _ := strings.Cut(value, ":") // Adwaita:dark
	if value == "" {
		return
	}
	found := slices.Contains(builtin, theme)
	if theme != "" && theme[0] != '.' && !strings.Contains(theme, "/") {
		found = found ||
			slices.ContainsFunc([]session.Path{"/usr/local/share/themes", "/usr/share/themes"}, func(dir session.Path) bool { return f.Root.IsDir(dir.Join(theme)) }) ||
			slices.ContainsFunc(themes, func(dir session.HostPath) bool { return isDir(dir.Join(theme)) })
	}
	if !found {
		s.Notes = append(s.Notes, "neither the chroot nor the host has the GTK theme "+value+": "+name+" is unset")
		return
	}
	s.Env = append(s.Env, session.Var{Name: name, Value: value})
}
