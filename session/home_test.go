package session

import (
	"path/filepath"
	"testing"
)

// The first launch plans mount points in a private home that is not made yet.
func TestMountPointInHomeToBe(t *testing.T) {
	l := newLayout(failing{}, func(Path) bool { return false })
	store := filepath.Join(t.TempDir(), "homes/x")
	l.mount(Mount{Kind: FromHost, Source: store, Dest: "/home", Ours: true})
	at, err := l.place("/home/Pictures/new", Dir)
	if err != nil || at != "/home/Pictures/new" {
		t.Errorf("%s, %v", at, err)
	}
	want := Prepare{InHome: HostPath(store), At: "Pictures/new", Why: "mount point"}
	if len(l.prepare) != 1 || l.prepare[0] != want {
		t.Errorf("%+v, want %+v", l.prepare, want)
	}
}
