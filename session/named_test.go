package session

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// nameFiles makes the command line name these entries of the home.
func (w *world) nameFiles(names ...string) {
	w.Helper()
	var s Share
	for _, name := range names {
		p := HostPath(w.dir + "/home/" + name)
		s.Named = append(s.Named, p)
		if _, err := os.Stat(string(p)); err == nil && name[0] != '.' && name != "todot" {
			s.Binds = append(s.Binds, Bind{Source: p, Dest: Path(p), OnlyIfMissing: true})
		}
	}
	w.more = append(w.more, Offer{Feature: Feature{Name: "files"}, Allowed: true, Share: s})
}

// warning returns the warnings about the home, without the directory of the world.
func (w *world) warning(plan *Plan) string {
	text := strings.Join(slices.DeleteFunc(slices.Clone(plan.Warnings), func(s string) bool { return !strings.Contains(s, "~/") }), "\n")
	return strings.ReplaceAll(text, w.dir, "DIR")
}

// A loose file that the command line names is the link that is there anyway: at the
// first launch, at a later one, and in a temporary home.
func TestNamedLooseFile(t *testing.T) {
	for _, mode := range []HomeMode{HomePrivate, HomeTemporary} {
		for _, later := range []bool{false, true} {
			w := newHomeWorld(t, "notes.txt")
			if later {
				w.makeEntry("home/.local/share/chrun/homes/debian/notes.txt -> /run/hostDIR/home/notes.txt")
			}
			w.req.Home = mode
			w.nameFiles("notes.txt")
			plan := w.plan()
			if _, ok := hasMount(plan, w.dir+"/home/notes.txt"); ok || slices.ContainsFunc(plan.Preparations, func(p Preparation) bool { return p.File && p.At == "notes.txt" }) {
				t.Errorf("%s, later %v: it is bound", mode, later)
			}
			if i := slices.IndexFunc(plan.Tmpfs, func(n Node) bool { return n.Path == "home/notes.txt" }); mode == HomeTemporary && plan.Tmpfs[i].Kind != Symlink {
				t.Errorf("%+v", plan.Tmpfs[i])
			}
		}
	}
}

// If documents are denied, the link of an earlier launch leads to a file that is
// named.
func TestNamedWithoutDocuments(t *testing.T) {
	w := newHomeWorld(t, "notes.txt", "other.txt")
	w.more = nil // no documents
	w.makeEntry("home/.local/share/chrun/homes/debian/notes.txt -> /run/hostDIR/home/notes.txt")
	w.nameFiles("notes.txt", "other.txt")
	plan := w.plan()
	for _, dest := range []string{"/run/host" + w.dir + "/home/notes.txt", w.dir + "/home/other.txt"} {
		if m, ok := hasMount(plan, dest); !ok || filepath.Base(m.Source) != filepath.Base(dest) {
			t.Errorf("%s: %+v; %q", dest, m, plan.Notes)
		}
	}
}

// The chroot's home and the caller's both have proj.
func TestHiddenDirectory(t *testing.T) {
	const own = "home/.local/share/chrun/homes/debian/proj"
	const settle = "; to share yours always: mv ~/.local/share/chrun/homes/debian/proj ~/proj.chroot"
	for _, x := range []struct {
		cwd, names string
		yours      bool
		warning    string
	}{
		{"/", "", false, ""},
		{"/", "proj", false, "~/proj inside is the chroot's own; yours is /run/hostDIR/home/proj there" + settle},
		{"/", "proj/both proj/new", false, "~/proj inside is the chroot's own; yours is /run/hostDIR/home/proj there" + settle},
		{"/", "proj/yours proj/both proj/new", true, "~/proj is yours in this launch, not the chroot's own" + settle},
		{"/", "proj/yours proj/own", false, "~/proj inside is the chroot's own; yours is /run/hostDIR/home/proj there" + settle},
		{"/home/proj", "", true, "~/proj is yours in this launch, not the chroot's own" + settle},
		{"/home/proj/sub", "proj/own", true, "~/proj is yours in this launch, not the chroot's own" + settle},
	} {
		w := newHomeWorld(t, "proj/")
		for _, e := range []string{own + "/own", own + "/both", "home/proj/yours", "home/proj/both", "home/proj/sub/"} {
			w.makeEntry(e)
		}
		if x.cwd != "/" {
			w.f.Caller.Cwd = HostPath(w.dir + x.cwd)
		}
		w.nameFiles(strings.Fields(x.names)...)
		plan := w.plan()
		if _, ok := hasMount(plan, w.dir+"/home/proj"); ok != x.yours || w.warning(plan) != x.warning {
			t.Errorf("%+v: %v, %q", x, ok, w.warning(plan))
		}
		if x.cwd != "/" && string(plan.Cwd) != w.dir+x.cwd {
			t.Errorf("%+v: in %s", x, plan.Cwd)
		}
	}
}

