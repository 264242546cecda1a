package mime

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// gio, xdg-mime and update-desktop-database agree about random hosts.
func TestRandomHosts(t *testing.T) {
	for seed := range 6 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { testRandomHost(t, rand.New(rand.NewPCG(uint64(seed), 5))) })
	}
}

var pool = []string{"text/plain", "text/x-python", "application/x-shellscript", "application/pdf", "application/acrobat", "image/svg+xml",
	"application/xml", "x-scheme-handler/http", "application/x-new", "text/x-csrc", "text/x-c++src"}

// choose returns up to n random elements.
func choose(r *rand.Rand, from []string, n int) (list []string) {
	for range r.IntN(n + 1) {
		list = append(list, from[r.IntN(len(from))])
	}
	return list
}

// randomFiles returns entries and lists for newHost.
func randomFiles(r *rand.Rand) map[string]string {
	execs := []string{"prog", "prog %f", "\"prog\" \"x", "no-such", "/bin/true", "'prog' #", "env prog", ""}
	names := []string{"a.desktop", "b.desktop", "c.desktop", "d.desktop", "sub/e.desktop"}
	ids := []string{"a.desktop", "b.desktop", "c.desktop", "d.desktop", "sub-e.desktop", "none.desktop"}
	files := map[string]string{}
	for _, dir := range []string{"home", "data1", "data2"} {
		for _, name := range choose(r, names, 5) {
			text := entry(execs[r.IntN(len(execs))], choose(r, pool, 6)...)
			text += []string{"", "", "", "Hidden=true\n", "TryExec=nothing\n", "NoDisplay=true\n", "InitialPreference=3\n", "bad\n", "Path=/\n"}[r.IntN(9)]
			files[dir+"/applications/"+name] = text
		}
	}
	lists := []string{"config/mimeapps.list", "config/sway-mimeapps.list", "etc/mimeapps.list", "etc/gnome-mimeapps.list",
		"home/applications/mimeapps.list", "data1/applications/mimeapps.list", "data1/applications/defaults.list", "data2/applications/gnome-mimeapps.list"}
	for _, name := range choose(r, lists, 5) {
		text := ""
		for _, g := range choose(r, []string{defaultGroup, defaultGroup, addedGroup, removedGroup}, 4) {
			text += "[" + g + "]\n"
			for _, typ := range choose(r, pool, 6) {
				text += typ + "=" + strings.Join(choose(r, ids, 3), ";") + "\n"
			}
		}
		files[name] = text
	}
	return files
}

func testRandomHost(t *testing.T, r *rand.Rand) {
	files := randomFiles(r)
	h := newHost(t, files)
	hasNewCache := false
	for _, dir := range []string{"data2", "data1", "home"} {
		if hasNewCache = r.IntN(4) > 0; hasNewCache {
			h.run("update-desktop-database", "-q", filepath.Join(h.dir, dir, "applications"))
		}
	}
	m := Read(h.dirs)
	h.compare(m, pool)

	// First simulate an export, then make its files.
	exported := map[string][]string{"x.desktop": choose(r, pool, 9), "b.desktop": choose(r, pool, 3)}
	after := m.With(exported).Without([]string{"c.desktop"})
	for id, types := range exported {
		h.write(map[string]string{"home/applications/" + id: entry("prog", types...)})
	}
	os.Remove(h.dirs.DataHome + "/applications/c.desktop")
	file := h.dirs.DataHome + "/applications/mimeinfo.cache"
	if hasNewCache {
		h.update()
		if cache, _ := os.ReadFile(file); string(cache) != string(after.Cache()) {
			t.Errorf("got %s\nupdate-desktop-database writes %s", after.Cache(), cache)
		}
	}
	old, _ := os.ReadFile(file)
	h.write(map[string]string{"home/applications/mimeinfo.cache": string(after.Cache())})
	h.compare(after, pool)
	again := Read(h.dirs)
	h.compare(again, pool)
	if restored := again.Without([]string{"x.desktop"}).With(map[string][]string{"x.desktop": exported["x.desktop"]}).Cache(); hasNewCache && string(restored) != string(old) {
		t.Errorf("after Without and With: %s\nwant %s", restored, old)
	}
	if t.Failed() {
		for name, text := range files {
			t.Logf("%s:\n%s", name, text)
		}
	}
}
