package icon

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"chrun/internal/headless"
	"chrun/session/rootfs"
)

// The icons of real programs, for a host with the usual index of hicolor.
func TestRealIcons(t *testing.T) {
	root, err := rootfs.Open(rootfs.HostPath(headless.Chroot(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	index, err := root.Read("/usr/share/icons/hicolor/index.theme")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	writeTree(t, home, map[string]string{"system/icons/hicolor/index.theme": string(index)})
	host, tr := ReadHost(home, []string{home + "/data", home + "/system"}), Open(root)
	for name, want := range map[string]string{
		"firefox-esr":                       "128x128/apps/firefox-esr.png 64x64/apps/firefox-esr.png 48x48/apps/firefox-esr.png 32x32/apps/firefox-esr.png 16x16/apps/firefox-esr.png symbolic/apps/firefox-esr-symbolic.svg",
		"chromium":                          "256x256/apps/chromium.png 128x128/apps/chromium.png 64x64/apps/chromium.png 48x48/apps/chromium.png 32x32/apps/chromium.png 24x24/apps/chromium.png 16x16/apps/chromium.png",
		"foot":                              "scalable/apps/foot.svg 48x48/apps/foot.png",
		"fish":                              "256x256/apps/fish.png",
		"/usr/share/pixmaps/python3.11.xpm": "32x32/apps/python3.11.xpm",
		"folder":                            "512x512/places/folder.png 48x48/places/folder.png 32x32/places/folder.png 24x24/places/folder.png 22x22/places/folder.png 16x16/places/folder.png symbolic/apps/folder-symbolic.svg",
		"zenity-no-icon":                    "",
	} {
		var got []string
		as, _, _ := strings.Cut(path.Base(name), ".xpm")
		for _, i := range tr.Find(name) {
			data, err := root.Read(i.Path)
			if err != nil {
				t.Fatal(err)
			}
			size, err := i.Measure(data)
			if err != nil {
				t.Error(err)
			}
			suffix := ""
			if strings.HasSuffix(string(i.Path), "-symbolic."+i.Ext) {
				suffix = "-symbolic"
			}
			rel, _ := host.Place(i, as+suffix, size)
			got = append(got, strings.TrimPrefix(rel, Theme+"/"))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: got %s, want %s", name, s, want)
		}
	}
	// Every image goes to a directory of the host's hicolor.
	known := map[string]bool{}
	for _, d := range parseIndex(index) {
		known[path.Join(Theme, d.Path)] = true
	}
	for _, th := range tr.themes {
		tr.listTheme(th)
		for name := range th.files {
			for _, i := range tr.findImages(th, name) {
				if rel, _ := host.Place(i, name, 33); !known[path.Dir(rel)] || path.Base(rel) != name+"."+i.Ext {
					t.Errorf("%s goes to %s", i.Path, rel)
				}
			}
		}
	}
}

// The first index of hicolor is for all directories.
func TestFirstIndex(t *testing.T) {
	home := t.TempDir()
	own := "[Icon Theme]\nDirectories=32x32/apps,32x32/mimetypes,64x64/apps,scalable/apps\n[32x32/apps]\nSize=32\nContext=Applications\n" +
		"[32x32/mimetypes]\nSize=32\nContext=MimeTypes\n[64x64/apps]\nSize=64\nContext=Applications\n[scalable/apps]\nSize=16\nType=Scalable\nContext=Applications\n"
	writeTree(t, home, map[string]string{".icons/hicolor/index.theme": own, "system/icons/hicolor/index.theme": index, "third/x": ""})
	if err := os.MkdirAll(home+"/data/icons/hicolor", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(home+"/data/icons/hicolor/index.theme", 0o666); err != nil {
		t.Fatal(err)
	}
	h := ReadHost(home, []string{home + "/data", home + "/system"})
	for want, i := range map[string]Image{
		"32x32/apps":      {Ext: "png", Dir: Dir{"48x48/apps", 47, 1, false, "Applications"}},
		"64x64/apps":      {Ext: "png", Dir: Dir{"16x16@4/x", 16, 4, false, "Legacy"}},
		"32x32/mimetypes": {Ext: "xpm", Dir: Dir{"16x16/x", 16, 1, false, "MimeTypes"}},
	} {
		if rel, exact := h.Place(i, "a", 0); path.Dir(rel) != "icons/hicolor/"+want || exact {
			t.Errorf("%+v: %s, %v", i, rel, exact)
		}
	}
	if rel, exact := h.Place(Image{Ext: "png"}, "a", 64); rel != "icons/hicolor/64x64/apps/a.png" || !exact {
		t.Error(rel, exact)
	}
	if rel, _ := ReadHost(home, []string{home + "/third"}).Place(Image{Ext: "png"}, "a", 64); rel != "icons/hicolor/64x64/apps/a.png" {
		t.Error(rel)
	}
}

// Files returns files of hicolor in every base directory, in directories of the
// index only, and files outside themes; but none of other themes.
func TestFiles(t *testing.T) {
	home := t.TempDir()
	writeTree(t, home, map[string]string{
		"data/icons/hicolor/48x48/apps/a.png": "", "system/icons/hicolor/index.theme": index, "system/icons/hicolor/48x48/apps/a.svg": "",
		".icons/hicolor/scalable/apps/a.svg": "", "system/pixmaps/a.xpm": "", "data/icons/a.png": "", ".icons/a.png": "",
		"system/icons/Adwaita/48x48/apps/a.png": "", "system/icons/hicolor/64x64/apps/a.png": "", "data/pixmaps/a.png": "",
		"system/pixmaps/A.png": "", "system/pixmaps/a": "", "system/pixmaps/a.gif": "", "system/pixmaps/aa.png": "",
	})
	want := []string{".icons/a.png", ".icons/hicolor/scalable/apps/a.svg", "data/icons/a.png", "data/icons/hicolor/48x48/apps/a.png", "system/icons/hicolor/48x48/apps/a.svg", "system/pixmaps/a.xpm"}
	for i := range want {
		want[i] = filepath.Join(home, want[i])
	}
	got := slices.Clone(ReadHost(home, []string{home + "/data", home + "/system"}).Files("a"))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Compares finding and placing the icons of 1000 programs in five sizes with
// copying them.
func BenchmarkIcons(b *testing.B) {
	dir := b.TempDir()
	sizes := []int{16, 32, 48, 64, 128}
	for _, s := range sizes {
		dir := fmt.Sprintf("%s/usr/share/icons/hicolor/%dx%d/apps", dir, s, s)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		for n := range 1000 {
			if err := os.WriteFile(fmt.Sprintf("%s/app%d.png", dir, n), []byte(strings.Repeat(png, s)), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	root, err := rootfs.Open(rootfs.HostPath(dir))
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	b.Run("find", func(b *testing.B) {
		for b.Loop() {
			tr, h := Open(root), ReadHost(dir, []string{dir + "/none", "/usr/share"})
			for n := range 1000 {
				name := fmt.Sprint("app", n)
				images := tr.Find(name)
				for _, i := range images {
					h.Place(i, name, 0)
				}
				if len(images) != len(sizes) || len(h.Files(name)) > 0 {
					b.Fatal(images)
				}
			}
		}
	})
	b.Run("copy", func(b *testing.B) {
		to := b.TempDir()
		for b.Loop() {
			for _, s := range sizes {
				for n := range 1000 {
					data, err := os.ReadFile(fmt.Sprintf("%s/usr/share/icons/hicolor/%dx%d/apps/app%d.png", dir, s, s, n))
					if err == nil {
						err = os.WriteFile(fmt.Sprintf("%s/%d-%d.png", to, s, n), data, 0o644)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			os.RemoveAll(to)
			os.Mkdir(to, 0o755)
		}
	})
}
