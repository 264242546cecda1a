package desktop

import (
	"path"
	"slices"
	"strings"

	"chrun/session"
)

// settingNames are files and directories of the configuration in which toolkits
// keep what a person has chosen, and nothing that belongs to one version.
var settingNames = []string{"gtk-3.0", "gtk-4.0", "fontconfig", "kdeglobals", "qt5ct", "qt6ct", "Kvantum"}

// shareSettings shares the caller's settings, read-only, where the home inside
// has none of its own, and returns their names.
func shareSettings(f *session.Facts, s *session.Share) (names []string) {
	home := session.HostPath(f.Caller.Account.Home)
	source, dest := configHome(f)
	add := func(source session.HostPath, dest session.Path, own bool) {
		if exists(source) {
			names = append(names, path.Base(string(dest)))
			s.Binds = append(s.Binds, session.Bind{Source: source, Dest: dest, ReadOnly: true, Missing: own, Why: "the caller's settings"})
		}
	}
	for _, name := range settingNames {
		add(source.Join(name), dest.Join(name), true)
	}
	add(home.Join(".gtkrc-2.0"), f.Home.Join(".gtkrc-2.0"), true)
	// On a shared bus the host's dconf-service does all the writing, into the
	// host's file: programs inside must read that one, whatever is in their
	// home. They never write it themselves, so read-only is no loss.
	if f.Allowed("session-bus") {
		if dconf := source.Join("dconf"); exists(dconf) {
			add(dconf, dest.Join("dconf"), false)
		} else {
			s.Notes = append(s.Notes, string(dconf)+" is missing: what is set with dconf inside is seen there from the next launch")
		}
	}
	return names
}

// configHome is $XDG_CONFIG_HOME on the host and inside (Base Directory 0.8: a
// relative value is ignored).
func configHome(f *session.Facts) (source session.HostPath, dest session.Path) {
	source, dest = session.HostPath(f.Caller.Account.Home).Join(".config"), f.Home.Join(".config")
	if dir := f.Caller.Env.Get("XDG_CONFIG_HOME"); path.IsAbs(dir) {
		source = session.HostPath(path.Clean(dir))
		if ok, _ := KeepVariable("XDG_CONFIG_HOME", dir, f.Home); ok {
			dest = session.Path(source)
		}
	}
	return source, dest
}

// shareTheme passes GTK_THEME where the chroot, the host's shared themes or GTK
// itself have that theme: with another GTK 3 looks broken, and GTK 4 complains.
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
		s.Notes = append(s.Notes, "neither the chroot nor the host has the GTK theme "+value+": "+name+" is left out")
		return
	}
	s.Env = append(s.Env, session.Var{Name: name, Value: value})
}
