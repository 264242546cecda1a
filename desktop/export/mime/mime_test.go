package mime

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// host is a simulated host: a home and data directories.
type host struct {
	testing.TB
	dir  string
	dirs Dirs
}

// newHost makes a host with files in its directories config/, etc/, home/, data1/
// and data2/.
func newHost(t testing.TB, files map[string]string) host {
	t.Helper()
	for _, program := range []string{"gio", "xdg-mime", "update-desktop-database", "update-mime-database"} {
		_, err := exec.LookPath(program)
		headless.Must(t, "desktop", err)
	}
	dir := t.TempDir()
	h := host{t, dir, Dirs{
		ConfigHome: dir + "/config", DataHome: dir + "/home", ConfigDirs: []string{dir + "/etc"},
		DataDirs: []string{dir + "/data1", dir + "/data2"}, Desktops: []string{"Sway", "GNOME"}, Path: dir + "/bin:/usr/bin:/bin",
	}}
	for _, d := range []string{"bin", "config", "etc", "home/applications", "data1/applications", "data2/applications"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(dir+"/bin/prog", []byte("#!/bin/sh\n"), 0o755),
		os.Symlink("/usr/share/mime", dir+"/data2/mime")); err != nil {
		t.Fatal(err)
	}
	h.write(files)
	return h
}

func (h host) write(files map[string]string) {
	h.Helper()
	for name, text := range files {
		file := filepath.Join(h.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			h.Fatal(err)
		}
	}
}

func (h host) run(name string, args ...string) string {
	h.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"LC_ALL=C.UTF-8", "HOME=" + h.dir, "PATH=" + h.dirs.Path, "XDG_CONFIG_HOME=" + h.dirs.ConfigHome,
		"XDG_DATA_HOME=" + h.dirs.DataHome, "XDG_CONFIG_DIRS=" + strings.Join(h.dirs.ConfigDirs, ":"),
		"XDG_DATA_DIRS=" + strings.Join(h.dirs.DataDirs, ":"), "XDG_CURRENT_DESKTOP=" + strings.Join(h.dirs.Desktops, ":")}
	out, err := cmd.Output()
	if err != nil {
		h.Fatalf("%s %v: %v %s", name, args, err, out)
	}
	return string(out)
}

func (h host) gio(t string) string {
	first, _, _ := strings.Cut(h.run("gio", "mime", t), "\n")
	if !strings.HasPrefix(first, "Default application for") {
		return ""
	}
	return first[strings.LastIndex(first, ": ")+2:]
}

func (h host) xdg(t string) string {
	return strings.TrimSpace(h.run("xdg-mime", "query", "default", t))
}

func (h host) update() { h.run("update-desktop-database", h.dirs.DataHome+"/applications") }

// compare compares the computed defaults with the answers of gio and xdg-mime.
func (h host) compare(m *Host, types []string) {
	h.Helper()
	for _, t := range types {
		if got, want := m.GLibDefault(t), h.gio(t); got != want {
			h.Errorf("gio mime %s: got %q, want %q", t, got, want)
		}
		if got, want := m.XDGDefault(t), h.xdg(t); got != want {
			h.Errorf("xdg-mime query default %s: got %q, want %q", t, got, want)
		}
	}
}

func entry(exec string, types ...string) string {
	return fmt.Sprintf("[Desktop Entry]\nType=Application\nName=x\nExec=%s\nMimeType=%s;\n", exec, strings.Join(types, ";"))
}

