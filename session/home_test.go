package session

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chrun/session/rootfs"
)

// The first launch plans mount points in a private home that does not exist yet.
func TestMountPointInNewHome(t *testing.T) {
	l := newLayout(failing{}, func(Path) bool { return false }, 0)
	store := filepath.Join(t.TempDir(), "homes/x")
	l.mount(Mount{Kind: FromHost, Source: store, Dest: "/home", AllowMountPoints: true})
	at, err := l.ensureMountPoint("/home/Pictures/new", Dir)
	if err != nil || at != "/home/Pictures/new" {
		t.Errorf("%s, %v", at, err)
	}
	want := Preparation{InHome: HostPath(store), At: "Pictures/new", Why: "mount point"}
	if len(l.prepare) != 1 || l.prepare[0] != want {
		t.Errorf("%+v, want %+v", l.prepare, want)
	}
}

// A private home that the person has used stays the home, even if the chroot has
// got its own home since.
func TestHomeStays(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"tree/usr", "tree/home/a", "store"} {
		if err := os.MkdirAll(filepath.Join(dir, p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root, err := rootfs.Open(HostPath(filepath.Join(dir, "tree")))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for store, want := range map[string]string{"store": "as in earlier launches", "none": "of the chroot"} {
		f := &Facts{Caller: &Caller{Host: "/"}, Root: root, Home: "/home/a", Allowed: func(string) bool { return true }}
		f.Account.Home = "/home/a"
		b := &builder{f: f, req: Request{HomeStore: HostPath(filepath.Join(dir, store))},
			layout: newLayout(root, func(Path) bool { return true }, 0), plan: &Plan{}}
		if b.mountHome(); !strings.Contains(b.plan.Features[0].State, want) {
			t.Errorf("%s: %s, want %q", store, b.plan.Features[0].State, want)
		}
	}
}

// HOME may be a symlink in a directory of the host that is shared before the home.
func TestHomeIsLink(t *testing.T) {
	w := newWorld(t, "real/x", "link -> real", "loop -> loop")
	w.req.Home, w.f.Home = HomeHost, Path(w.dir+"/link")
	w.f.Caller.Account.Home = w.dir + "/link"
	plan, err := w.decide()
	if err != nil {
		t.Fatal(err)
	}
	if home, _ := plan.Env.Lookup("HOME"); home != w.dir+"/link" {
		t.Error(home)
	}
	if !slices.ContainsFunc(plan.Mounts, func(m Mount) bool { return m.Source == w.dir+"/link" && m.Dest == Path(w.dir+"/real") }) {
		t.Errorf("%+v", plan.Mounts)
	}
	w.f.Home = Path(w.dir + "/loop")
	if _, err := w.decide(); err == nil {
		t.Error("a circle of symlinks is a home")
	}
}

// Two mount points in a new directory of a home that the program can write.
func TestMountPointsInNewDirectory(t *testing.T) {
	w := newWorld(t, "tree/home/alice/", "one/", "two/")
	w.writable = []string{"home/alice"}
	for _, name := range []string{"one", "two"} {
		w.req.Binds = append(w.req.Binds, Bind{Source: HostPath(w.dir + "/" + name), Dest: Path("/home/alice/.config/" + name)})
	}
	plan, err := w.decide()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		if !slices.ContainsFunc(plan.Mounts, func(m Mount) bool { return m.Dest == Path("/home/alice/.config/"+name) }) {
			t.Errorf("%s is not mounted: %q", name, plan.Notes)
		}
	}
}
