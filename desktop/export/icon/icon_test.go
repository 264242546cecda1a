package icon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"chrun/session/rootfs"
)

const png = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x30\x00\x00\x00\x30"

// writeTree writes files below dir. A content that begins with "->" makes a link.
func writeTree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(content, "->"); ok {
			err = os.Symlink(to, p)
		} else {
			err = os.WriteFile(p, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

const index = "[Icon Theme]\nName=x\nDirectories=48x48/apps,scalable/apps,symbolic/apps,../evil,/abs,0/apps\nScaledDirectories=48x48@2/apps\n" +
	"[48x48/apps]\nSize=48\nContext=Applications\nType=Fixed\n[48x48@2/apps]\nSize=48\nScale=2\nContext=Applications\n" +
	"[scalable/apps]\nSize=128\nType=Scalable\nContext=Applications\n[symbolic/apps]\nSize=16\nType=Scalable\nContext=Applications\n" +
	"[../evil]\nSize=48\n[/abs]\nSize=48\n[0/apps]\nSize=0\n[unlisted]\nSize=48\n"

// openTree opens the icons of a tree with these files.
func openTree(t *testing.T, files map[string]string) *Tree {
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{"usr/bin/sh": ""})
	writeTree(t, dir, files)
	if err := syscall.Mkfifo(filepath.Join(dir, "usr/fifo.png"), 0o666); err != nil {
		t.Fatal(err)
	}
	root, err := rootfs.Open(rootfs.HostPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return Open(root)
}

func TestFind(t *testing.T) {
	icons := "usr/share/icons/"
	tr := openTree(t, map[string]string{
		icons + "hicolor/index.theme":                  index,
		icons + "hicolor/48x48/apps/a.png":             png,
		icons + "hicolor/48x48/apps/ab.png":            png,
		icons + "hicolor/48x48@2/apps/a.png":           png,
		icons + "hicolor/scalable/apps/a.svg":          "<svg/>",
		icons + "hicolor/symbolic/apps/a-symbolic.svg": "<svg/>",
		icons + "hicolor/unlisted/a.png":               png,
		icons + "evil/a.png":                           png,
		icons + "Adwaita/index.theme":                  index,
		icons + "Adwaita/48x48/apps/a.png":             png,
		icons + "Adwaita/48x48/apps/b.png":             "->../../../hicolor/48x48/apps/a.png",
		icons + "Zoo/48x48/apps/b.png":                 png,
		icons + "Zoo/48x48/apps/c.png":                 png,
		"usr/share/pixmaps/d.xpm":                      "/* XPM */\nstatic char *x[] = {\n\"32 32 2 1\",",
		"opt/e.png":                                    png,
	})
	for name, want := range map[string]string{
		"a":                 "hicolor/scalable/apps/a.svg hicolor/48x48@2/apps/a.png hicolor/48x48/apps/a.png hicolor/symbolic/apps/a-symbolic.svg",
		"a.png":             "hicolor/scalable/apps/a.svg hicolor/48x48@2/apps/a.png hicolor/48x48/apps/a.png hicolor/symbolic/apps/a-symbolic.svg",
		"b":                 "Adwaita/48x48/apps/b.png",
		"c":                 "Zoo/48x48/apps/c.png",
		"d":                 "/usr/share/pixmaps/d.xpm",
		"/opt/e.png":        "/opt/e.png",
		"/opt/../opt/e.png": "/opt/e.png",
		"/opt/f.png":        "",
		"/usr/bin/sh":       "",
		"A":                 "",
		"../evil/a":         "",
		"":                  "",
	} {
		var got []string
		for _, i := range tr.Find(name) {
			got = append(got, strings.TrimPrefix(string(i.Path), "/usr/share/icons/"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestMeasure(t *testing.T) {
	for _, c := range []struct {
		ext, data string
		size      int
		ok        bool
	}{
		{"png", png, 48, true}, {"svg", "<?xml?><!-- x --><svg>", 0, true}, {"xpm", "/* XPM */\nstatic char *x[] = {\n\"32 32 2 1\",", 32, true},
		{"png", "root:x:0:0", 0, false}, {"svg", "root:x:0:0", 0, false}, {"xpm", "root:x:0:0", 0, false}, {"png", "", 0, false},
		{"xpm", "/* XPM */\"-1 ", 0, false}, {"png", "\x89PNG\r\n\x1a\n", 0, false},
	} {
		i := Image{Ext: c.ext}
		size, err := i.Measure([]byte(c.data))
		if size != c.size || (err == nil) != c.ok {
			t.Errorf("%s %q: %d, %v", c.ext, c.data, size, err)
		}
	}
}

func TestPlace(t *testing.T) {
	home := t.TempDir()
	share := filepath.Join(home, "share")
	writeTree(t, share, map[string]string{"icons/hicolor/index.theme": index, "icons/hicolor/48x48/apps/a.png": png, "icons/z.svg": ""})
	h := ReadHost(home, []string{filepath.Join(home, "none"), share})
	for _, c := range []struct {
		i        Image
		name     string
		measured int
		want     string
		exact    bool
	}{
		{Image{Ext: "png", Dir: Dir{"48x48/apps", 48, 1, false, "Applications"}}, "a", 48, "48x48/apps/a.png", true},
		{Image{Ext: "png", Dir: Dir{"64x64/apps", 64, 1, false, "Applications"}}, "a", 64, "48x48/apps/a.png", false},
		{Image{Ext: "png", Dir: Dir{"48x48@2/apps", 48, 2, false, "Applications"}}, "a", 96, "48x48@2/apps/a.png", true},
		{Image{Ext: "svg", Dir: Dir{"scalable/apps", 128, 1, true, "Applications"}}, "a", 0, "scalable/apps/a.svg", true},
		{Image{Ext: "svg", Dir: Dir{"48/apps", 48, 1, false, "Applications"}}, "a", 0, "scalable/apps/a.svg", false},
		{Image{Ext: "svg", Dir: Dir{"symbolic/x", 16, 1, true, "Status"}}, "a-symbolic", 0, "symbolic/apps/a-symbolic.svg", true},
		{Image{Ext: "png"}, "a", 50, "48x48/apps/a.png", false},
		{Image{Ext: "png"}, "a", 48, "48x48/apps/a.png", true},
		{Image{Ext: "svg"}, "a", 0, "scalable/apps/a.svg", false},
	} {
		rel, exact := h.Place(c.i, c.name, c.measured)
		if rel != "icons/hicolor/"+c.want || exact != c.exact {
			t.Errorf("%+v: got %s, %v; want %s, %v", c.i, rel, exact, c.want, c.exact)
		}
	}
	if got := h.Files("a"); !slices.Equal(got, []string{filepath.Join(share, "icons/hicolor/48x48/apps/a.png")}) {
		t.Error(got)
	}
	if h.Files("z") == nil || h.Files("y") != nil {
		t.Error(h.files)
	}
	if dirs := ReadHost(home, nil).dirs; len(dirs) < 20 {
		t.Error("without an index:", dirs)
	}
}

// A theme may be hostile.
func TestHostileTheme(t *testing.T) {
	files := map[string]string{
		"usr/share/icons/hicolor/index.theme":       "->/usr/fifo.png",
		"usr/share/icons/hicolor/48x48/apps/a.png":  png,
		"usr/share/icons/Loop":                      "->Loop",
		"usr/share/icons/Out/index.theme":           "->/etc/shadow",
		"usr/share/icons/hicolor/48x48/apps/up.png": "->../../../../../../../../../../../etc/passwd",
	}
	tr := openTree(t, files)
	if got := tr.Find("a"); len(got) != 1 {
		t.Error(got)
	}
	for _, i := range tr.Find("up") {
		if data, err := tr.root.Read(i.Path); err == nil {
			t.Errorf("read %q outside the tree", data)
		}
	}
	tr.Find("none")
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(index))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range parseIndex(data) {
			if strings.Contains("/"+d.Path+"/", "/../") || filepath.IsAbs(d.Path) || d.Size <= 0 || d.Scale <= 0 {
				t.Fatal(fmt.Sprint(d))
			}
		}
	})
}