func TestDefault(t *testing.T) {
	app := entry("prog %f")
	for name, c := range map[string]struct {
		files map[string]string
		want  map[string]string
	}{
		"the user's cache wins": {map[string]string{
			"home/applications/u.desktop": app, "home/applications/mimeinfo.cache": "[MIME Cache]\ntext/html=u.desktop;\n",
			"data1/applications/s.desktop": app, "data1/applications/mimeinfo.cache": "[MIME Cache]\ntext/html=s.desktop;\ntext/css=s.desktop\n",
		}, map[string]string{"text/html": "u.desktop", "text/css": "s.desktop", "text/x-nothing": ""}},
		"mimeapps.list wins over caches, a desktop's over the common one, config over data": {map[string]string{
			"data1/applications/a.desktop": app, "data1/applications/b.desktop": app, "data1/applications/c.desktop": app,
			"data1/applications/mimeinfo.cache": "[MIME Cache]\ntext/html=a.desktop;b.desktop;c.desktop\ntext/css=a.desktop;b.desktop;c.desktop\n",
			"config/mimeapps.list":              "[Default Applications]\ntext/html=b.desktop;\ntext/css=b.desktop\n",
			"config/gnome-mimeapps.list":        "[Default Applications]\ntext/html=c.desktop\n",
			"home/applications/mimeapps.list":   "[Default Applications]\ntext/css=c.desktop\n",
			"etc/sway-mimeapps.list":            "[Default Applications]\nimage/png=a.desktop\n",
		}, map[string]string{"text/html": "c.desktop", "text/css": "b.desktop", "image/png": "a.desktop"}},
		"removed associations": {map[string]string{
			"data1/applications/a.desktop": app, "data1/applications/b.desktop": app,
			"data1/applications/mimeinfo.cache": "[MIME Cache]\ntext/css=a.desktop;b.desktop\n",
			"config/mimeapps.list":              "[Removed Associations]\ntext/css=a.desktop\n",
		}, map[string]string{"text/css": "b.desktop"}},
		"aliases and subclasses": {map[string]string{
			"data1/applications/a.desktop": app, "data1/applications/mimeinfo.cache": "[MIME Cache]\ntext/plain=a.desktop;\napplication/acrobat=a.desktop\n",
		}, map[string]string{"application/pdf": "a.desktop", "application/acrobat": "a.desktop", "text/x-python": "a.desktop",
			"application/x-shellscript": "a.desktop", "text/x-nothing": ""}},
		"an alias in a cache": {map[string]string{
			"data1/applications/a.desktop": app, "data1/applications/mimeinfo.cache": "[MIME Cache]\naudio/mp3=a.desktop;\n",
		}, map[string]string{"audio/mpeg": "a.desktop", "audio/mp3": "a.desktop"}},
		"entries that cannot start do not count, hidden ones do": {map[string]string{
			"data1/applications/try.desktop": "[Desktop Entry]\nType=Application\nExec=prog\nTryExec=no-such\n", "data1/applications/exec.desktop": entry("no-such"),
			"data1/applications/quote.desktop": entry("'prog"), "data1/applications/link.desktop": "[Desktop Entry]\nType=Link\nURL=x\n",
			"data1/applications/bad.desktop": app + "no key\n", "data1/applications/a.desktop": app, "data1/applications/hidden.desktop": app + "Hidden=true\n",
			"config/mimeapps.list": "[Default Applications]\ntext/css=none.desktop;try.desktop;exec.desktop;quote.desktop;link.desktop;bad.desktop;a.desktop\n" +
				"text/html=try.desktop;hidden.desktop;a.desktop\n",
		}, map[string]string{"text/css": "a.desktop", "text/html": "hidden.desktop"}},
		"an entry of the user hides one of the same ID": {map[string]string{
			"home/applications/a.desktop": app + "Hidden=true\n", "data1/applications/a.desktop": app, "data1/applications/sub/b.desktop": app,
			"data1/applications/mimeinfo.cache": "[MIME Cache]\ntext/css=a.desktop;sub-b.desktop\n",
		}, map[string]string{"text/css": "sub-b.desktop"}},
		"GLib rejects a file with a bad line": {map[string]string{
			"data1/applications/a.desktop": app, "data1/applications/mimeinfo.cache": "[MIME Cache]\ntext/css=a.desktop\nx\n",
			"data2/applications/mimeinfo.cache": "[MIME Cache]\ntext/html=c.desktop\n", "data2/applications/c.desktop": app,
			"config/mimeapps.list": "[Default Applications]\ntext/html=b.desktop\n<<<<<<<\n", "data2/applications/b.desktop": app,
		}, map[string]string{"text/css": "", "text/html": "c.desktop"}},
		"defaults.list": {map[string]string{
			"data1/applications/a.desktop": app, "data1/applications/b.desktop": app, "data1/applications/mimeinfo.cache": "[MIME Cache]\ntext/css=a.desktop\n",
			"data1/applications/defaults.list": "[Default Applications]\ntext/css=b.desktop\n[Added Associations]\ntext/html=a.desktop\n",
		}, map[string]string{"text/css": "b.desktop", "text/html": ""}},
		"a scheme": {map[string]string{
			"data2/applications/a.desktop": app, "data2/applications/mimeinfo.cache": "[MIME Cache]\nx-scheme-handler/https=a.desktop\n",
		}, map[string]string{"x-scheme-handler/https": "a.desktop", "x-scheme-handler/http": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, c.files)
			m := Read(h.dirs)
			for typ, want := range c.want {
				if got := m.GLibDefault(typ); got != want {
					t.Errorf("%s: got %q, want %q", typ, got, want)
				}
				h.compare(m, []string{typ})
			}
		})
	}
}