// In a home without links a file of the same name hides the caller's.
func TestHiddenFile(t *testing.T) {
	w := newHomeWorld(t, "notes.txt", "other.txt", "empty.txt")
	for _, e := range []string{"own/notes.txt", "own/empty.txt"} {
		w.makeEntry(e)
	}
	if err := errors.Join(os.Chmod(filepath.Join(w.dir, "own"), 0o777), os.Truncate(filepath.Join(w.dir, "own/empty.txt"), 0)); err != nil {
		t.Fatal(err)
	}
	w.req.Home, w.req.HomeDirectory = HomeDir, HostPath(w.dir+"/own")
	w.nameFiles("notes.txt", "other.txt", "empty.txt")
	plan := w.plan()
	const want = "~/notes.txt inside is the chroot's own; yours is /run/hostDIR/home/notes.txt there; to share yours always: mv DIR/own/notes.txt ~/notes.txt.chroot"
	if got := w.warning(plan); got != want {
		t.Errorf("%q", got)
	}
	for name, bound := range map[string]bool{"notes.txt": false, "other.txt": true, "empty.txt": true} {
		if _, ok := hasMount(plan, w.dir+"/home/"+name); ok != bound {
			t.Errorf("%s: bound %v", name, ok)
		}
	}
}

// Dot files are the chroot's own. One that is named and is not inside is explained.
func TestNamedDotFile(t *testing.T) {
	for _, x := range []struct {
		names     string
		home      HomeMode
		documents bool
		warning   string
	}{
		{".gitconfig .inside .nosuch", HomePrivate, true, "~/.gitconfig is not inside, where dot files are the chroot's own; yours is /run/hostDIR/home/.gitconfig there; --home=host shares all"},
		{".config/a/b", HomePrivate, true, "~/.config/a/b is not inside, where dot files are the chroot's own; yours is /run/hostDIR/home/.config/a/b there; --home=host shares all"},
		{"todot", HomePrivate, true, "~/todot is not inside; yours is /run/hostDIR/home/todot there; --home=host shares all"},
		{".gitconfig", HomePrivate, false, "~/.gitconfig is not inside, where dot files are the chroot's own; to share yours: --bind ~/.gitconfig"},
		{".gitconfig", HomeHost, true, ""},
	} {
		w := newHomeWorld(t, "src/")
		if !x.documents {
			w.more = nil
		}
		for _, e := range []string{"todot -> .config", ".gitconfig", ".inside", ".config/a/b", ".local/share/chrun/homes/debian/.inside"} {
			w.makeEntry("home/" + e)
		}
		w.req.Home = x.home
		w.nameFiles(strings.Fields(x.names)...)
		if got := w.warning(w.plan()); got != x.warning {
			t.Errorf("%+v: %q", x, got)
		}
	}
}

// In the real home what is named by a relative path is found.
func TestNamedInRealHome(t *testing.T) {
	for arg, want := range map[string]bool{".gitconfig": false, "HOME/.gitconfig": true} {
		w := newHomeWorld(t, "notes.txt")
		w.makeEntry("home/.gitconfig")
		w.f.Caller.Cwd = HostPath(w.dir + "/home")
		w.req.Argv = []string{"cat", "notes.txt", strings.ReplaceAll(arg, "HOME", w.dir+"/home")}
		w.nameFiles("notes.txt", ".gitconfig")
		if got := w.warning(w.plan()); (got != "") != want {
			t.Errorf("%s: %q", arg, got)
		}
	}
}

// In a dot directory of the home a command is refused, and told where that is.
func TestCwdInDotDirectory(t *testing.T) {
	w := newHomeWorld(t, "src/")
	w.makeEntry("home/.config/foo/")
	w.f.Caller.Cwd = HostPath(w.dir + "/home/.config/foo")
	_, err := w.decide()
	if e, ok := err.(*CwdError); !ok || e.Inside != Path("/run/host"+w.dir+"/home/.config/foo") {
		t.Errorf("%+v", err)
	}
}
