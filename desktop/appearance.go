package desktop

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"chrun/session"
	"chrun/session/account"
)

// Appearance makes programs look as on the host. The host's fonts, icons, cursors
// and themes are mounted below /run/host, and come after those of the chroot.
// The person's choices are in files and in dconf. XSETTINGS and the settings of
// the portal need nothing here: they come through the display and the bus.
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

// themeSources lists the host's data directories, and where their fonts, icons
// and themes are mounted inside. The other subdirectories are not shared: they
// contain desktop files, schemas and drivers. The destinations are those of
// Flatpak where it has one.
func themeSources(c *session.Caller) []themeSource {
	home := session.HostPath(c.Account.Home)
	system := []themeSource{
		{c.Host.Join("/usr/local/share"), "", "/run/host/local-share", false, false},
		{c.Host.Join("/usr/share"), "", "/run/host/share", false, false},
	}
	sources := []themeSource{
		{dataHome(c), "", "/run/host/user-share", true, false},
		{home, ".", "/run/host/user-home", true, false},
	}
	// Nix, Guix and others have data directories of their own.
	for i, dir := range strings.Split(c.Env.Get("XDG_DATA_DIRS"), ":") {
		source := session.HostPath(path.Clean(dir))
		known := slices.ContainsFunc(append(system, sources...), func(s themeSource) bool { return s.source == source && s.prefix == "" })
		if !path.IsAbs(dir) || known || isExport(source) {
			continue
		}
		sources = append(sources, themeSource{source, "", session.Path(fmt.Sprintf("/run/host/share-%d", i+1)), source.IsBelow(home), true})
	}
	return append(sources, system...)
}

// isExport reports whether a data directory contains the icons of a flatpak's or a
// snap's programs. They are symlinks to files of those programs.
func isExport(dir session.HostPath) bool {
	return strings.HasSuffix(string(dir), "/flatpak/exports/share") || dir.IsBelow("/var/lib/snapd")
}

type themeSource struct {
	source   session.HostPath
	prefix   string // of the subdirectories: "." for ~/.icons
	dest     session.Path
	personal bool // in the home of the caller
	limited  bool // it may be on a file system that does not answer
}

// themeFiles are the subdirectories that a data directory has, and the symlinks in
// them that lead elsewhere.
type themeFiles struct {
	kinds []string
	links []link
}

// find looks into a data directory, and reports whether its file system answered.
func (l themeSource) find() (found themeFiles, answered bool) {
	look := func() (found themeFiles) {
		for _, kind := range []string{"fonts", "icons", "themes"} {
			if isDir(l.source.Join(l.prefix + kind)) {
				found.kinds = append(found.kinds, kind)
				found.links = append(found.links, l.listLinks(kind)...)
			}
		}
		return found
	}
	if l.limited {
		return askWithin(linkTime, look)
	}
	return look(), true
}

// listLinks lists the symlinks in one of the subdirectories.
func (l themeSource) listLinks(kind string) []link {
	source, dest := l.source.Join(l.prefix+kind), l.dest.Join(kind)
	switch {
	case strings.HasSuffix(string(l.source), "/usr/share") && kind != "fonts":
		return listLinks(source, dest, 1) // fast path: the themes of packages have no such links
	case strings.HasSuffix(string(l.source), "/usr/share"):
		return listLinks(source, dest, 2)
	}
	return append(storeLinks(source), listLinks(source, dest, 2)...)
}

func detectAppearance(f *session.Facts) session.Share {
	c := f.Caller
	var s session.Share
	var data, fonts, personalIcons, systemIcons []string
	var themes []session.Path
	var links []link
	for _, l := range themeSources(c) {
		found, answered := l.find()
		if !answered {
			s.Notes = append(s.Notes, string(l.source)+" is not shared: its file system does not answer")
		}
		links = append(links, found.links...)
		for _, kind := range found.kinds {
			source, dest := l.source.Join(l.prefix+kind), l.dest.Join(kind)
			s.Binds = append(s.Binds, session.Bind{Source: source, Dest: dest, ReadOnly: true, Why: "the host's " + kind})
			switch kind {
			case "fonts":
				fonts = append(fonts, string(dest))
			case "icons":
				if l.personal {
					personalIcons = append(personalIcons, string(dest))
				} else {
					systemIcons = append(systemIcons, string(dest))
				}
			case "themes":
				themes = append(themes, dest)
			}
		}
		if len(found.kinds) > 0 {
			data = append(data, string(l.dest))
		}
	}
	if len(data) > 0 {
		// GTK and Qt search these directories for icons and themes, and
		// fontconfig since 2.14 for fonts.
		s.Env = append(s.Env, session.Var{Name: "XDG_DATA_DIRS", Value: strings.Join(append([]string{dataDirs(f)}, data...), ":")})
	}
	if len(personalIcons)+len(systemIcons) > 0 {
		// libXcursor and libwayland-cursor search only this variable, for the
		// theme "default" if none is chosen. As on the host, the person's own
		// directories come before those of the system.
		dirs := []string{string(f.Home.Join(".local/share/icons")), string(f.Home.Join(".icons"))}
		dirs = append(append(dirs, personalIcons...), "/usr/local/share/icons", "/usr/share/icons", "/usr/share/pixmaps")
		s.Env = append(s.Env, session.Var{Name: "XCURSOR_PATH", Value: strings.Join(append(dirs, systemIcons...), ":")})
	}
	s.Files = fontconfigFiles(f, fonts)
	shareTheme(f, &s, themes)
	s.State = "no fonts, icons or themes on the host"
	if len(s.Binds) > 0 {
		s.State = strings.Join(data, ", ")
	}
	names, more := shareSettings(f, &s)
	if len(names) > 0 {
		s.State += "; settings: " + strings.Join(names, ", ")
	}
	shareLinkTargets(&s, append(links, more...))
	return s
}

// dataDirs returns XDG_DATA_DIRS as a login to the chroot sets it.
func dataDirs(f *session.Facts) string {
	login := account.ReadLogin(func(p session.Path) ([]byte, error) {
		if p != "/etc/profile.env" {
			return nil, fs.ErrNotExist // no other file sets the variable
		}
		return f.Root.Read(p)
	}, false)
	if login.DataDirs != "" {
		return login.DataDirs
	}
	return defaultDataDirs
}

// defaultDataDirs is the value of an unset XDG_DATA_DIRS (XDG Base Directory 0.8).
const defaultDataDirs = "/usr/local/share:/usr/share"
