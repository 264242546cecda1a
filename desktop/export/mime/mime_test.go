package mime

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// dirs are base directories below a fresh one, with the entries a to f.
func dirs(t *testing.T, random *rand.Rand) Dirs {
	base := t.TempDir()
	d := Dirs{ConfigHome: base + "/ch", ConfigDirs: []string{base + "/c1", base + "/c2"},
		DataHome: base + "/dh", DataDirs: []string{base + "/d1", base + "/d2", "/usr/share"}, Desktops: []string{"Bar", "Foo"}, Path: os.Getenv("PATH")}
	types := []string{"text/plain", "text/html", "text/x-python", "application/xhtml+xml", "x-scheme-handler/http", "image/png", "application/x-perl", "text/x-csrc"}
	put := func(name, content string) {
		os.MkdirAll(filepath.Dir(name), 0o755)
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	some := func() string {
		var b strings.Builder
		for range 1 + random.IntN(3) {
			fmt.Fprintf(&b, "%c.desktop;", 'a'+random.IntN(7))
		}
		return b.String()
	}
	list := func(groups ...string) string {
		var b strings.Builder
		for _, g := range groups {
			b.WriteString("[" + g + "]\n")
			for _, t := range types {
				if random.IntN(3) == 0 {
					b.WriteString(t + "=" + some() + "\n")
				}
			}
		}
		return b.String()
	}
	for _, dir := range []string{d.ConfigHome, d.ConfigDirs[0], d.ConfigDirs[1], d.DataHome + "/applications", d.DataDirs[0] + "/applications"} {
		if random.IntN(2) == 0 {
			put(dir+"/mimeapps.list", list("Added Associations", "Removed Associations", "Default Applications"))
		}
		if random.IntN(4) == 0 {
			put(dir+"/foo-mimeapps.list", list("Default Applications", "Added Associations"))
		}
	}
	for _, dir := range []string{d.DataHome, d.DataDirs[0], d.DataDirs[1]} {
		for _, id := range "abcdef" {
			if random.IntN(2) == 0 {
				more := []string{"Exec=true %U\n", "Exec=true\n", "Exec=/nowhere/x %f\n", "TryExec=/nowhere\nExec=true\n", "Exec=true\nHidden=false\n"}[random.IntN(5)]
				put(fmt.Sprintf("%s/applications/%c.desktop", dir, id), "[Desktop Entry]\nType=Application\nName=x\n"+more)
			}
		}
		if random.IntN(3) > 0 {
			put(dir+"/applications/mimeinfo.cache", list("MIME Cache"))
		}
	}
	return d
}

func (d *Dirs) environ() []string {
	return []string{"HOME=" + d.DataHome, "PATH=" + d.Path, "XDG_DATA_HOME=" + d.DataHome, "XDG_CONFIG_HOME=" + d.ConfigHome, "LC_ALL=C.UTF-8",
		"XDG_DATA_DIRS=" + strings.Join(d.DataDirs, ":"), "XDG_CONFIG_DIRS=" + strings.Join(d.ConfigDirs, ":"), "XDG_CURRENT_DESKTOP=" + strings.Join(d.Desktops, ":")}
}

var answer = regexp.MustCompile(`Default application for “.*”: (.*)`)

// gio asks GLib.
func gio(t *testing.T, d *Dirs, typ string) string {
	c := exec.Command("gio", "mime", typ)
	c.Env = d.environ()
	out, err := c.Output()
	if err != nil && len(out) == 0 {
		if _, ok := err.(*exec.ExitError); !ok {
			t.Fatal(err)
		}
	}
	if m := answer.FindSubmatch(out); m != nil {
		return string(m[1])
	}
	return ""
}

// What GLib says, Default says.
func TestDefault(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	answers := 0
	for range 40 {
		d := dirs(t, random)
		h := Read(d, nil, nil)
		for _, typ := range []string{"text/plain", "text/html", "text/x-python", "application/xhtml+xml", "x-scheme-handler/http", "image/png"} {
			want := gio(t, &d, typ)
			got, _ := h.Default(typ)
			if got != want {
				t.Errorf("%s in %s: got %q, GLib says %q", typ, d.DataHome, got, want)
			}
			if want != "" {
				answers++
			}
		}
		if t.Failed() {
			out, _ := exec.Command("sh", "-c", "cd "+filepath.Dir(d.DataHome)+" && grep -r . . | grep -v Name=").Output()
			t.Fatalf("%s", out)
		}
	}
	if answers < 100 {
		t.Error("only", answers, "answers: the comparison says little")
	}
}

// A type that Moves lets pass keeps its default, for GLib and for xdg-mime.
func TestMoves(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	passed, left := 0, 0
	for range 25 {
		d := dirs(t, random)
		h := Read(d, nil, nil)
		apps := d.DataHome + "/applications"
		var types []string
		for _, typ := range []string{"text/plain", "text/html", "text/x-python", "image/png", "x-scheme-handler/http", "image/x-none"} {
			if _, moves := h.Moves(typ); moves {
				left++
			} else {
				types = append(types, typ)
			}
		}
		before := map[string]string{}
		for _, typ := range types {
			before[typ] = gio(t, &d, typ) + " " + xdg(t, &d, typ)
		}
		os.MkdirAll(apps, 0o755)
		os.WriteFile(apps+"/new.desktop", []byte("[Desktop Entry]\nType=Application\nName=x\nExec=true %U\nMimeType="+strings.Join(types, ";")+"\n"), 0o644)
		// The cache of the directory is ours in the test: the new entry comes first.
		old, _ := os.ReadFile(apps + "/mimeinfo.cache")
		cache := string(old)
		if cache == "" {
			cache = "[MIME Cache]\n"
		}
		for _, typ := range types {
			if strings.Contains(cache, "\n"+typ+"=") {
				cache = strings.Replace(cache, "\n"+typ+"=", "\n"+typ+"=new.desktop;", 1)
			} else {
				cache += typ + "=new.desktop;\n"
			}
		}
		os.WriteFile(apps+"/mimeinfo.cache", []byte(cache), 0o644)
		for _, typ := range types {
			// One that had none may gain one.
			g, x, _ := strings.Cut(before[typ], " ")
			if now := gio(t, &d, typ); now != g && g != "" {
				t.Errorf("%s: for GLib %q before, %q after\n%s", typ, g, now, cache)
			}
			if now := xdg(t, &d, typ); now != x && x != "" {
				t.Errorf("%s: for xdg-mime %q before, %q after\n%s", typ, x, now, cache)
			}
			passed++
		}
	}
	if passed < 20 || left < 20 {
		t.Error(passed, "passed and", left, "were left out: the test says little")
	}
}

// xdg asks xdg-mime.
func xdg(t *testing.T, d *Dirs, typ string) string {
	c := exec.Command("xdg-mime", "query", "default", typ)
	c.Env = d.environ()
	out, err := c.Output()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// Ours of an earlier export do not count.
func TestOurs(t *testing.T) {
	d := Dirs{ConfigHome: t.TempDir(), DataHome: t.TempDir(), Path: os.Getenv("PATH")}
	apps := d.DataHome + "/applications"
	os.MkdirAll(apps, 0o755)
	os.WriteFile(apps+"/a.desktop", []byte("[Desktop Entry]\nType=Application\nName=x\nExec=true\nMimeType=x/y\n"), 0o644)
	os.WriteFile(apps+"/mimeinfo.cache", []byte("[MIME Cache]\nx/y=a.desktop;\n"), 0o644)
	if id, _ := Read(d, nil, nil).Default("x/y"); id != "a.desktop" {
		t.Error(id)
	}
	if id, _ := Read(d, []string{"a.desktop"}, nil).Default("x/y"); id != "" {
		t.Error(id)
	}
}

const packages = `<?xml version="1.0"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
<mime-type type="image/x-new"><comment>New</comment><comment xml:lang="de">Neu &amp; gut</comment>
 <magic priority="99"><match type="string" value="#!" offset="0"/></magic>
 <treemagic><treematch path="x"/></treemagic><root-XML namespaceURI="" localName="html"/>
 <glob pattern="*.new" weight="99"/><glob pattern="*"/><glob pattern="Makefile"/><glob pattern="*.t[xy]t"/><glob-deleteall/>
 <alias type="text/plain"/><sub-class-of type="image/png"/><icon name="x-new"/><generic-icon name="image-x-generic"/></mime-type>
<mime-type type="text/plain"><glob pattern="*.exe"/></mime-type>
</mime-info>`

func TestPackage(t *testing.T) {
	types, err := Types([]byte(packages), func(t string) bool { return t == "image/x-new" })
	if err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="image/x-new">
    <comment>New</comment>
    <comment xml:lang="de">Neu &amp; gut</comment>
    <sub-class-of type="image/png"/>
    <icon name="x-new"/>
    <generic-icon name="image-x-generic"/>
    <glob pattern="*.new" weight="5"/>
  </mime-type>
</mime-info>
`
	if got := string(Package(types)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	home := t.TempDir()
	os.MkdirAll(home+"/mime/packages", 0o755)
	os.WriteFile(home+"/mime/packages/x.xml", Package(types), 0o644)
	if out, err := exec.Command("update-mime-database", home+"/mime").CombinedOutput(); err != nil {
		t.Errorf("update-mime-database: %v: %s", err, out)
	}
	if !Read(Dirs{DataHome: home}, nil, nil).Knows("image/x-new") {
		t.Error("it is not known")
	}
	if Read(Dirs{DataHome: home}, nil, []string{home + "/mime/packages/x.xml"}).Knows("image/x-new") {
		t.Error("ours counts")
	}
	if Package(nil) != nil {
		t.Error("a file of nothing")
	}
	for _, bad := range []string{"<a", "<!DOCTYPE x [<!ENTITY a \"b\">]><mime-info><mime-type type=\"image/x-new\"><comment>&a;</comment></mime-type></mime-info>"} {
		if _, err := Types([]byte(bad), func(string) bool { return true }); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzTypes(f *testing.F) {
	f.Add([]byte(packages))
	f.Fuzz(func(t *testing.T, data []byte) {
		types, err := Types(data, func(string) bool { return true })
		if err != nil || len(types) == 0 {
			return
		}
		if again, err := Types(Package(types), func(string) bool { return true }); err != nil || len(again) != len(types) {
			t.Fatalf("%q: %v", Package(types), err)
		}
	})
}
