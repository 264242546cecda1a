package export

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chrun/session"
	"chrun/session/account"
	"chrun/session/rootfs"
)

// newChooser makes a chroot with two entries, a hidden one, and two programs.
func newChooser(t *testing.T) *Chooser {
	t.Helper()
	dir := t.TempDir()
	entry := func(name, exec, more string) string {
		return "[Desktop Entry]\nType=Application\nName=" + name + "\nExec=" + exec + "\n" + more
	}
	for name, text := range map[string]string{
		"usr/share/applications/org.example.Editor.desktop": entry("Editor", "edit %f", "MimeType=text/plain;text/html;a/b;c/d;\n"),
		"usr/share/applications/viewer.desktop":             entry("Viewer", "view", ""),
		"usr/share/applications/viewer-daemon.desktop":      entry("Viewer", "viewd", "NoDisplay=true\n"),
		"usr/share/applications/bad.desktop":                "no entry\n",
		"usr/bin/edit":                                      "", "usr/bin/view": "", "usr/bin/find": "", "usr/bin/viewer-tool": "",
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := rootfs.Open(rootfs.HostPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &Chooser{Host: &Host{BinDir: "/home/al/.local/bin"}, Chroot: "box", Root: root, Selection: &Selection{Label: AutoLabel}}
}

func TestAddApp(t *testing.T) {
	for word, want := range map[string]string{
		"org.example.Editor": "org.example.Editor", "org.example.Editor.desktop": "org.example.Editor",
		"edit": "org.example.Editor", "/usr/bin/edit": "org.example.Editor", "editor": "org.example.Editor",
		"Viewer": "viewer", // the other one of that name is hidden
	} {
		c := newChooser(t)
		if id, err := c.AddApp(word); err != nil || id != want || !slices.Equal(c.Apps, []string{want}) {
			t.Errorf("%s: %q %v %q", word, id, err, c.Apps)
		}
		if _, err := c.AddApp(word); err != nil || len(c.Apps) != 1 {
			t.Errorf("%s, again: %v %q", word, err, c.Apps)
		}
	}
	for word, want := range map[string]string{
		"nosuch":      "cannot export nosuch: the chroot has no such program\nchrunctl apps box",
		"find":        "cannot export find: the program has no entry in the chroot\nfor the menu: chrunctl export box find --make-entry --name TEXT; for the terminal: chrunctl export box find --bin",
		"viewer-tool": "cannot export viewer-tool: the program has no entry in the chroot; entries with such a name: viewer (Viewer)\nchrunctl export box viewer",
		"viewe":       "cannot export viewe: the chroot has no such program; entries with such a name: viewer (Viewer), viewer-daemon (Viewer)\nchrunctl export box viewer",
	} {
		_, err := newChooser(t).AddApp(word)
		var e *Error
		if !errors.As(err, &e) || err.Error()+"\n"+e.Hint() != want {
			t.Errorf("%s: %v, hint %q", word, err, e.Hint())
		}
	}
}

// An entry that menus do not show is not said to be in the menu.
func TestSummarizeHidden(t *testing.T) {
	h := &Host{BinDir: "/home/al/.local/bin"}
	for keys, want := range map[string]string{"": "a is in the menu", "NoDisplay=true\nMimeType=text/html;\n": "a opens files or links, but menus do not show it",
		"NoDisplay=true\n": "a is exported, but menus do not show it", "OnlyShowIn=KDE;\n": "a is exported, but menus do not show it"} {
		p := "/x/a.desktop"
		plan := &Plan{Steps: []Step{{Op: Write, Path: p}}, IDs: map[string]string{"a": "a"},
			files: map[string]*file{p: {data: []byte("[Desktop Entry]\nType=Application\nName=A\nExec=a\n" + keys)}}}
		if got := Summarize(h, plan, Named{Apps: []string{"a"}}, Brief).Changes; len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q", keys, got)
		}
	}
}

// Two entries that both fit are an error that lists them.
func TestAmbiguous(t *testing.T) {
	c := newChooser(t)
	file := string(c.Root.Dir()) + "/usr/share/applications/second.desktop"
	if err := os.WriteFile(file, []byte("[Desktop Entry]\nType=Application\nName=Editor\nExec=other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AddApp("Editor"); err == nil || err.Error() != "cannot export Editor: it can mean org.example.Editor, second" {
		t.Error(err)
	}
}

func TestCommandsAndEntries(t *testing.T) {
	c := newChooser(t)
	if err := errors.Join(c.AddCommand("find"), c.AddCommand("/usr/bin/find")); err != nil || !slices.Equal(c.Commands, []string{"/usr/bin/find"}) {
		t.Errorf("%v %q", err, c.Commands)
	}
	if err := c.AddCommand("nosuch"); err == nil || !strings.Contains(err.Error(), "no such program") {
		t.Error(err)
	}
	if id, err := c.AddCustomEntry("find", "", ""); err != nil || id != "find" || c.CustomEntries[0] != (CustomEntry{Program: "find", Name: "find"}) {
		t.Errorf("%q %v %+v", id, err, c.CustomEntries)
	}
	if _, err := c.AddCustomEntry("find", "Search", "x"); err != nil || len(c.CustomEntries) != 1 || c.CustomEntries[0].Name != "Search" {
		t.Errorf("%v %+v", err, c.CustomEntries)
	}
	for program, want := range map[string]string{"edit": "it already has an entry, org.example.Editor", "nosuch": "the chroot has no such program"} {
		if _, err := c.AddCustomEntry(program, "", ""); err == nil || err.Error() != "cannot export "+program+": "+want {
			t.Error(err)
		}
	}
	if err := errors.Join(c.RemoveCommand("find"), c.RemoveApp("Search")); err != nil || len(c.Commands)+len(c.CustomEntries) != 0 {
		t.Errorf("%v %+v", err, c.Selection)
	}
	if err := c.RemoveCommand("find"); err == nil || err.Error() != "cannot unexport find: it is not exported" {
		t.Error(err)
	}
}

func TestRemoveApp(t *testing.T) {
	c := newChooser(t)
	c.AddAll()
	if err := c.RemoveApp("Editor"); err != nil || !slices.Equal(c.Except, []string{"org.example.Editor"}) {
		t.Errorf("%v %q", err, c.Except)
	}
	if err := c.RemoveApp("edit"); err == nil {
		t.Error("removed twice")
	}
	if _, err := c.AddApp("edit"); err != nil || len(c.Except) != 0 {
		t.Errorf("%v %+v", err, c.Selection)
	}
	c.RemoveAll()
	if c.All || c.Label != AutoLabel {
		t.Errorf("%+v", c.Selection)
	}
	c.Apps = []string{"org.example.Editor", "viewer"}
	if err := errors.Join(c.RemoveApp("edit"), c.RemoveApp("viewer.box")); err != nil || len(c.Apps) != 0 {
		t.Errorf("%v %q", err, c.Apps)
	}
	if err := c.RemoveApp("nosuch"); err == nil || err.Error() != "cannot unexport nosuch: the chroot has no such program" {
		t.Error(err)
	}
	c.Root = nil // a deleted chroot
	c.apps = nil
	if err := c.RemoveApp("edit"); err == nil {
		t.Error("what is not exported is removed")
	}
}

func TestSummarize(t *testing.T) {
	h := &Host{BinDir: "/home/al/.local/bin"}
	plan := &Plan{
		Steps: []Step{
			{Op: Write, Path: "/home/al/.local/share/applications/a.desktop"}, {Op: Replace, Path: "/x/b.desktop"}, {Op: Remove, Path: "/x/c.desktop"},
			{Op: Keep, Path: "/x/d.desktop", Why: Edited}, {Op: Write, Path: "/x/icon.png"},
			{Op: Write, Path: h.BinDir + "/find"}, {Op: Keep, Path: h.BinDir + "/ls", Why: Foreign},
		},
		Notes: []Note{{ID: "a", Text: "loses a key"}, {ID: "z", Text: "unchanged"}, {ID: "bad", Text: "is not exported: x", Refusal: "x\x1b"}, {ID: "named", Text: "is hidden"}},
		IDs:   map[string]string{"a": "a", "z": "z"},
	}
	s := Summarize(h, plan, Named{Apps: []string{"bad", "named"}, Commands: []string{"ls"}}, Brief)
	if got, want := strings.Join(s.Changes, "\n"), "a is in the menu\nb has changed\nc is no longer exported\n/home/al/.local/bin/find was made"; got != want {
		t.Errorf("%s", got)
	}
	if got, want := strings.Join(s.Notes, "\n"), "/x/d.desktop stays as it is: you have changed it\nnamed is hidden"; got != want {
		t.Errorf("%s", got)
	}
	if s.Refused == nil || s.Refused.Error() != "cannot export ls: /home/al/.local/bin/ls exists: it does not belong to this export\ncannot export bad: x?" {
		t.Errorf("%v", s.Refused)
	}
	if s.Idle || !plan.MakesCommands(h) {
		t.Errorf("%+v", s)
	}
	if s := Summarize(h, plan, Named{}, Steps); len(s.Changes) != len(plan.Steps) || len(s.Notes) != len(plan.Notes) {
		t.Errorf("%+v", s)
	}
	if s := Summarize(h, &Plan{}, Named{}, Brief); !s.Idle || s.Refused != nil || len(s.Changes)+len(s.Notes) > 0 {
		t.Errorf("%+v", s)
	}
}

func TestListOffers(t *testing.T) {
	c := newChooser(t)
	var got []string
	for _, o := range ListOffers(c.Host, c.Root, &Set{host: c.Host, chroot: "box", previous: &manifest{files: map[string]record{c.Host.entryFile("viewer.box"): {}}}}) {
		got = append(got, o.ID+" "+o.State()+" "+o.Opens())
	}
	want := []string{"bad not possible: ", "org.example.Editor no text/plain text/html and 2 more", "viewer as viewer.box -", "viewer-daemon no (hidden) -"}
	for i := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}

func TestNewHost(t *testing.T) {
	h := NewHost(&session.Caller{Account: account.Account{Home: "/home/al"}, Env: session.Environ{"XDG_DATA_HOME=relative", "XDG_CONFIG_HOME=/c/", "XDG_DATA_DIRS=/a:b:/c",
		"XDG_CURRENT_DESKTOP=:sway:GNOME", "LC_MESSAGES=ja", "LANG=C", "PATH=/usr/bin:/home/al/.local/bin/"}}, "/bin/chrun")
	if h.DataHome != "/home/al/.local/share" || h.ConfigHome != "/c" || !slices.Equal(h.DataDirs, []string{"/a", "/c"}) || h.Locale != "ja" ||
		!slices.Equal(h.Desktops, []string{"sway", "GNOME"}) || h.BinDir != "/home/al/.local/bin" || h.StateDir != "/home/al/.local/state/chrun" {
		t.Errorf("%+v", h)
	}
	if !h.BinDirOnPath(h.Path) || h.BinDirOnPath("/usr/bin") {
		t.Error("BinDirOnPath is wrong")
	}
}

func TestFindLauncher(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"beside/chrun", "other/chrun"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, p)), 0o755), os.WriteFile(filepath.Join(dir, p), nil, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("beside", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ executable, path, want string }{
		{"/beside/chrunctl", "/other:/link", "/link/chrun"}, // the same file, by the name on PATH
		{"/beside/chrunctl", "/other", "/beside/chrun"},
		{"/nowhere/chrunctl", "/other:/link", "/other/chrun"},
		{"/nowhere/chrunctl", "/none", ""},
	} {
		got, err := FindLauncher(dir+x.executable, dir+strings.ReplaceAll(x.path, ":", ":"+dir))
		if got = strings.TrimPrefix(got, dir); got != x.want || (err != nil) != (x.want == "") {
			t.Errorf("%+v: %q %v", x, got, err)
		}
	}
}
