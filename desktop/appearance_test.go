package desktop

import (
	"os"
	"slices"
	"strings"
	"testing"

	"chrun/internal/fakedesk"
	"chrun/session"
)

func TestAppearance(t *testing.T) {
	d := fakedesk.New(t)
	d.Home = "/home/alice"
	s := Appearance.Detect(d.Facts)
	fakedesk.WantEnv(t, s, map[string]string{})
	if len(s.Binds)+len(s.Files) > 0 || s.State != "no fonts, icons or themes on the host" {
		t.Errorf("%+v", s)
	}

	d.Write("tree/etc/fonts/conf.d/10-x.conf", "")
	d.Write("host/usr/share/fonts/a.ttf", "")
	d.Write("host/usr/share/applications/a.desktop", "")
	d.Write("host/usr/local/share/themes/T/index.theme", "")
	d.Write("home/.icons/c/index.theme", "")
	d.Write("data/icons/d/index.theme", "")
	d.Write("host/usr/share/icons/e/index.theme", "")
	d.SetEnv("XDG_DATA_HOME=DIR/data")
	s = Appearance.Detect(d.Facts)
	dir := string(d.Dir)
	fakedesk.WantBinds(t, s, dir+"/data/icons on /run/host/user-share/icons", dir+"/home/.icons on /run/host/user-home/icons",
		dir+"/host/usr/local/share/themes on /run/host/local-share/themes", dir+"/host/usr/share/fonts on /run/host/share/fonts",
		dir+"/host/usr/share/icons on /run/host/share/icons")
	env := map[string]string{
		"XDG_DATA_DIRS": "/usr/local/share:/usr/share:/run/host/user-share:/run/host/user-home:/run/host/local-share:/run/host/share",
		"XCURSOR_PATH": "/home/alice/.local/share/icons:/home/alice/.icons:/run/host/user-share/icons:/run/host/user-home/icons:" +
			"/usr/local/share/icons:/usr/share/icons:/usr/share/pixmaps:/run/host/share/icons",
	}
	fakedesk.WantEnv(t, s, env)
	for _, b := range s.Binds {
		if !b.ReadOnly || b.Required || b.OnlyIfMissing {
			t.Errorf("%+v", b)
		}
	}
	d.Write("tree/etc/profile.env", "export XDG_DATA_DIRS='/usr/share:/opt/share'\n")
	d.Write("tree/etc/environment", "XDG_DATA_DIRS=/no\n")
	env["XDG_DATA_DIRS"] = strings.Replace(env["XDG_DATA_DIRS"], "/usr/local/share:/usr/share", "/usr/share:/opt/share", 1)
	fakedesk.WantEnv(t, Appearance.Detect(d.Facts), env)
}

func TestFontconfig(t *testing.T) {
	const conf = "/etc/fonts/conf.d/99-chrun-host.conf"
	d := fakedesk.New(t)
	d.Write("host/usr/share/fonts/a.ttf", "")
	files := func() []session.File { return Appearance.Detect(d.Facts).Files }
	if got := files(); len(got) > 0 {
		t.Errorf("a chroot without fontconfig gets %+v", got)
	}
	d.Write("tree/etc/fonts/conf.d/10-x.conf", "")
	if os.Getuid() == 0 { // root can write everywhere
		if got := fontconfigFiles(d.Facts, []string{"/run/host/share/fonts"}); len(got) > 0 && !d.Root.CanAccess("/etc", 2) {
			t.Errorf("%+v", got)
		}
	} else if err := os.Chmod(string(d.Dir.Join("tree/etc")), 0o555); err != nil {
		t.Fatal(err)
	} else {
		got := files()
		if len(got) != 1 || got[0].Path != conf || !strings.Contains(string(got[0].Data), "<dir>/run/host/share/fonts</dir>") {
			t.Errorf("%+v", got)
		}
		os.Chmod(string(d.Dir.Join("tree/etc")), 0o755)
	}
	if got := files(); os.Getuid() != 0 && len(got) > 0 {
		t.Errorf("a writable chroot gets %+v", got)
	}
	// If the directory is a symlink, the file would cover its target.
	os.Chmod(string(d.Dir.Join("tree/etc")), 0o755)
	os.RemoveAll(string(d.Dir.Join("tree/etc/fonts")))
	d.Write("tree/usr/fonts/conf.d/10-x.conf", "")
	d.Link("/usr/fonts", "tree/etc/fonts")
	if got := files(); len(got) > 0 {
		t.Errorf("after a symlink: %+v", got)
	}
}

