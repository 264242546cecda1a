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
	check := func(value, want string) {
		t.Helper()
		d.SetEnv("GTK_THEME=" + value)
		got := ""
		s := Appearance.Detect(d.Facts)
		for _, v := range s.Env {
			if v.Name == "GTK_THEME" {
				got = v.Value
			}
		}
		if got != want || (got == "" && value != "") != strings.Contains(strings.Join(s.Notes, ""), "GTK theme") {
			t.Errorf("GTK_THEME=%s: %q, want %q (%q)", value, got, want, s.Notes)
		}
	}
	check("", "")
	check("Adwaita:dark", "Adwaita:dark")
	check("Nordic:dark", "")
	check("../themes", "")
	check(":dark", "")
	d.Write("tree/usr/share/themes/Nordic/gtk-3.0/gtk.css", "")
	d.Write("home/.themes/Mine/gtk-3.0/gtk.css", "")
	check("Nordic:dark", "Nordic:dark")
	check("Mine", "Mine")
	s := Appearance.Hide(d.Facts)
	if len(s.Env) > 0 {
		t.Errorf("the host's theme is set although the feature is denied: %+v", s)
	}
}
