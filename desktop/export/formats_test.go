package export

import (
	"bytes"
	"compress/gzip"
	pixels "image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"os"
	"strings"
	"testing"

	"chrun/desktop/entry"
)

// Icons in formats that themes cannot have.
func TestIconFormats(t *testing.T) {
	picture := pixels.NewPaletted(pixels.Rect(0, 0, 32, 16), color.Palette{color.Black, color.White})
	var jpg, giff, svgz bytes.Buffer
	if err := jpeg.Encode(&jpg, picture, nil); err != nil {
		t.Fatal(err)
	}
	if err := gif.Encode(&giff, picture, nil); err != nil {
		t.Fatal(err)
	}
	const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16"/>`
	w := gzip.NewWriter(&svgz)
	w.Write([]byte(svg))
	w.Close()
	files := map[string]string{
		"tree/opt/a.jpg": jpg.String(), "tree/opt/a.gif": giff.String(), "tree/opt/b.JPEG": jpg.String(), "tree/opt/a.ico": "\x00\x00\x01\x00\x01\x00\x20\x20" + strings.Repeat("\x00", 20),
		"tree/opt/packed.svgz": svgz.String(), "tree/opt/a.webp": "RIFF\x24\x00\x00\x00WEBPVP8 " + strings.Repeat("\x00", 30), "tree/opt/text.jpg": "root:x:0", "tree/opt/bomb.svgz": svgz.String()[:20],
		"tree/usr/share/icons/hicolor/scalable/apps/themed.svgz": svgz.String(), "tree/usr/share/pixmaps/sub/app.xpm": "/* XPM */ \"16 16 2 1\"",
		"tree/usr/share/icons/hicolor/48x48/apps/vendor/x.xpm": "/* XPM */ \"48 48 2 1\"", "tree/usr/share/secret.xpm": "/* XPM */ \"48 48 2 1\"",
	}
	wants := map[string]string{ // the icon, and what the file on the host contains, or a note about it
		"/opt/a.jpg": jpg.String(), "/opt/a.gif": giff.String(), "/opt/b.JPEG": jpg.String(), "/opt/a.ico": files["tree/opt/a.ico"],
		"/opt/packed.svgz": svg, "themed": svg, "themed.svgz": svg, "sub/app": "XPM", "sub/app.xpm": "XPM", "vendor/x": "XPM",
		"/opt/a.webp": "!WebP image, a format that menus do not show", "/opt/text.jpg": "!is not a JPG image", "/opt/bomb.svgz": "!cannot unpack /opt/bomb.svgz", "/opt/none.jpg": "!does not have", "../secret": "!does not have",
	}
	for icon, want := range wants {
		files[apps+"a.desktop"] = app("a", "Icon="+icon+"\n")
		f := newFixture(t, files)
		s, err := f.change(Options{}, false, "a")
		data, _ := os.ReadFile(f.entryFile("a"))
		e, parseErr := entry.Parse(data)
		if err != nil || parseErr != nil {
			t.Fatal(err, parseErr)
		}
		if text, refused := strings.CutPrefix(want, "!"); refused {
			if e.Has("Icon") || !strings.Contains(strings.Join(s.Notes, "\n"), text) {
				t.Errorf("%s: %q, %q", icon, e.String("Icon"), s.Notes)
			}
			continue
		}
		found := e.String("Icon")
		if found == "" || !strings.HasPrefix(found, "/") && strings.ContainsAny(found, "/") {
			t.Errorf("%s became %q: %q", icon, found, s.Notes)
		}
		if !strings.HasPrefix(found, "/") {
			found = f.findIcon(found)
		}
		if data, err := os.ReadFile(found); err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s: %s has %.20q, %v", icon, found, data, err)
		}
		if s, err := f.change(Options{}, false, "a"); err != nil || !s.Idle {
			t.Errorf("%s, again: %+v, %v", icon, s, err)
		}
		if _, err := f.change(Options{}, true, "a"); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(f.DataHome); err == nil {
			t.Errorf("%s: files are left", icon)
		}
	}
}

// findIcon returns the exported file of an icon in hicolor.
func (f *fixture) findIcon(name string) string {
	for _, dir := range []string{"scalable", "48x48", "16x16"} {
		for _, ext := range []string{".svg", ".xpm"} {
			p := f.DataHome + "/icons/hicolor/" + dir + "/apps/" + name + ext
			if _, err := os.Stat(p); err == nil {
				return p
			}
		}
	}
	return ""
}