// With the types that KeepDefaults keeps, gio and xdg-mime give the same answers as
// before.
func TestKeepDefaults(t *testing.T) {
	app := entry("prog %f")
	h := newHost(t, map[string]string{
		"data1/applications/edit.desktop": entry("prog", "text/plain", "image/png"), "data1/applications/web.desktop": entry("prog", "text/html"),
		"data1/applications/mimeinfo.cache": "[MIME Cache]\nimage/png=edit.desktop;\ntext/html=web.desktop;dead.desktop\ntext/plain=edit.desktop;\nimage/gif=dead.desktop;\n",
		"config/mimeapps.list":              "[Default Applications]\ntext/html=web.desktop\nvideo/mp4=lost.desktop;edit.desktop\n",
		"home/applications/own.desktop":     app,
	})
	m := Read(h.dirs)
	ids := map[string][]string{
		"new.desktop":  {"text/plain", "text/x-python", "text/html", "image/gif", "application/x-new", "application/pdf"},
		"lost.desktop": {"application/x-new"},
	}
	kept, claims := m.KeepDefaults(ids)
	if got, want := fmt.Sprint(kept), "map[lost.desktop:[application/x-new] new.desktop:[text/html image/gif application/x-new application/pdf]]"; got != want {
		t.Errorf("kept %s, want %s", got, want)
	}
	if !slices.Contains(claims["lost.desktop"], "video/mp4") || len(claims) != 1 {
		t.Errorf("claims %v", claims)
	}
	delete(kept, "lost.desktop")
	types := []string{"text/plain", "text/x-python", "text/html", "image/gif", "image/png", "application/pdf", "application/xhtml+xml", "video/mp4"}
	var before [2][]string
	for _, typ := range types {
		before[0], before[1] = append(before[0], h.gio(typ)), append(before[1], h.xdg(typ))
	}
	for id, types := range kept {
		h.write(map[string]string{"home/applications/" + id: entry("prog", types...)})
	}
	h.update()
	for i, typ := range types {
		if got := h.gio(typ); before[0][i] != "" && got != before[0][i] {
			t.Errorf("gio mime %s: %q, was %q", typ, got, before[0][i])
		}
		if got := h.xdg(typ); before[1][i] != "" && before[1][i] != "dead.desktop" && got != before[1][i] {
			t.Errorf("xdg-mime %s: %q, was %q", typ, got, before[1][i])
		}
	}
	if got := h.gio("application/pdf"); got != "new.desktop" {
		t.Errorf("a type that had no default has %q", got)
	}
	// After the export, nothing changes.
	if again, _ := Read(h.dirs).KeepDefaults(kept); fmt.Sprint(again) != fmt.Sprint(kept) {
		t.Errorf("again: %v, want %v", again, kept)
	}
	var moved []string
	findMoved(m, m.With(map[string][]string{"x.desktop": {"text/plain"}}), m.listTypes(), func(t, _, _ string) { moved = append(moved, t) })
	if !slices.Contains(moved, "text/plain") ||
		!slices.Contains(moved, "text/x-python") || slices.Contains(moved, "text/html") {
		t.Errorf("moved: %v", moved)
	}
}

