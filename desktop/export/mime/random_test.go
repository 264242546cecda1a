package mime

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The programs have the last word: hosts put together by chance.
func TestByChance(t *testing.T) {
	seeds := 6
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { testByChance(t, uint64(seed)) })
	}
}

var pool = []string{"text/plain", "text/x-python", "application/x-shellscript", "application/pdf", "application/acrobat", "image/svg+xml",
	"application/xml", "x-scheme-handler/http", "application/x-new", "text/x-csrc", "text/x-c++src"}

func testByChance(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 5))
	some := func(from []string, n int) (list []string) {
		for range r.IntN(n + 1) {
			list = append(list, from[r.IntN(len(from))])
		}
		return list
	}
	execs := []string{"prog", "prog %f", "\"prog\" \"x", "no-such", "/bin/true", "'prog' #", "env prog", ""}
	names := []string{"a.desktop", "b.desktop", "c.desktop", "d.desktop", "sub/e.desktop"}
	ids := []string{"a.desktop", "b.desktop", "c.desktop", "d.desktop", "sub-e.desktop", "none.desktop"}
	files := map[string]string{}
	for _, dir := range []string{"home", "data1", "data2"} {
		for _, name := range some(names, 5) {
			text := entry(execs[r.IntN(len(execs))], some(pool, 6)...)
			text += []string{"", "", "", "Hidden=true\n", "TryExec=nothing\n", "NoDisplay=true\n", "InitialPreference=3\n", "bad\n", "Path=/\n"}[r.IntN(9)]
			files[dir+"/applications/"+name] = text
		}
	}
	lists := []string{"config/mimeapps.list", "config/sway-mimeapps.list", "etc/mimeapps.list", "etc/gnome-mimeapps.list",
		"home/applications/mimeapps.list", "data1/applications/mimeapps.list", "data1/applications/defaults.list", "data2/applications/gnome-mimeapps.list"}
	for _, name := range some(lists, 5) {
		text := ""
		for _, g := range some([]string{defaultGroup, defaultGroup, addedGroup, removedGroup}, 4) {
			text += "[" + g + "]\n"
			for _, typ := range some(pool, 6) {
				text += typ + "=" + strings.Join(some(ids, 3), ";") + "\n"
			}
		}
		files[name] = text
	}
	h := newHost(t, files)
	fresh := false
	for _, dir := range []string{"data2", "data1", "home"} {
		if fresh = r.IntN(4) > 0; fresh {
			h.run("update-desktop-database", "-q", filepath.Join(h.dir, dir, "applications"))
		}
	}
	m := Read(h.dirs)
	h.agree(m, pool)

	// As if exported, and then exported.
	ours := map[string][]string{"x.desktop": some(pool, 9), "b.desktop": some(pool, 3)}
	after := m.With(ours).Without([]string{"c.desktop"})
	for id, types := range ours {
		h.write(map[string]string{"home/applications/" + id: entry("prog", types...)})
	}
	os.Remove(h.dirs.DataHome + "/applications/c.desktop")
	file := h.dirs.DataHome + "/applications/mimeinfo.cache"
	if fresh {
		h.update()
		if cache, _ := os.ReadFile(file); string(cache) != string(after.Cache()) {
			t.Errorf("update-desktop-database: %s\nnot %s", cache, after.Cache())
		}
	}
	old, _ := os.ReadFile(file)
	h.write(map[string]string{"home/applications/mimeinfo.cache": string(after.Cache())})
	h.agree(after, pool)
	again := Read(h.dirs)
	h.agree(again, pool)
	if back := again.Without([]string{"x.desktop"}).With(map[string][]string{"x.desktop": ours["x.desktop"]}).Cache(); fresh && string(back) != string(old) {
		t.Errorf("there and back: %s\nnot %s", back, old)
	}
	if t.Failed() {
		for name, text := range files {
			t.Logf("%s:\n%s", name, text)
		}
	}
}
