package export

import (
	"os"
	"slices"
	"strings"
	"testing"

	"chrun/desktop/entry"
	"chrun/session/rootfs"
)

// change runs one command line and returns what it says.
func (f *fixture) change(o Options, remove bool, words ...string) (Summary, error) {
	f.t.Helper()
	set, err := Open(f.Host, "box", true)
	if err != nil {
		f.t.Fatal(err)
	}
	defer set.Close()
	root, err := rootfs.Open(rootfs.HostPath(f.dir + "/tree"))
	if err != nil {
		f.t.Fatal(err)
	}
	defer root.Close()
	selection := set.Selection()
	c := &Chooser{Host: f.Host, Chroot: "box", Root: root, Selection: &selection}
	var named Named
	if remove {
		err = o.Remove(c, words)
	} else {
		named, err = o.Add(c, words)
	}
	if err != nil {
		return Summary{}, err
	}
	plan, err := set.Plan(root, selection)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := set.Run(plan); err != nil {
		f.t.Fatal(err)
	}
	return Summarize(f.Host, plan, named, Brief), nil
}

// entries lists the exported entries.
func (f *fixture) entries() string {
	var ids []string
	list, _ := os.ReadDir(f.DataHome + "/applications")
	for _, e := range list {
		if id, ok := strings.CutSuffix(e.Name(), ".desktop"); ok {
			ids = append(ids, id)
		}
	}
	return strings.Join(ids, " ")
}

const apps = "tree/usr/share/applications/"

// app is the entry of a program.
func app(name, more string) string {
	return "[Desktop Entry]\nType=Application\nName=" + name + "\nExec=" + name + "\n" + more
}

// Unexport removes an app that was exported by name, and then with all others.
func TestUnexportAfterAll(t *testing.T) {
	f := newFixture(t, map[string]string{apps + "a.desktop": app("a", ""), apps + "b.desktop": app("b", "")})
	f.run(Selection{All: true, Apps: []string{"a"}, Label: AutoLabel}) // of an earlier version
	if _, err := f.change(Options{}, true, "a"); err != nil || f.entries() != "b" {
		t.Errorf("%q, %v", f.entries(), err)
	}
	for _, o := range []Options{{}, {All: true}} {
		words := []string{"a"}
		if o.All {
			words = nil
		}
		if _, err := f.change(o, false, words...); err != nil || f.entries() != "a b" {
			t.Errorf("%q, %v", f.entries(), err)
		}
	}
	if _, err := f.change(Options{}, true, "a.desktop"); err != nil || f.entries() != "b" {
		t.Errorf("%q, %v", f.entries(), err)
	}
	if _, err := f.change(Options{}, true, "a"); err == nil {
		t.Error("removed twice")
	}
}

// What is refused is not tried again by later runs.
func TestRefusedIsForgotten(t *testing.T) {
	f := newFixture(t, map[string]string{apps + "a.desktop": app("a", ""), apps + "bad.desktop": app("bad", "TryExec=none\n"),
		"home/bin/tool": "mine", "tree/usr/bin/tool": "", "tree/usr/bin/bad\x01": ""})
	for words, o := range map[string]Options{"tool": {Bin: true}, "bad": {}} {
		if s, err := f.change(o, false, words); err != nil || s.Refused == nil {
			t.Errorf("%s: %+v, %v", words, s, err)
		}
		if _, err := os.Stat(f.StateDir); err == nil {
			t.Errorf("%s is remembered", words)
		}
	}
	if s, err := f.change(Options{}, false, "a"); err != nil || s.Refused != nil || len(s.Notes) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
	// One that an earlier version remembers is a note, and no error.
	s := Selection{Commands: []string{"tool"}, Apps: []string{"a", "bad"}, Label: AutoLabel}
	f.run(s)
	if s, err := f.change(Options{}, false, "a"); err != nil || s.Refused != nil {
		t.Errorf("%+v, %v", s, err)
	}
	// A program that was exported, and is refused after an update, comes back.
	f.run(Selection{Label: AutoLabel})
	entry := f.dir + "/" + apps + "a.desktop"
	f.run(Selection{Apps: []string{"a"}, Label: AutoLabel})
	os.WriteFile(entry, []byte(app("a", "TryExec=none\n")), 0o644)
	if s, err := f.change(Options{}, true); err != nil || f.entries() != "" || !slices.ContainsFunc(s.Notes, func(n string) bool { return strings.HasPrefix(n, "a is not exported") }) {
		t.Errorf("%q %+v, %v", f.entries(), s, err)
	}
	os.WriteFile(entry, []byte(app("a", "")), 0o644)
	if _, err := f.change(Options{}, true); err != nil || f.entries() != "a" {
		t.Errorf("%q, %v", f.entries(), err)
	}
}

// The refusals of --all are said once.
func TestRefusalsOnce(t *testing.T) {
	f := newFixture(t, map[string]string{apps + "a.desktop": app("a", ""), apps + "bad.desktop": "x", "tree/usr/bin/tool": ""})
	os.Chmod(f.dir+"/tree/usr/bin/tool", 0o755)
	if s, _ := f.change(Options{All: true}, false); len(s.Notes) != 1 || !strings.HasPrefix(s.Notes[0], "bad is not exported: ") {
		t.Errorf("%q", s.Notes)
	}
	if s, err := f.change(Options{Bin: true}, false, "tool"); err != nil || len(s.Notes) != 0 || len(s.Changes) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, _ := f.change(Options{All: true}, false); len(s.Notes) != 0 || !s.Idle {
		t.Errorf("%+v", s)
	}
	if s, err := f.change(Options{}, false, "bad"); err != nil || s.Refused == nil {
		t.Errorf("%+v, %v", s, err)
	}
}