// gio agrees about every type of the host's database that has several parents.
func TestLineage(t *testing.T) {
	m := Read(newHost(t, nil).dirs)
	var several []string
	for typ, parents := range m.types.parents {
		if len(parents) > 1 {
			several = append(several, typ)
		}
	}
	if len(several) < 5 {
		t.Fatalf("only %d types have several parents", len(several))
	}
	files := map[string]string{}
	cache := map[string]string{}
	for _, typ := range several {
		for i, p := range m.types.parents[typ] {
			id := fmt.Sprintf("%c-%s.desktop", 'a'+i, strings.ReplaceAll(p, "/", "-"))
			files["data1/applications/"+id], cache[p] = entry("prog"), id
		}
	}
	text := "[MIME Cache]\n"
	for p, id := range cache {
		text += p + "=" + id + "\n"
	}
	files["data1/applications/mimeinfo.cache"] = text
	h := newHost(t, files)
	m = Read(h.dirs)
	for _, typ := range several {
		if got, want := m.GLibDefault(typ), h.gio(typ); got != want {
			t.Errorf("gio mime %s: got %q, want %q; its parents are %v", typ, got, want, m.types.parents[typ])
		}
	}
	if !m.types.knows("application/acrobat") || !m.types.knows("text/plain") || m.types.knows("text/x-nothing") {
		t.Error("wrong answers about which types the host knows")
	}
}

// newLargeHost makes a host with n entries for 300 types.
func newLargeHost(t testing.TB, n int) host {
	files, types := map[string]string{}, Read(newHost(t, nil).dirs).listTypes()
	for i := range n {
		var own []string
		for j := range 8 {
			own = append(own, types[(i*3+j)%300])
		}
		files[fmt.Sprintf("data1/applications/app%d.desktop", i)] = entry("prog", own...)
	}
	h := newHost(t, files)
	h.run("update-desktop-database", h.dir+"/data1/applications")
	return h
}

func BenchmarkRead(b *testing.B) {
	h := newLargeHost(b, 1000)
	for b.Loop() {
		Read(h.dirs)
	}
}

func BenchmarkKeepDefaults(b *testing.B) {
	h := newLargeHost(b, 1000)
	types := Read(h.dirs).listTypes()
	ids := map[string][]string{}
	for i := range 1000 {
		for j := range 5 {
			id := fmt.Sprintf("exported%d.desktop", i)
			ids[id] = append(ids[id], types[(i*5+j)%600])
		}
	}
	for b.Loop() {
		Read(h.dirs).KeepDefaults(ids)
	}
}

func TestReadSpeed(t *testing.T) {
	h := newLargeHost(t, 1000)
	best := time.Hour
	for range 5 {
		begin := time.Now()
		Read(h.dirs)
		best = min(best, time.Since(begin))
	}
	t.Logf("read in %v", best)
	if best > 100*time.Millisecond { // it takes about 5 ms, but the machine may be busy
		t.Errorf("reading a host with 1000 entries took %v", best)
	}
}

func FuzzKeyFile(f *testing.F) {
	f.Add("[Desktop Entry]\nType=Application\nExec=\"a b\" %f\nMimeType=a/b;c\\;d/e;\n\n#x\n[x]\ny[de]=z\n")
	f.Fuzz(func(t *testing.T, text string) {
		k := parseKeyFile(text)
		if k == nil {
			return
		}
		for name, g := range k.groups {
			for _, key := range g.keys {
				k.getList(name, key)
				if s, ok, bad := k.getString(name, key); ok && bad {
					t.Errorf("%q", s)
				}
			}
		}
	})
}
