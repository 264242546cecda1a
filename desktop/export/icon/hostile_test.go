package icon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/session/rootfs"
)

// pathsOf returns the paths of images.
func pathsOf(images []Image) (list []string) {
	for _, i := range images {
		list = append(list, string(i.Path))
	}
	return list
}

// A name that does not lead to a regular file of the tree is not an image, and does
// not hide the icon of another theme.
func TestFindOnlyFiles(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	hicolor, adwaita := "tree/usr/share/icons/hicolor/", "tree/usr/share/icons/Adwaita/"
	files := map[string]string{"secret": png, "tree/etc/shadow": "root:*:1::::::\n", adwaita + "index.theme": index,
		"tree/opt/link.png": "->/etc/shadow", "tree/opt/out.png": "->" + secret, "tree/opt/dir.png/x": "", "tree/opt/NOEXT": png, "tree/opt/png.svg": png,
		"tree/opt/photo.png": "\xff\xd8\xff\xe0", "tree/usr/share/icons/Round": "->../icons"}
	for name, target := range map[string]string{
		"out": secret, "up": "../../../../../../../../../" + secret, "loop": "loop.png", "missing": "nowhere.png", "fifo": "/opt/fifo", "null": "/dev/null", "dir": "/opt",
	} {
		files[hicolor+"48x48/apps/"+name+".png"] = "->" + target
		files[adwaita+"48x48/apps/"+name+".png"] = png
	}
	writeTree(t, dir, files)
	for _, p := range []string{"tree/opt/fifo", "tree/opt/fifo.png", hicolor + "48x48/apps/pipe.png"} {
		if err := syscall.Mkfifo(filepath.Join(dir, p), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	root, err := rootfs.Open(rootfs.HostPath(dir + "/tree"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	tr := Open(root)
	for _, name := range []string{"out", "up", "loop", "missing", "fifo", "null", "dir"} {
		if got := pathsOf(tr.Find(name)); !slices.Equal(got, []string{"/usr/share/icons/Adwaita/48x48/apps/" + name + ".png"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, name := range []string{"pipe", "/opt/fifo", "/opt/out.png", "/", "/opt/NOEXT/x", secret,
		"a/b", ".", "..", ".png", "a\x00b", "*", strings.Repeat("x", 5000)} {
		if got := tr.Find(name); got != nil {
			t.Errorf("%.20q: %+v", name, got)
		}
	}
	for _, name := range []string{"/opt/fifo.png", "/opt/link.png", "/opt/dir.png", "/opt/photo.png"} {
		for _, i := range tr.Find(name) {
			data, err := root.Read(i.Path)
			if _, bad := i.Measure(data); err == nil && bad == nil {
				t.Errorf("%s is an image", name)
			}
		}
	}
	for _, name := range []string{"/opt/NOEXT", "/opt/png.svg"} {
		if got := tr.Find(name); len(got) != 1 || got[0].Ext != "png" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Of several images of one size, the first one wins. hicolor may have sizes that
// its index lacks. A PNG has one size, even in a scalable directory.
func TestFindFirst(t *testing.T) {
	tr := openTree(t, map[string]string{
		"usr/share/icons/hicolor/index.theme":               index,
		"usr/share/icons/hicolor/48x48/apps/a.png":          png,
		"usr/share/icons/hicolor/48x48/apps/a.svg":          "<svg/>",
		"usr/local/share/icons/hicolor/48x48/apps/a.png":    png,
		"usr/share/icons/hicolor/1024x1024/apps/a.png":      png,
		"usr/share/icons/hicolor/64x64/mimetypes/a.png":     png,
		"usr/share/icons/hicolor/scalable/apps/a.png":       png,
		"usr/share/icons/hicolor/48x48/apps/a-symbolic.png": png,
		"usr/share/icons/b.svg":                             "<svg/>",
		"usr/share/pixmaps/b.xpm":                           "",
		"usr/local/share/pixmaps/b.png":                     png,
		"usr/share/icons/hicolor/48x48/apps/c-symbolic.svg": "<svg/>",
	})
	for name, want := range map[string]string{
		"a": "/usr/share/icons/hicolor/1024x1024/apps/a.png /usr/share/icons/hicolor/64x64/mimetypes/a.png /usr/local/share/icons/hicolor/48x48/apps/a.png " +
			"/usr/share/icons/hicolor/scalable/apps/a.png /usr/share/icons/hicolor/48x48/apps/a-symbolic.png",
		"b":          "/usr/local/share/pixmaps/b.png",
		"c":          "",
		"c-symbolic": "/usr/share/icons/hicolor/48x48/apps/c-symbolic.svg",
	} {
		if got := strings.Join(pathsOf(tr.Find(name)), " "); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	for _, i := range tr.Find("a") {
		if strings.Contains(string(i.Path), "scalable") && i.Dir.Size != 0 {
			t.Errorf("%+v has a size without being measured", i)
		}
	}
}

// Icons are also found in a directory with too many entries to list.
func TestLargeDirectory(t *testing.T) {
	icons := "usr/share/icons/hicolor/48x48/apps/"
	tr := openTree(t, map[string]string{icons + "a.png": png, icons + "b.svg": "->a.png", icons + "out.png": "->/nowhere", icons + "a-symbolic.png": png})
	dir := filepath.Join(string(tr.root.Dir()), icons)
	for i := range 30000 {
		if err := os.Link(dir+"/a.png", fmt.Sprint(dir, "/", i, ".png")); err != nil {
			if os.WriteFile(fmt.Sprint(dir, "/", i, ".png"), nil, 0o644) != nil { // too many links
				t.Fatal(err)
			}
		}
	}
	start := time.Now()
	for name, want := range map[string]int{"a": 2, "b": 1, "out": 0, "29999": 1, "30000": 0} {
		if got := tr.Find(name); len(got) != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("took %v", d)
	}
}

// The time is bounded even for a hostile tree: many themes with an index of many
// directories, all of which are the same large one.
func TestManyThemes(t *testing.T) {
	names := make([]string, maxDirs)
	groups := ""
	files := map[string]string{}
	for i := range names {
		names[i] = fmt.Sprint("d/", i)
		groups += fmt.Sprintf("[d/%d]\nSize=%d\n", i, i+1)
		files["usr/share/d/"+fmt.Sprint(i)] = "->../full"
	}
	for i := range 3000 {
		files[fmt.Sprint("usr/share/full/", i, ".png")] = ""
	}
	files["usr/share/icons/0/index.theme"] = "[Icon Theme]\nDirectories=" + strings.Join(names, ",") + "\n" + groups
	files["usr/share/icons/0/d"] = "->/usr/share/d"
	for i := range 300 {
		files[fmt.Sprint("usr/share/icons/", i+1)] = "->0"
	}
	tr := openTree(t, files)
	start := time.Now()
	if got := tr.Find("x"); got != nil {
		t.Error(got)
	}
	if got := tr.Find("7"); len(got) == 0 || len(got) > maxImages {
		t.Errorf("%d images", len(got))
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
}

// An index may have any content. Invalid directories are left out.
func TestIndex(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "[]",
		"[Icon Theme]\nDirectories": "[]",
		"[Icon Theme]\nDirectories=a,b,c,d,e,f\n[a]\nSize=0\n[b]\nSize=-48\n[c]\nSize=99999999999999999999\n[d]\nSize=4097\n[e]\nSize=48\nScale=0\n[f]\nSize=48\nScale=-1\n":                                    "[]",
		"[Icon Theme]\nDirectories=., ,/,..,a/..,a//b,./a,/a,a/../../b\n[.]\nSize=1\n[]\nSize=1\n[/]\nSize=1\n[..]\nSize=1\n[a/..]\nSize=1\n[a//b]\nSize=1\n[./a]\nSize=1\n[/a]\nSize=1\n[a/../../b]\nSize=1\n": "[]",
		"[Icon Theme]\r\nDirectories = a , b,\r\n[a]\r\nSize = 16\r\nType = Scalable\r\n[b]\nSize=4096\nScale=8\n[c]\nSize=1\n[a]\nSize=32\n":                                                                   "[{a 16 1 true } {b 4096 8 false }]",
		"[a]\nSize=5\n[Icon Theme]\nScaledDirectories=a":                                       "[{a 5 1 false }]",
		"[Icon Theme]\nDirectories=a\n[a]\nSize=5\n" + strings.Repeat("#\n", 5<<20/2):          "[]",
		"[Icon Theme]\nDirectories=" + strings.Repeat("a,", 100000) + "\n[a]\nSize=5\nContext": "[{a 5 1 false }]",
	} {
		if got := fmt.Sprint(parseIndex([]byte(text))); got != want {
			t.Errorf("%.100q: got %s, want %s", text, got, want)
		}
	}
}

func TestMeasureHostile(t *testing.T) {
	ihdr := func(w, h string) string { return "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + w + h + "\x08\x06" }
	for _, c := range []struct {
		ext, data string
		ok        bool
	}{
		{"png", ihdr("\x00\x00\x10\x00", "\x00\x00\x00\x01"), true},
		{"png", ihdr("\x00\x00\x10\x01", "\x00\x00\x00\x01"), false},
		{"png", ihdr("\x00\x00\x00\x10", "\xff\xff\xff\xff"), false},
		{"png", ihdr("\x00\x00\x00\x00", "\x00\x00\x00\x10"), false},
		{"svg", "\xef\xbb\xbf \n<?xml version='1.0'?>\n<!DOCTYPE x>" + strings.Repeat("<!-- -->", 2000) + "<svg:svg>", true},
		{"svg", "root:x:0:0:<svg", false},
		{"svg", "<html>", false},
		{"svg", ihdr("\x00\x00\x00\x10", "\x00\x00\x00\x10"), false},
		{"xpm", "/* XPM */\nstatic char * a[] = {\n\"16 99999 2 1\",", false},
		{"xpm", "/* XPM */\nstatic char * a[] = {\n\" 16\t16 2 1\",", true},
		{"xpm", "/* XPM */\nstatic char * a[] = {\n\"", false},
		{"xpm", "static char * a[] = {\n\"16 16 2 1\",", false},
		{"ico", "\x00\x00\x01\x00", false},
	} {
		i := Image{Ext: c.ext}
		if _, err := i.Measure([]byte(c.data)); (err == nil) != c.ok {
			t.Errorf("%s %.40q: %v", c.ext, c.data, err)
		}
	}
}

func FuzzMeasure(f *testing.F) {
	f.Add(png)
	f.Add("<svg/>")
	f.Add("/* XPM */\n\"1 1 1 1\"")
	f.Fuzz(func(t *testing.T, data string) {
		for _, ext := range extensions {
			i := Image{Ext: ext}
			if size, err := i.Measure([]byte(data)); size < 0 || size > maxSize || err == nil && size == 0 && ext != "svg" {
				t.Fatal(ext, size, err)
			}
		}
	})
}