// Types that stay another program's are one short line.
func TestUnchangedDefaults(t *testing.T) {
	types := "text/a;text/b;text/c;"
	f := newFixture(t, map[string]string{"host/applications/old.desktop": app("old", "MimeType="+types), "host/applications/mimeinfo.cache": "[MIME Cache]\ntext/a=old.desktop\ntext/b=old.desktop\ntext/c=old.desktop\n",
		apps + "a.desktop": app("a", "TerminalOptions=x\nMimeType="+types), apps + "b.desktop": app("b", "MimeType=text/a;"), "bin/old": ""})
	os.Chmod(f.dir+"/bin/old", 0o755)
	f.Path = f.dir + "/bin"
	for id, want := range map[string]string{"a": "your defaults for text/a, text/b and 1 more are unchanged; -v lists them", "b": "your default for text/a is unchanged"} {
		s, err := f.change(Options{}, false, id)
		if err != nil || !slices.Equal(s.Changes, []string{id + " is in the menu"}) || !slices.Equal(s.Notes, []string{want}) {
			t.Errorf("%s: %+v, %v", id, s, err)
		}
	}
}

// After a sync without the chroot, no file is left, but the next one with it exports
// the selection again.
func TestVanishedChroot(t *testing.T) {
	f := newFixture(t, map[string]string{apps + "a.desktop": app("a", "")})
	selection := Selection{All: true, Label: AutoLabel}
	f.run(selection)
	if !f.HasExports("box") || !f.HasFiles("box") {
		t.Error("nothing is exported")
	}
	set, err := Open(f.Host, "box", true)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	plan, err := set.Plan(nil, selection)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Run(plan); err != nil || f.entries() != "" || !f.HasExports("box") || f.HasFiles("box") {
		t.Errorf("%v, %q, %v, %v", err, f.entries(), f.HasExports("box"), f.HasFiles("box"))
	}
}

// IDs that Wine and Steam make. They hold in lists of defaults and on the command
// line of chrun.
func TestUnusualIDs(t *testing.T) {
	files := map[string]string{apps + "wine/Programs/7-Zip/7-Zip File Manager.desktop": app("zip", "Icon=7 Zip\n"), "tree/usr/share/pixmaps/7 Zip.xpm": "/* XPM */ \"16 16 2 1\"",
		apps + "a;b.desktop": app("x", ""), apps + " c.desktop": app("x", ""), apps + "org.example.desktop": app("short", ""), apps + "org.example.desktop.desktop": app("long", "")}
	for _, id := range []string{"Proton Thing", "Baldur's Gate 3", `say "hi"`, "100% $x `y`"} {
		files[apps+id+".desktop"] = app("x", "")
	}
	f := newFixture(t, files)
	for _, id := range []string{"Proton Thing", "Baldur's Gate 3", `say "hi"`, "100% $x `y`", "wine-Programs-7-Zip-7-Zip File Manager", "org.example.desktop"} {
		s, err := f.change(Options{}, false, id)
		if err != nil || s.Refused != nil || f.entries() != id {
			t.Errorf("%s: %q %+v, %v", id, f.entries(), s, err)
			continue
		}
		data, _ := os.ReadFile(f.entryFile(id))
		e, err := entry.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		words, _, err := entry.ParseExec(strings.ReplaceAll(e.String("Exec"), `\`, `\\`))
		if err != nil || len(words) < 5 || arguments(words)[4] != id {
			t.Errorf("%s: %q, %v", id, words, err)
		}
		if strings.HasPrefix(id, "wine") {
			if _, err := os.Stat(f.DataHome + "/icons/hicolor/16x16/apps/7 Zip.xpm"); err != nil {
				t.Error(err)
			}
		}
		if id == "org.example.desktop" && e.String("Name") != "long" {
			t.Error(e.String("Name"))
		}
		if _, err := f.change(Options{}, true, id); err != nil || f.entries() != "" {
			t.Errorf("unexport %s: %v, %q", id, err, f.entries())
		}
	}
	for _, id := range []string{"a;b", " c"} {
		if s, err := f.change(Options{}, false, id); err == nil && s.Refused == nil || f.entries() != "" {
			t.Errorf("%s: %+v, %v, %q", id, s, err, f.entries())
		}
	}
}

// Details can be asked for when nothing changes.
func TestExplain(t *testing.T) {
	f := newFixture(t, map[string]string{apps + "a.desktop": app("a", "TerminalOptions=x\n"), apps + "b.desktop": app("b", "TerminalOptions=x\n")})
	s := Selection{All: true, Label: AutoLabel}
	f.run(s)
	set, err := Open(f.Host, "box", false)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	root, err := rootfs.Open(rootfs.HostPath(f.dir + "/tree"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for explain, want := range map[bool]int{false: 0, true: 2} {
		set.Explain = explain
		plan, err := set.Plan(root, s)
		if err != nil {
			t.Fatal(err)
		}
		if got := Summarize(f.Host, plan, Named{All: true}, Details); len(got.Notes) != want || !got.Idle {
			t.Errorf("%v: %+v", explain, got)
		}
		if got := Summarize(f.Host, plan, Named{Apps: []string{"b"}}, Details); len(got.Notes) != want/2 {
			t.Errorf("%v: %+v", explain, got)
		}
	}
}

// The details of many apps are said only on request.
func TestFewNotes(t *testing.T) {
	f := newFixture(t, map[string]string{apps + "a.desktop": app("a", "Icon=none\n"), apps + "b.desktop": app("b", "Icon=none\n")})
	if s, err := f.change(Options{}, false, "a"); err != nil || len(s.Notes) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := f.change(Options{All: true}, false); err != nil || len(s.Notes) != 0 || len(s.Changes) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}
