package export

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree returns the files of the home with their contents.
func (f *fixture) tree() map[string]string {
	files := map[string]string{}
	filepath.WalkDir(f.Home, func(p string, d os.DirEntry, err error) error {
		if err == nil {
			data, _ := os.ReadFile(p)
			files[p] = string(data)
		}
		return nil
	})
	return files
}

func TestAutostart(t *testing.T) {
	const dir = "tree/etc/xdg/autostart/"
	f := newFixture(t, map[string]string{dir + "a.desktop": app("a", "Icon=i\nMimeType=text/plain;\nAutostartCondition=GNOME /x\nX-GNOME-Autostart-Delay=5\n"), dir + "b.desktop": app("b", ""),
		dir + "daemon.desktop": app("daemon", "NoDisplay=true\n"), dir + "part.desktop": app("part", "OnlyShowIn=GNOME;\n"),
		dir + "bad.desktop": "x", dir + "gone.desktop": app("gone", "Hidden=true\n"), "tree/usr/share/pixmaps/i.xpm": "/* XPM */ \"16 16 2 1\"", apps + "a.desktop": app("a", ""),
		"hostxdg/autostart/b.desktop": app("host", ""), "home/.config/autostart/own.desktop": app("own", "")})
	f.ConfigDirs = []string{f.dir + "/hostxdg"}
	list := func() string {
		var ids []string
		files, _ := filepath.Glob(f.ConfigHome + "/autostart/*")
		for _, p := range files {
			ids = append(ids, strings.TrimSuffix(filepath.Base(p), ".desktop"))
		}
		return strings.Join(ids, " ")
	}
	before := f.tree()
	auto := Options{Autostart: true}
	s, err := f.change(auto, false)
	if err != nil || s.Refused != nil || list() != "a own" || len(s.Changes) != 1 || s.Changes[0] != "a starts when you log in" {
		t.Errorf("%q %+v, %v", list(), s, err)
	}
	data, _ := os.ReadFile(f.autostartFile("a"))
	for _, want := range []string{" -c box --app a a\n", "Icon=i\n", "X-GNOME-Autostart-Delay=5\n"} {
		if !strings.Contains(string(data), want) || strings.Contains(string(data), "Condition") || strings.Contains(string(data), "MimeType") {
			t.Errorf("no %q in\n%s", want, data)
		}
	}
	if _, err := f.change(auto, false, "b"); err != nil || list() != "a b.box own" {
		t.Errorf("%q, %v", list(), err)
	}
	if s, err := f.change(auto, false, "bad"); err != nil || s.Refused == nil {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := f.change(auto, false, "none"); err == nil || !strings.Contains(err.Error(), "not among the programs that start at login in the chroot: a, b") {
		t.Error(err)
	}
	if s, err := f.change(auto, false, "a"); err != nil || !s.Idle {
		t.Errorf("%+v, %v", s, err)
	}
	// What the chroot no longer starts is removed, what changes there follows.
	os.Remove(f.dir + "/" + dir + "a.desktop")
	if s, err := f.change(Options{}, true); err != nil || list() != "b.box own" || len(s.Changes) != 1 || s.Changes[0] != "a no longer starts when you log in" {
		t.Errorf("%q %+v, %v", list(), s, err)
	}
	if _, err := f.change(auto, true, "b.box"); err != nil || list() != "own" {
		t.Errorf("%q %v", list(), err)
	}
	if err := func() error { _, err := f.change(auto, true, "b"); return err }(); err == nil {
		t.Error("removed twice")
	}
	if _, err := f.change(auto, true); err != nil {
		t.Error(err)
	}
	after := f.tree()
	for p, text := range after {
		if before[p] != text {
			t.Errorf("%s is new or has changed", p)
		}
	}
	if len(after) != len(before) {
		t.Error(before, after)
	}
}
