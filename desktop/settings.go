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
// home inside has of its own, and returns their names and the symlinks in them.
func shareSettings(f *session.Facts, s *session.Share) (names []string, links []link) {
	home := session.HostPath(f.Caller.Account.Home)
	source, dest := configHome(f)
	add := func(source session.HostPath, dest session.Path, onlyIfMissing bool) {
		if exists(source) {
			names = append(names, path.Base(string(dest)))
			links = append(links, listLinks(source, dest, 2)...)
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
	return names, links
}

// shareTheme passes GTK_THEME if it is a theme of GTK itself, or one that is in
// themes, in the chroot or in the home inside. With a missing theme GTK 3 looks
// broken, and GTK 4 prints warnings.
func shareTheme(f *session.Facts, s *session.Share, themes []session.Path) {
	const name = "GTK_THEME"
	builtin := []string{"Adwaita", "Adwaita-dark", "HighContrast", "HighContrastInverse", "Default", "Raleigh", "Empty"}
	value := f.Caller.Env.Get(name)
	theme, _, _ := strings.Cut(value, ":") // Adwaita:dark
	if value == "" {
		return
	}
	v := session.Var{Name: name, Value: value}
	if slices.Contains(builtin, theme) {
		s.Env = append(s.Env, v)
		return
	}
	needs := session.DirVar{Var: v, Missing: "neither the chroot nor the host has the GTK theme " + value + ": " + name + " is unset"}
	if theme != "" && theme[0] != '.' && !strings.Contains(theme, "/") {
		own := []session.Path{f.Home.Join(".themes"), f.Home.Join(".local/share/themes"), "/usr/local/share/themes", "/usr/share/themes"}
		for _, dir := range append(own, themes...) {
			needs.Dirs = append(needs.Dirs, dir.Join(theme))
		}
	}
	s.DirEnv = append(s.DirEnv, needs)
}
