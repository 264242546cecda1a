package desktop

import (
	"io/fs"
	"path"
	"strings"

	"chrun/session"
	"chrun/session/account"
)

// Appearance is how the host's programs look. Fonts, icons, cursors and themes
// are seen below /run/host, behind the chroot's own, which nothing hides. What
// the person has chosen among them lies in files and in dconf; X11's settings
// (XSETTINGS) and the portal's come by themselves.
var Appearance = session.Feature{
	Name:      "appearance",
	Shares:    "the host's fonts, icons, cursors, themes, and the settings of GTK, Qt and dconf",
	Variables: []string{"GTK_THEME"},
	Detect:    detectAppearance,
	Hide: func(f *session.Facts) (s session.Share) {
		shareTheme(f, &s, nil)
		return s
	},
}

// themeSources are the host's data directories and the places inside that hold their
// fonts, icons and themes, and nothing else of them: whole, they would bring
// desktop files, schemas and drivers too. The names are Flatpak's as far as it
// has any. The older directories in the home (~/.icons) have a dot.
func themeSources(c *session.Caller) []themeSource {
	return []themeSource{
		{dataHome(c), "", "/run/host/user-share", true},
		{session.HostPath(c.Account.Home), ".", "/run/host/user-home", true},
		{c.Host.Join("/usr/local/share"), "", "/run/host/local-share", false},
		{c.Host.Join("/usr/share"), "", "/run/host/share", false},
	}
}

type themeSource struct {
	source   session.HostPath
	dot      string
	dest     session.Path
	personal bool // the person's own
}

func detectAppearance(f *session.Facts) session.Share {
	c := f.Caller
	var s session.Share
	var data, fonts, mine, cursors []string
	var themes []session.HostPath
	for _, l := range themeSources(c) {
		found := false
		for _, kind := range []string{"fonts", "icons", "themes"} {
			source, dest := l.source.Join(l.dot+kind), l.dest.Join(kind)
			if !isDir(source) {
				continue
			}
			found = true
			s.Binds = append(s.Binds, session.Bind{Source: source, Dest: dest, ReadOnly: true, Why: "the host's " + kind})
			switch kind {
			case "fonts":
				fonts = append(fonts, string(dest))
			case "icons":
				if l.personal {
					mine = append(mine, string(dest))
				} else {
					cursors = append(cursors, string(dest))
				}
			case "themes":
				themes = append(themes, source)
			}
		}
		if found {
			data = append(data, string(l.dest))
		}
	}
	if len(data) > 0 {
		// GTK and Qt look here for icons and themes, and fontconfig since 2.14
		// for fonts.
		s.Env = append(s.Env, session.Var{Name: "XDG_DATA_DIRS", Value: strings.Join(append([]string{dataDirs(f)}, data...), ":")})
	}
	if len(mine)+len(cursors) > 0 {
		// libXcursor and libwayland-cursor look only here, and take the theme
		// "default" where no other is named: the person's own is before the
		// chroot's, as it is before the host's. What they would take without
		// the variable comes first.
		dirs := []string{string(f.Home.Join(".local/share/icons")), string(f.Home.Join(".icons"))}
		dirs = append(append(dirs, mine...), "/usr/local/share/icons", "/usr/share/icons", "/usr/share/pixmaps")
		s.Env = append(s.Env, session.Var{Name: "XCURSOR_PATH", Value: strings.Join(append(dirs, cursors...), ":")})
	}
	s.Files = fontconfigFiles(f, fonts)
	shareTheme(f, &s, themes)
	s.State = "no fonts, icons and themes on the host"
	if len(s.Binds) > 0 {
		s.State = strings.Join(data, ", ")
	}
	if names := shareSettings(f, &s); len(names) > 0 {
		s.State += "; settings: " + strings.Join(names, ", ")
	}
	return s
}

// dataDirs is XDG_DATA_DIRS as a login to the chroot would have it.
func dataDirs(f *session.Facts) string {
	login := account.ReadLogin(func(p session.Path) ([]byte, error) {
		if p != "/etc/profile.env" {
			return nil, fs.ErrNotExist // the others say nothing of it
		}
		return f.Root.Read(p)
	}, false)
	if login.DataDirs != "" {
		return login.DataDirs
	}
	return usualDataDirs
}

// usualDataDirs is what an unset XDG_DATA_DIRS means (Base Directory 0.8).
const usualDataDirs = "/usr/local/share:/usr/share"

// dataHome is $XDG_DATA_HOME on the host (Base Directory 0.8: a relative value
// is ignored).
func dataHome(c *session.Caller) session.HostPath {
	if dir := c.Env.Get("XDG_DATA_HOME"); path.IsAbs(dir) {
		return session.HostPath(path.Clean(dir))
	}
	return session.HostPath(c.Account.Home).Join(".local/share")
}
