package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// newTestLayout returns a layout of a tree with the entries, as for world.makeEntry,
// and the directory of the world. own are the writable directories of the tree.
func newTestLayout(t *testing.T, own string, entries ...string) (*layout, string) {
	t.Helper()
	w := &world{TB: t, dir: t.TempDir()}
	w.tree = w.dir + "/tree"
	for _, e := range append([]string{"tree/usr/", "host/dir/sub/", "host/dir/file"}, entries...) {
		w.makeEntry(e)
	}
	root, err := rootfs.Open(HostPath(w.dir + "/tree"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	l := newLayout(root, func(p Path) bool { return own != "" && strings.Contains(" "+own+" ", " "+string(p)+" ") }, 0)
	l.addNode(Node{Path: "run", Kind: Dir, Mode: 0o755})
	l.addNode(Node{Path: "run/link", Kind: Symlink, Target: "/usr"})
	l.mount(Mount{Kind: FromTmpfs, Source: "run", Dest: "/run"})
	l.mount(Mount{Kind: FromHost, Source: w.dir + "/host/dir", Dest: "/host"})
	return l, w.dir
}

func TestWalk(t *testing.T) {
	l, _ := newTestLayout(t, "", "tree/etc/file", "tree/home/", "host/dir/link -> /etc",
		"tree/a -> etc", "tree/b -> /a/../etc/file", "tree/c -> ../../../..", "tree/d -> d", "tree/e -> f", "tree/f -> e",
		"tree/g -> nowhere/x", "tree/h -> /host/sub", "tree/i -> /proc/self/root", "tree/j -> /run/new", "tree/k -> run", "tree/etc/up -> ../home",
		"tree/l -> a/file", "tree/m -> /home/../../..//./etc/")
	for p, want := range map[string]string{
		"/":               "/ directory  []",
		"/etc":            "/etc directory  []",
		"/etc/file":       "/etc/file file  []",
		"//etc/./file":    "/etc/file file  []",
		"/etc/../etc":     "/etc directory  []",
		"/../..":          "/ directory  []",
		"/missing/x/y":    "/   [missing x y]",
		"/etc/missing":    "/etc   [missing]",
		"/a":              "/etc directory /a []",
		"/a/file":         "/etc/file file /a []",
		"/b":              "/etc/file file /b []",
		"/c/etc":          "/etc directory /c []",
		"/d":              "/  /d [d]",
		"/e/x":            "/  /e [e x]",
		"/g":              "/  /g [nowhere x]",
		"/h":              "/  /h [host sub]", // a link into the host is not followed
		"/i/etc":          "/  /i [proc self root etc]",
		"/k/new/x":        "/run   [new x]",
		"/j":              "/run  /j [new]",
		"/k":              "/run directory /k []",
		"/etc/up":         "/home directory /etc/up []",
		"/l":              "/etc/file file /l []",
		"/m/file":         "/etc/file file /m []",
		"/host/sub":       "/host/sub directory  []",
		"/host/file":      "/host/file file  []",
		"/host/none":      "/host   [none]",
		"/run/link":       "/usr directory /run/link []",
		"/run/user/1500":  "/run   [user 1500]",
		"/k/../etc":       "/etc directory /k []",
		"/home/../k/link": "/usr directory /k []",
	} {
		at, err := l.walk(Path(p))
		kind := at.kind
		if !at.exists() {
			kind = ""
		}
		if got := fmt.Sprintf("%s %s %s %v", at.path, kind, at.link, at.missing); err != nil || got != want {
			t.Errorf("walk(%s) = %q, %v; want %q", p, got, err, want)
		}
	}
	for p, want := range map[string]error{"/etc/file/x": unix.ENOTDIR, "/b/x": unix.ENOTDIR, "/host/file/x": unix.ENOTDIR, "/host/link": errHost} {
		if at, err := l.walk(Path(p)); !errors.Is(err, want) {
			t.Errorf("walk(%s) = %s, %v; want %v", p, at.path, err, want)
		}
	}
}

func TestMountPoint(t *testing.T) {
	entries := []string{"tree/etc/file", "tree/etc/up -> ../x", "tree/home/alice/", "tree/home/key", "tree/home/link -> alice", "tree/in -> /host/sub/new",
		"tree/root -> /", "tree/busy -> /run", "tree/x -> y", "tree/y -> x", "tree/var/", "tree/var/lib -> ../home"}
	for _, x := range []struct {
		p    string
		kind NodeKind
		at   string
		made string // new nodes; "*" before those in a mirror of the root
	}{
		{"/etc", Dir, "/etc", ""},
		{"/etc/file", Regular, "/etc/file", ""},
		{"/home/alice", Dir, "/home/alice", ""},
		{"/var/lib/alice", Dir, "/home/alice", ""},
		{"/run/new/deep", Dir, "/run/new/deep", "run/new/ run/new/deep/"},
		{"/run/new/file", Regular, "/run/new/file", "run/new/ run/new/file"},
		{"/home/bob", Dir, "/home/bob", "mirror0/ mirror0/alice/ mirror0/key mirror0/link->alice mirror0/bob/"},
		{"/home/bob/x/f", Regular, "/home/bob/x/f", "mirror0/ mirror0/alice/ mirror0/key mirror0/link->alice mirror0/bob/ mirror0/bob/x/ mirror0/bob/x/f"},
		{"/var/lib/bob", Dir, "/home/bob", "mirror0/ mirror0/alice/ mirror0/key mirror0/link->alice mirror0/bob/"},
		{"/etc/up/z", Dir, "/etc/up/z", "mirror0/ mirror0/file mirror0/up/ mirror0/up/z/"},
		// These replace a link into the host, to the root, in circles, or to a
		// mount point.
		{"/in", Dir, "/in", "*in/"}, {"/in/x", Dir, "/in/x", "*in/ in/x/"}, {"/root", Dir, "/root", "*root/"}, {"/busy", Dir, "/busy", "*busy/"},
		{"/x", Dir, "/x", "*x/"}, {"/busy/new", Dir, "/run/new", "run/new/"}, {"/root/etc", Dir, "/etc", ""},
	} {
		l, _ := newTestLayout(t, "", entries...)
		at, err := l.ensureMountPoint(Path(x.p), x.kind)
		if err != nil || string(at) != x.at {
			t.Errorf("ensureMountPoint(%s) = %s, %v; want %s", x.p, at, err, x.at)
			continue
		}
		if m, _ := l.findMount(at); m.Kind == FromHost {
			t.Errorf("ensureMountPoint(%s) is in a directory of the host", x.p)
		}
		var made []string
		for _, n := range l.nodes[2:] {
			s := n.Path
			if n.Kind == Dir {
				s += "/"
			} else if n.Kind == Symlink {
				s += "->" + n.Target
			}
			made = append(made, s)
		}
		got := strings.Join(made, " ")
		if want, mirrored := strings.CutPrefix(x.made, "*"); mirrored {
			for _, part := range strings.Fields(want) {
				if !strings.Contains(got+" ", "mirror0/"+part+" ") {
					t.Errorf("ensureMountPoint(%s) made %s, without %s", x.p, got, part)
				}
			}
		} else if got != x.made {
			t.Errorf("ensureMountPoint(%s) made %s, want %s", x.p, got, x.made)
		}
		if len(l.prepare) != 0 {
			t.Errorf("ensureMountPoint(%s) changes the tree: %v", x.p, l.prepare)
		}
	}
}

// Nothing is created on the host, and no mount point of the wrong kind is used.
func TestMountPointRefused(t *testing.T) {
	l, dir := newTestLayout(t, "/srv", "tree/etc/file", "tree/srv/")
	for p, kind := range map[string]NodeKind{"/host/new": Dir, "/host/file/x": Dir, "/host/file": Dir, "/host/sub": Regular, "/etc": Regular, "/etc/file": Dir,
		"/etc/file/x": Dir} {
		if at, err := l.ensureMountPoint(Path(p), kind); err == nil {
			t.Errorf("ensureMountPoint(%s, %s) = %s", p, kind, at)
		}
	}
	if list, _ := os.ReadDir(filepath.Join(dir, "host/dir")); len(list) != 2 {
		t.Errorf("created on the host: %v", list)
	}
	if _, err := l.ensureMountPoint("/srv/a/b", Dir); err != nil || len(l.prepare) != 1 || l.prepare[0].InTree != "/srv/a/b" {
		t.Errorf("in a writable directory: %v, %v", l.prepare, err)
	}
}

// In a directory that the program can write, files are made in the tree. They are
// made where a symlink leads to, too, but not through one into the host or in circles.
func TestFileInTree(t *testing.T) {
	for link, want := range map[string]string{"": "/srv/new", "other": "/srv/other", "../mnt/wsl/x": "/mnt/wsl/x", "/host/x": "", "new": "", "none/../x": "", "../host/file": ""} {
		entries := []string{"tree/srv/", "tree/mnt/"}
		if link != "" {
			entries = append(entries, "tree/srv/new -> "+link)
		}
		l, _ := newTestLayout(t, "/srv /mnt", entries...)
		at, err := l.walk("/srv/new")
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.ensureFile(at)
		if string(got) != want || (want == "") != (err != nil) || len(l.nodes) != 2 {
			t.Errorf("-> %q: %s, %v, want %s", link, got, err, want)
		}
		if want != "" && (len(l.prepare) != 1 || l.prepare[0] != Preparation{InTree: Path(want), File: true, Dest: Path(want), Why: "mount point"}) {
			t.Errorf("-> %q: %+v", link, l.prepare)
		}
	}
}

// A mirror has the mode of its directory. A directory that cannot be listed gets
// an empty mirror, but the root gets none.
func TestMirror(t *testing.T) {
	l, dir := newTestLayout(t, "", "tree/srv/a/", "tree/srv/b")
	unix.Chmod(dir+"/tree/srv", 0o1711)
	defer os.Chmod(dir+"/tree/srv", 0o755)
	if err := l.mirrorDir("/srv"); err != nil {
		t.Fatal(err)
	}
	if n := l.nodes[l.node["mirror0"]]; n.Mode != 0o1711 {
		t.Errorf("mode %o", n.Mode)
	}
	mounts := l.orderMounts()
	found := 0
	for i, m := range mounts {
		if m.Kind == FromTree && m.Source == "/srv/a" && m.Dest == "/srv/a" && mounts[m.Into].Dest == "/srv" && m.Rel == "a" && i > m.Into {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%+v", mounts)
	}
	l.tree = failing{l.tree, fs.ErrPermission}
	if err := l.mirrorDir("/usr"); err != nil {
		t.Errorf("a directory that cannot be listed: %v", err)
	}
	if err := l.mirrorDir("/"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a root that cannot be listed: %v", err)
	}
	l.tree = failing{l.tree, rootfs.ErrTooLarge}
	if _, err := l.ensureMountPoint("/opt/x", Dir); !errors.Is(err, rootfs.ErrTooLarge) {
		t.Errorf("a root of too many entries: %v", err)
	}
}

// failing is a tree whose directories cannot be listed.
type failing struct {
	Tree
	err error
}

func (f failing) List(Path) ([]fs.DirEntry, error) { return nil, f.err }
