package inside

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chrun/internal/doctor/report"
	"chrun/session"
)

// The directories of fonts.conf have prefixes, and files include others, which may
// include them again.
func TestFontConfig(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"fonts.conf": "<!DOCTYPE fontconfig SYSTEM \"urn:fontconfig:fonts.dtd\"><fontconfig><dir>/old</dir><reset-dirs/>" +
			"<dir>/abs</dir><dir prefix=\"xdg\">fonts</dir><dir>~/.fonts</dir><dir prefix=\"relative\">near</dir><dir></dir>" +
			"<include ignore_missing=\"yes\">conf.d</include><include>none</include><include prefix=\"xdg\">fontconfig/f.conf</include></fontconfig>",
		"conf.d/10-a.conf":         "<fontconfig><dir>/a</dir><include>../fonts.conf</include></fontconfig>",
		"conf.d/README":            "<dir>/readme</dir>",
		"conf.d/b.conf":            "<dir>/b</dir>",
		"config/fontconfig/f.conf": "<fontconfig><dir>/f</dir><dir>/cut",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in := &Input{Home: "/home/a", Env: session.Environ{"XDG_CONFIG_HOME=" + dir + "/config"}}
	s := &fontSearch{ctx: context.Background(), in: in}
	s.readConfig(filepath.Join(dir, "fonts.conf"))
	want := []string{"/abs", "/home/a/.local/share/fonts", "/home/a/.fonts", dir + "/near", "/a", "/f", "/cut"}
	if !slices.Equal(s.dirs, want) {
		t.Errorf("%q, want %q", s.dirs, want)
	}
}

// A file counts as a font by its content.
func TestFontSearch(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.ttf": "\x00\x01\x00\x00...", "b.OTF": "OTTO", "c.ttf": "#!/b", "d.pcf.gz": "\x1f\x8b\x08\x00", "e.txt": "OTTO", "f.ttf": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"l1", "l2", "l3"} { // circles
		if err := os.Symlink(".", filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	s := &fontSearch{ctx: context.Background(), in: &Input{}}
	s.search(dir, 7)
	if s.fonts != 0 {
		t.Error("the search is too deep")
	}
	if s.search(dir, 6); s.fonts != 3 {
		t.Errorf("%d fonts", s.fonts)
	}
	if s.search(dir, 0); s.entries > maxFontEntries+100 || s.fonts > enoughFonts {
		t.Errorf("%d entries", s.entries)
	}
}

// Addresses of name servers may name an interface; other words are not addresses.
func TestNameServers(t *testing.T) {
	text := "# nameserver 1.1.1.1\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver\nnameserver x\n nameserver 127.0.0.53 # x\n" + strings.Repeat("nameserver 1.2.3.4\n", 50)
	if got := nameServers(text); len(got) != 10 || !slices.Equal(got[:3], []string{"10.0.0.1", "fe80::1%eth0", "127.0.0.53"}) {
		t.Errorf("%q", got)
	}
}

// A document that is another file inside is named.
func TestDocumentsDiffer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	same, err := Identify(file)
	if err != nil {
		t.Fatal(err)
	}
	other := same
	other.Inode++
	for want, list := range map[string][]SameFile{"": {same}, "documents-differ": {same, other}} {
		var got string
		probeDocuments(context.Background(), &Input{Same: list}, func(checks ...report.Check) { got = checks[0].Fault })
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