func TestSettings(t *testing.T) {
	d := fakedesk.New(t)
	d.Home = "/home/alice"
	settings := func() []string {
		var names []string
		for _, b := range Appearance.Detect(d.Facts).Binds {
			if !b.ReadOnly {
				t.Errorf("%+v is writable", b)
			}
			if b.OnlyIfMissing {
				names = append(names, string(b.Dest))
			}
		}
		return names
	}
	d.Write("home/.config/gtk-3.0/settings.ini", "")
	d.Write("home/.config/kdeglobals", "")
	d.Write("home/.gtkrc-2.0", "")
	d.Write("home/.config/dconf/user", "")
	d.Write("home/.config/other/x", "")
	if got := settings(); !slices.Equal(got, []string{"/home/alice/.config/gtk-3.0", "/home/alice/.config/kdeglobals", "/home/alice/.gtkrc-2.0"}) {
		t.Errorf("settings %q", got)
	}
	s := Appearance.Detect(d.Facts)
	// The host's dconf service writes this database, so it is shared even if the
	// home inside has one.
	if last := s.Binds[len(s.Binds)-1]; last.Dest != "/home/alice/.config/dconf" || last.OnlyIfMissing || len(s.Notes) > 0 {
		t.Errorf("%+v, notes %q", last, s.Notes)
	}
	if s := Appearance.Detect(d.Deny("session-bus").Facts); s.Binds[len(s.Binds)-1].Dest == "/home/alice/.config/dconf" {
		t.Error("dconf without the bus")
	}
	d.Deny()
	d.Write("cfg/gtk-4.0/gtk.css", "")
	d.SetEnv("XDG_CONFIG_HOME=DIR/cfg") // outside of the home: ~/.config is used inside
	if got := settings(); !slices.Equal(got, []string{"/home/alice/.config/gtk-4.0", "/home/alice/.gtkrc-2.0"}) {
		t.Errorf("settings %q", got)
	}
	if s := Appearance.Detect(d.Facts); len(s.Notes) != 1 {
		t.Errorf("notes %q", s.Notes)
	}
	d.Home = session.Path(d.Dir)
	if got := settings(); got[0] != string(d.Dir.Join("cfg/gtk-4.0")) {
		t.Errorf("settings %q", got)
	}
}

func TestTheme(t *testing.T) {
	d := fakedesk.New(t)
	d.Home = "/home/alice"
	check := func(value, want string, dirs ...session.Path) {
		t.Helper()
		d.SetEnv("GTK_THEME=" + value)
		s := Appearance.Detect(d.Facts)
		if got := fakedesk.Value(s, "GTK_THEME"); got != want {
			t.Errorf("GTK_THEME=%s: %q, want %q (%q)", value, got, want, s.Notes)
		}
		if want != "-" || value == "" {
			return
		}
		if v := s.DirEnv[0]; v.Name != "GTK_THEME" || v.Value != value || !slices.Equal(v.Dirs, dirs) || !strings.Contains(v.Missing, value) {
			t.Errorf("GTK_THEME=%s: %+v", value, v)
		}
	}
	own := []session.Path{"/home/alice/.themes/Nordic", "/home/alice/.local/share/themes/Nordic",
		"/usr/local/share/themes/Nordic", "/usr/share/themes/Nordic"}
	check("", "-")
	check("Adwaita:dark", "Adwaita:dark")
	check("../themes", "-")
	check(":dark", "-")
	check("Nordic:dark", "-", own...)
	d.Write("home/.themes/Mine/gtk-3.0/gtk.css", "")
	check("Nordic:dark", "-", append(own, "/run/host/user-home/themes/Nordic")...)
	if s := Appearance.Hide(d.Facts); len(s.Env) > 0 || !slices.Equal(s.DirEnv[0].Dirs, own) {
		t.Errorf("the host's theme is used although the feature is denied: %+v", s)
	}
}

