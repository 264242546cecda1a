package session

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chrun/session/rootfs"
)

// The first launch plans mount points in a private home that does not exist yet.
func TestMountPointInNewHome(t *testing.T) {
	l := newLayout(failing{}, func(Path) bool { return false })
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
			layout: newLayout(root, func(Path) bool { return true }), plan: &Plan{}}
		if b.mountHome(); !strings.Contains(b.plan.Features[0].State, want) {
			t.Errorf("%s: %s, want %q", store, b.plan.Features[0].State, want)
		}
	}
}
