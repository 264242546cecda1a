package session

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// homeOffer is an offer of these entries: "name/" is a directory of the home.
func (w *world) homeOffer(names ...string) {
	w.Helper()
	var s Share
	for _, name := range names {
		w.makeEntry("home/" + name)
		e := HomeEntry{Name: strings.TrimSuffix(name, "/")}
		if e.Name != name {
			e.Dir = HostPath(w.dir + "/home/" + e.Name)
		}
		s.HomeEntries = append(s.HomeEntries, e)
	}
	w.more = append(w.more, Offer{Feature: Feature{Name: "documents"}, Allowed: true, Share: s})
}

// newHomeWorld is a world whose HOME inside is the caller's home's path.
func newHomeWorld(t *testing.T, entries ...string) *world {
	t.Helper()
	w := newWorld(t, "tree/tmp/", "tree/proc/", "tree/run/", "tree/dev/", "tree/sys/", "tree/home/")
	if err := os.Chmod(w.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w.f.Home = Path(w.dir + "/home")
	w.f.Account.Home = w.dir + "/home"
	w.homeOffer(entries...)
	return w
}

func hasMount(plan *Plan, dest string) (Mount, bool) {
	i := slices.IndexFunc(plan.Mounts, func(m Mount) bool { return string(m.Dest) == dest })
	if i < 0 {
		return Mount{}, false
	}
	return plan.Mounts[i], true
}

func (w *world) plan() *Plan {
	w.Helper()
	plan, err := w.decide()
	if err != nil {
		w.Fatal(err)
	}
	return plan
}

// Directories are bound, loose files are links, in a home that chrun makes.
func TestHomeEntries(t *testing.T) {
	for _, mode := range []HomeMode{HomePrivate, HomeTemporary, HomeDir} {
		w := newHomeWorld(t, "src/", "notes.txt")
		w.makeEntry("own/")
		if err := os.Chmod(filepath.Join(w.dir, "own"), 0o777); err != nil {
			t.Fatal(err)
		}
		w.req.Home, w.req.HomeDirectory = mode, HostPath(w.dir+"/own")
		plan := w.plan()
		home := w.dir + "/home"
		if m, ok := hasMount(plan, home+"/src"); !ok || m.Source != home+"/src" || m.Required {
			t.Errorf("%s: %+v", mode, m)
		}
		if m, ok := hasMount(plan, "/run/host"+home); !ok || m.Source != home || m.ReadOnly {
			t.Errorf("%s: %+v", mode, m)
		}
		if _, ok := hasMount(plan, home+"/notes.txt"); ok {
			t.Errorf("%s: a loose file is bound", mode)
		}
		target := "/run/host" + home + "/notes.txt"
		linked := slices.ContainsFunc(plan.Preparations, func(p Preparation) bool { return p.Link == target && p.At == "notes.txt" }) ||
			slices.ContainsFunc(plan.Tmpfs, func(n Node) bool { return n.Target == target })
		if linked != (mode != HomeDir) {
			t.Errorf("%s: linked: %v", mode, linked)
		}
	}
	for _, mode := range []HomeMode{HomeHost} {
		w := newHomeWorld(t, "src/", "notes.txt")
		w.req.Home = mode
		plan := w.plan()
		if _, ok := hasMount(plan, w.dir+"/home/src"); ok {
			t.Errorf("%s: a directory is bound over itself", mode)
		}
		if _, ok := hasMount(plan, "/run/host"+w.dir+"/home"); ok {
			t.Errorf("%s has an alias", mode)
		}
	}
}

// What the private home already has under a name stays.
func TestHomeConflicts(t *testing.T) {
	w := newHomeWorld(t, "used/", "empty/", "nested/", "file/", "own.txt", "linked.txt", "leftover.txt")
	store := "home/.local/share/chrun/homes/debian"
	for _, p := range []string{"/used/x", "/empty/", "/nested/a/b/", "/file"} {
		w.makeEntry(store + p)
	}
	for name, data := range map[string]string{"own.txt": "mine", "file": "mine", "leftover.txt": "", "used/x": "mine"} {
		if err := os.WriteFile(filepath.Join(w.dir, store, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.makeEntry(store + "/linked.txt -> /run/host" + w.dir + "/home/linked.txt")
	if err := os.Chmod(filepath.Join(w.dir, store), 0o777); err != nil {
		t.Fatal(err)
	}
	plan := w.plan()
	for name, bound := range map[string]bool{"used": false, "empty": true, "nested": true, "file": false} {
		if _, ok := hasMount(plan, w.dir+"/home/"+name); ok != bound {
			t.Errorf("%s: bound: %v", name, ok)
		}
	}
	own := HostPath(w.dir + "/" + store + "/own.txt")
	if want := []StandIn{{own, HostPath(w.dir + "/home/own.txt")}}; !slices.Equal(plan.StandIns, want) {
		t.Errorf("%+v", plan.StandIns)
	}
	var made []string
	for _, p := range plan.Preparations {
		if p.InHome != "" {
			made = append(made, p.At)
		}
	}
	if !slices.Equal(made, []string{"leftover.txt"}) {
		t.Errorf("%q are made", made)
	}
	if notes := strings.Join(plan.Notes, "\n"); !strings.Contains(notes, "~/used is the chroot's own") || !strings.Contains(notes, "~/file is the chroot's own file") {
		t.Error(notes)
	}
}

// A launch in a directory of the home runs there, also before anything of it is
// inside. At the top of the home only a command that names a loose file runs in
// the real home.
func TestHomeCwd(t *testing.T) {
	for _, x := range []struct{ cwd, argv, want string }{
		{"/home/src/a/b", "make", "HOME/src/a/b"},
		{"/home/src", "", "HOME/src"},
		{"/home", "firefox", "HOME"},
		{"/home", "", "HOME"},
		{"/home", "sed -i s/a/b/ notes.txt", "/run/hostHOME"},
		{"/home", "convert ./notes.txt b.png", "/run/hostHOME"},
		{"/home", "prog --file=notes.txt", "/run/hostHOME"},
		{"/home", "git worktree add src", "HOME"},
		{"/home", "cat HOME/notes.txt", "HOME"},
		{"/home", "cat .hidden nosuch src", "HOME"},
	} {
		w := newHomeWorld(t, "src/a/b/", "notes.txt")
		w.more[0].Share.HomeEntries[0] = HomeEntry{Name: "src", Dir: HostPath(w.dir + "/home/src")}
		w.makeEntry("home/.hidden")
		at := func(s string) string { return strings.ReplaceAll(s, "HOME", w.dir+"/home") }
		w.f.Caller.Cwd, w.req.Argv = HostPath(w.dir+x.cwd), strings.Fields(at(x.argv))
		if plan := w.plan(); string(plan.Cwd) != at(x.want) || plan.Env.Get("PWD") != at(x.want) {
			t.Errorf("%s in %s: %s, want %s", x.argv, x.cwd, plan.Cwd, at(x.want))
		}
	}
}

// Root inside gets nothing of the caller's home.
func TestHomeOfRoot(t *testing.T) {
	w := newHomeWorld(t, "src/", "notes.txt")
	w.req.RootInside = true
	for _, m := range w.plan().Mounts {
		if strings.Contains(m.Source, "/home/src") || strings.HasPrefix(string(m.Dest), "/run/host"+w.dir) {
			t.Errorf("%+v", m)
		}
	}
}
