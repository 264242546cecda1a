package bridge

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	dir := t.TempDir()
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, name := range []string{"plain", "a b", "100%", "ü'\"#?", "new\nline", "http:", "c:drive"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir("dir", 0o700), os.Symlink("../plain", "dir/link"), os.Symlink("dir", "to"), os.WriteFile("dir/plain", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ arg, uri, path, err string }{
		{"http://example.org/a?b=c&d#e", "http://example.org/a?b=c&d#e", "", ""},
		{"HTTPS://example.org", "HTTPS://example.org", "", ""},
		{"http://münchen.example/a b", "http://m%C3%BCnchen.example/a%20b", "", ""},
		{"http://x/%zz", "http://x/%zz", "", ""}, // the browser decides
		{"mailto:me@example.org?subject=x", "mailto:me@example.org?subject=x", "", ""},
		{"tel:+4930", "tel:+4930", "", ""},
		{"x-y.z+1:a", "x-y.z+1:a", "", ""},
		{"plain", "", "plain", ""}, {"./a b", "", "a b", ""}, {"100%", "", "100%", ""}, {"ü'\"#?", "", "ü'\"#?", ""},
		{"new\nline", "", "new\nline", ""}, {"c:drive", "", "c:drive", ""},
		{"dir", "", "dir", ""}, {"dir/link", "", "plain", ""}, {"to/../plain", "", "plain", ""},
		{"file://" + dir + "/a%20b", "", "a b", ""}, {"file:" + dir + "/a b", "", "a b", ""}, {"FILE://localhost" + dir + "/100%25#part", "", "100%", ""},
		{"file://HOST" + dir + "/plain?x", "", "plain", ""}, {"file://" + dir + "/%C3%BC'%22%23%3F", "", "ü'\"#?", ""},

		{"", "", "", "not the name of a file"}, {"http:", "", "", "nothing follows"}, {"http://", "", "", "nothing follows"},
		{"javascript:alert(1)", "", "", "javascript links"}, {"JavaScript:alert(1)", "", "", "javascript links"}, {"data:text/html,x", "", "", "data links"},
		{"view-source:http://x", "", "", "view-source links"}, {"http://x/\n", "", "", "characters"}, {"http://x/\x00", "", "", "characters"}, {"http://x/\x1b[0m", "", "", "characters"},
		{"java\nscript:x", "", "", "no such file"}, {" javascript:x", "", "", "no such file"},
		{"http://" + strings.Repeat("x", maxURI), "", "", "too long"}, {strings.Repeat("x", 10000), "", "", "not the name of a file"},
		{"file://elsewhere/plain", "", "", "on another machine, elsewhere"}, {"file:plain", "", "", "not absolute"}, {"file://" + dir + "/%zz", "", "", "not a valid URI"},
		{"file://" + dir + "/plain%00", "", "", "not the name of a file"}, {"missing", "", "", "no such file"}, {"plain/x", "", "", "not a directory"},
		{"/dev/null", "", "", "neither a file nor a directory"}, {"-x", "", "", "no such file"},
	} {
		got, err := Parse(c.arg, "host")
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) || len(err.Error()) > 500 && len(c.arg) > 500 && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Parse(%.80q): %+v, %.300v; want an error with %q", c.arg, got, err, c.err)
			}
		case err != nil || got.URI != c.uri || c.path != "" && got.Path != filepath.Join(real, c.path):
			t.Errorf("Parse(%q): %+v, %v; want %q or %q", c.arg, got, err, c.uri, c.path)
		}
	}
	if _, err := Parse("missing", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// A link that is accepted has only the characters of a URI and a scheme that is
// not refused.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"http://x", "javascript:x", "file:///etc/passwd", "a b", "\x00", "http:\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Parse(s, "host")
		if err != nil || got.Path != "" {
			return
		}
		scheme, _, ok := strings.Cut(got.URI, ":")
		if !ok || !isScheme(scheme) || refusedSchemes()[strings.ToLower(scheme)] != "" || strings.EqualFold(scheme, "file") || CheckURI(got.URI) != nil {
			t.Errorf("%q is accepted as %q", s, got.URI)
		}
		if again, err := Parse(got.URI, "host"); err != nil || again != got {
			t.Errorf("%q: %q becomes %q, %v", s, got.URI, again.URI, err)
		}
	})
}