// What symlinks in shared directories lead to is where a program looks for it.
func TestLinks(t *testing.T) {
	d := fakedesk.New(t)
	d.Home = "/home/alice"
	dir := string(d.Dir)
	// With stow, a dot directory contains the settings.
	d.Write("home/.dotfiles/gtk/settings.ini", "")
	d.Link("../../.dotfiles/gtk/settings.ini", "home/.config/gtk-3.0/settings.ini")
	d.Link(dir+"/home/gone", "home/.config/gtk-3.0/gone")
	d.Link("settings.ini", "home/.config/gtk-3.0/inside")
	d.Write("home/.dotfiles/kv/Theme/x", "")
	d.Link(dir+"/home/.dotfiles/kv", "home/.config/Kvantum") // the whole directory: bound
	d.Write("host/usr/share/texmf/fonts/a.otf", "")
	d.Link("../../texmf/fonts", "host/usr/share/fonts/opentype/lm")
	d.Write("home/.local/share/icons/B/cursors/x", "")
	d.Link("../.local/share/icons/B", "home/.icons/default")
	d.Write("home/.elsewhere/cursors/x", "")
	d.Link(dir+"/home/.elsewhere/cursors", "home/.icons/C/cursors")
	var got []string
	for _, b := range Appearance.Detect(d.Facts).Binds {
		if strings.HasPrefix(b.Why, "the target of") {
			got = append(got, string(b.Source)+" on "+string(b.Dest))
			if !b.ReadOnly || !b.OnlyIfMissing || b.Required {
				t.Errorf("%+v", b)
			}
		}
	}
	slices.Sort(got)
	want := []string{
		dir + "/home/.dotfiles/gtk/settings.ini on /home/alice/.dotfiles/gtk/settings.ini",
		dir + "/home/.elsewhere/cursors on " + dir + "/home/.elsewhere/cursors",
		dir + "/home/.local/share/icons/B on /run/host/user-home/.local/share/icons/B",
		dir + "/host/usr/share/texmf/fonts on /run/host/share/texmf/fonts",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Other data directories of the host have themes too, but not those with the
// exported icons of other programs.
func TestHostDataDirs(t *testing.T) {
	d := fakedesk.New(t)
	d.Write("home/.nix-profile/share/icons/N/index.theme", "")
	d.Write("home/.local/share/flatpak/exports/share/icons/F/x", "")
	d.Write("opt/share/themes/O/x", "")
	d.SetEnv("XDG_DATA_DIRS=DIR/home/.nix-profile/share:DIR/home/.local/share/flatpak/exports/share:DIR/opt/share/:relative:DIR/host/usr/share:")
	d.Write("host/usr/share/icons/H/x", "")
	s := Appearance.Detect(d.Facts)
	dir := string(d.Dir)
	fakedesk.WantBinds(t, s, dir+"/home/.nix-profile/share/icons on /run/host/share-1/icons",
		dir+"/opt/share/themes on /run/host/share-3/themes", dir+"/host/usr/share/icons on /run/host/share/icons")
	if got, want := fakedesk.Value(s, "XDG_DATA_DIRS"), ":/run/host/share-1:/run/host/share-3:/run/host/share"; !strings.HasSuffix(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	if got := fakedesk.Value(s, "XCURSOR_PATH"); !strings.Contains(got, "/run/host/share-1/icons:/usr/local") {
		t.Error(got)
	}
}

// Many files are shared with their directory, and a store as a whole.
func TestJoinFolders(t *testing.T) {
	var binds []session.Bind
	for i := range fewFiles + 1 {
		name := string(rune('a' + i))
		binds = append(binds, session.Bind{Source: session.HostPath("/f/many/" + name), Dest: session.Path("/d/many/" + name)})
	}
	binds = append(binds, session.Bind{Source: "/nix/store/2-x/icons", Dest: "/nix/store/1-y/icons"}, session.Bind{Source: "/f/few", Dest: "/d/few"},
		session.Bind{Source: "/f/many/b", Dest: "/d/many/other"}, session.Bind{Source: "/nix/store/2-x", Dest: "/nix/store/2-x"})
	fakedesk.WantBinds(t, session.Share{Binds: joinFolders(binds)}, "/f/many on /d/many", "/nix/store on /nix/store", "/f/few on /d/few", "/f/many/b on /d/many/other")
}
