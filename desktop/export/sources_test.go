package export

import (
	"os"
	"strings"
	"testing"

	"chrun/session/rootfs"
)

// Entries, icons and programs come from where a program inside finds them.
func TestSources(t *testing.T) {
	f := newFixture(t, map[string]string{
		"tree/etc/profile.env": "export XDG_DATA_DIRS='/opt/kde/share:/usr/share'\n", "tree/etc/environment": "PATH=\"/opt/bin:/usr/bin\"\n",
		"tree/opt/kde/share/applications/k.desktop": app("k", "Icon=k\nTryExec=tool\n"), "tree/opt/kde/share/pixmaps/k.xpm": "/* XPM */ \"16 16 2 1\"",
		"tree/opt/kde/share/applications/both.desktop": app("first", ""), apps + "both.desktop": app("second", ""),
		"tree/var/lib/flatpak/exports/share/applications/org.x.Flat.desktop": app("flat", "X-Flatpak=org.x.Flat\n"),
		"tree/opt/more/linked.desktop":                                       app("linked", ""), apps + "a/b/c/d/e/deep.desktop": app("deep", ""),
		"tree/opt/bin/tool": "",
	})
	if err := os.Symlink("/opt/more", f.dir+"/"+apps+"dir"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..", f.dir+"/"+apps+"loop"); err != nil {
		t.Fatal(err)
	}
	all := Selection{All: true, Label: AutoLabel, Commands: []string{"tool"}}
	plan, _ := f.run(all)
	if got := f.entries(); got != "a-b-c-d-e-deep both dir-linked k org.x.Flat" {
		t.Errorf("%q %v", got, plan.Notes)
	}
	if data, _ := os.ReadFile(f.entryFile("both")); !strings.Contains(string(data), "Name=first\n") {
		t.Errorf("%s", data)
	}
	for _, p := range []string{f.DataHome + "/icons/hicolor/16x16/apps/k.xpm", f.BinDir + "/tool"} {
		if _, err := os.Stat(p); err != nil {
			t.Error(err)
		}
	}
	// A change anywhere is noticed.
	for name, want := range map[string]string{"a/b/c/d/e/deeper.desktop": "a-b-c-d-e-deeper", "dir/other.desktop": "dir-other"} {
		if err := os.WriteFile(f.dir+"/"+strings.Replace(apps+name, apps+"dir", "tree/opt/more", 1), []byte(app("x", "")), 0o644); err != nil {
			t.Fatal(err)
		}
		if f.run(all); !strings.Contains(f.entries(), want) {
			t.Errorf("%s is missing: %q", want, f.entries())
		}
	}
	os.WriteFile(f.dir+"/tree/etc/environment", []byte("PATH=/usr/bin\n"), 0o644)
	if f.run(all); strings.Contains(f.entries(), " k") {
		t.Errorf("%q: the program of TryExec is not on PATH", f.entries())
	}
}

// The home's entries and icons hide those of the system.
func TestHomeSources(t *testing.T) {
	f := newFixture(t, map[string]string{apps + "a.desktop": app("system", ""), "store/.local/share/applications/a.desktop": app("home", "Icon=/home/u/i.xpm\nExec=a %k\n"),
		"store/i.xpm": "/* XPM */ \"16 16 2 1\"", "store/.local/share/flatpak/exports/share/applications/f.desktop": app("f", ""),
		"store/.local/share/icons/hicolor/48x48/apps/w.xpm": "/* XPM */ \"48 48 2 1\"", "store/.local/share/applications/w.desktop": app("w", "Icon=w\n")})
	set, err := Open(f.Host, "box", true)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	root, err := rootfs.Open(rootfs.HostPath(f.dir + "/tree"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.UseHome("/home/u", rootfs.HostPath(f.dir+"/store")); err != nil {
		t.Fatal(err)
	}
	plan, err := set.Plan(root, Selection{All: true, Label: AutoLabel})
	if err == nil {
		_, err = set.Run(plan)
	}
	if err != nil || f.entries() != "a f w" {
		t.Errorf("%q, %v", f.entries(), err)
	}
	data, _ := os.ReadFile(f.entryFile("a"))
	for _, want := range []string{"Name=home\n", "Icon=i\n", " a /home/u/.local/share/applications/a.desktop\n"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %q in\n%s", want, data)
		}
	}
	for _, p := range []string{"16x16/apps/i.xpm", "48x48/apps/w.xpm"} {
		if _, err := os.Stat(f.DataHome + "/icons/hicolor/" + p); err != nil {
			t.Error(err)
		}
	}
}
