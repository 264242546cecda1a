package export

import (
	"os"
	"testing"
)

// Manifests of earlier versions must stay readable: an update of chrun must not
// lose track of what it exported.
func TestManifestFormat(t *testing.T) {
	const text = "chrun exports 1\ntree\t/srv/box\nlabel\tauto\npending\nstate\t0f\nall\ntypes\napp\tviewer\napp\ta\\tb\\\\c\nexcept\thidden\nbin\t/usr/bin/tool\n" +
		"dir\t/home/u/.local\ngenerated\tcache\nmade\ttool\tA Tool\tviewer\n" +
		"file\t/home/u/.local/bin/tool\t00 11\t7\t1700000000000000001\t\n" +
		"file\t/home/u/.local/share/icons/hicolor/48x48/apps/viewer.png\t22\t8\t1700000000000000002\t/usr/share/pixmaps/viewer.png 1.2.3.4\n"
	file := t.TempDir() + "/box"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := readManifest(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(m.encode()); got != text {
		t.Errorf("got\n%s\nwant\n%s", got, text)
	}
	if m.selection.Apps[1] != "a\tb\\c" || len(m.files) != 2 {
		t.Errorf("%+v", m)
	}
}
