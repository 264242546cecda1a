package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newRoot makes a directory with a tree and, outside the tree, a file "secret".
// Entries are directories ("x/"), symlinks ("x -> y", where DIR stands for the
// directory) or files.
func newRoot(t *testing.T, entries ...string) (*Root, string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range append([]string{"usr/", "../secret"}, entries...) {
		name, target, link := strings.Cut(e, " -> ")
		at := filepath.Join(dir, "tree", name)
		err := os.MkdirAll(filepath.Dir(at), 0o755)
		switch {
		case link:
			err = errors.Join(err, os.Symlink(strings.ReplaceAll(target, "DIR", dir), at))
		case strings.HasSuffix(name, "/"):
			err = errors.Join(err, os.MkdirAll(at, 0o755))
		default:
			err = errors.Join(err, os.WriteFile(at, []byte(filepath.Base(name)), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := Open(HostPath(dir + "/tree"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, dir
}

func TestOpen(t *testing.T) {
	_, dir := newRoot(t, "../bin-only/bin/", "../nothing/", "../file", "../link -> tree", "../usr-link/usr -> /nowhere",
		"../whole/usr/bin/", "../whole/etc/", "../part/usr/bin/")
	for name, want := range map[string]string{"tree": "tree", "link": "tree", "bin-only": "bin-only", "usr-link": "usr-link", "part/usr": "part/usr", "tree/../tree/": "tree"} {
		r, err := Open(HostPath(dir + "/" + name))
		if err != nil || string(r.Dir()) != dir+"/"+want {
			t.Errorf("%s: %v, %v", name, r, err)
			continue
		}
		r.Close()
	}
	var not *NotChrootError
	for _, p := range []string{dir + "/nothing", "/", "/proc/self/root", "/usr", dir + "/whole/usr"} {
		if r, err := Open(HostPath(p)); !errors.As(err, &not) {
			t.Errorf("%s: %v, %v", p, r, err)
		}
	}
	for p, want := range map[string]error{"/missing": fs.ErrNotExist, "/file": unix.ENOTDIR} {
		if r, err := Open(HostPath(dir + p)); !errors.Is(err, want) {
			t.Errorf("%s: %v, %v", p, r, err)
		}
	}
}

// No path or symlink leads out of the tree.
func TestStaysInside(t *testing.T) {
	r, dir := newRoot(t, "etc/file", "a -> etc/file", "b -> /etc/file", "c -> ../../../../etc/file", "etc/d -> ../../..//etc/file",
		"out -> DIR/secret", "up -> ../secret", "etc/up -> ../../../secret", "loop -> loop", "proc/self/", "e -> /proc/self/root",
		"real-proc/")
	for _, p := range []Path{"/etc/file", "/a", "/b", "/c", "/etc/d", "/../../etc/file", "etc/file", "//etc//./file"} {
		if data, err := r.Read(p); string(data) != "file" {
			t.Errorf("%s: %q, %v", p, data, err)
		}
	}
	for _, p := range []Path{"/out", "/up", "/etc/up", "/../secret", "/loop", "/missing", "/e/secret", Path(dir + "/secret"), "/etc/file/x", ""} {
		if data, err := r.Read(p); err == nil {
			t.Errorf("%s: %q", p, data)
		}
		if f, err := r.Open(p); err == nil {
			t.Errorf("%s can be opened", p)
			f.Close()
		}
	}
	for _, p := range []Path{"/out", "/loop", "/up"} {
		if r.Exists(p) || r.IsDir(p) || r.CanAccess(p, unix.R_OK) {
			t.Errorf("%s exists", p)
		}
		if st, err := r.Lstat(p); err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK {
			t.Errorf("%s: %v", p, err)
		}
	}
	if target, err := r.Readlink("/out"); target != dir+"/secret" {
		t.Errorf("%q, %v", target, err)
	}
}

// The magic links in /proc, which may be mounted in the tree, are not followed.
func TestMagicLinks(t *testing.T) {
	r, err := Open("/")
	if err == nil {
		t.Fatal(r)
	}
	fd, err := unix.Open("/", unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	r = &Root{dir: "/x", fd: fd}
	defer r.Close()
	for _, p := range []Path{"/proc/self/root/etc/passwd", "/proc/self/cwd", "/proc/self/fd/0", "/proc/self/exe"} {
		if _, err := r.Stat(p); !errors.Is(err, unix.ELOOP) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// Read refuses other files without blocking, and files above the limit.
func TestRead(t *testing.T) {
	r, dir := newRoot(t, "dir/", "empty", "etc/", "link -> fifo")
	os.WriteFile(dir+"/tree/empty", nil, 0o644)
	for name, size := range map[string]int64{"fits": MaxFile, "large": MaxFile + 1, "huge": 1 << 40} {
		if f, err := os.Create(dir + "/tree/" + name); err != nil || f.Truncate(size) != nil {
			t.Skip("cannot make a large file:", err)
		}
	}
	if err := unix.Mkfifo(dir+"/tree/fifo", 0o666); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for p, want := range map[Path]error{"/fifo": ErrNotRegular, "/link": ErrNotRegular, "/dir": ErrNotRegular, "/": ErrNotRegular,
		"/large": ErrTooLarge, "/huge": ErrTooLarge, "/missing": fs.ErrNotExist} {
		data, err := r.Read(p)
		var pathError *fs.PathError
		if !errors.Is(err, want) || !errors.As(err, &pathError) || data != nil {
			t.Errorf("%s: %d bytes, %v; want %v", p, len(data), err, want)
		}
	}
	if data, err := r.Read("/fits"); len(data) != MaxFile || err != nil {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if data, err := r.Read("/empty"); len(data) != 0 || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestReadHost(t *testing.T) {
	_, dir := newRoot(t, "../f", "../link -> f")
	at := func(p string) HostPath { return HostPath(dir + "/" + p) }
	if err := unix.Mkfifo(string(at("fifo")), 0o666); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{"f": "f", "link": "f"} {
		if data, err := ReadHost(at(p), 0, 0); string(data) != want {
			t.Errorf("%s: %q, %v", p, data, err)
		}
	}
	for _, x := range []struct {
		p            string
		limit, flags int
		want         error
	}{
		{"link", 0, unix.O_NOFOLLOW, unix.ELOOP}, {"fifo", 0, 0, ErrNotRegular}, {"", 0, 0, ErrNotRegular}, {"missing", 0, 0, fs.ErrNotExist}, {"secret", 5, 0, ErrTooLarge},
	} {
		if data, err := ReadHost(at(x.p), x.limit, x.flags); !errors.Is(err, x.want) {
			t.Errorf("%s: %q, %v; want %v", x.p, data, err, x.want)
		}
	}
	if data, err := ReadHost(at("secret"), 6, 0); string(data) != "secret" {
		t.Errorf("%q, %v", data, err)
	}
	// Files in /proc have size 0 and may need several reads.
	if data, err := ReadHost("/proc/self/smaps", 64<<20, 0); err != nil || len(data) < 4096 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, err := ReadHost("/proc/self/smaps", 100, 0); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file in /proc above the limit: %v", err)
	}
	for p, want := range map[string]string{"link": "f", "f": "f"} {
		if real, err := ResolveHost(at(p)); real != at(want) {
			t.Errorf("%s leads to %s, %v", p, real, err)
		}
	}
}

func TestList(t *testing.T) {
	r, dir := newRoot(t, "d/b", "d/a/", "d/c -> a", "link -> d", "out -> DIR")
	for _, p := range []Path{"/d", "/link"} {
		list, err := r.List(p)
		var names []string
		for _, e := range list {
			names = append(names, e.Name())
		}
		if !reflect.DeepEqual(names, []string{"a", "b", "c"}) || err != nil {
			t.Errorf("%s: %v, %v", p, names, err)
		}
	}
	for _, p := range []Path{"/d/b", "/missing", "/out"} {
		if list, err := r.List(p); err == nil {
			t.Errorf("%s: %v", p, list)
		}
	}
	for i := range MaxEntries + 1 {
		if err := os.WriteFile(dir+"/tree/usr/"+strconv.Itoa(i), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.List("/usr"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d entries: %v", MaxEntries+1, err)
	}
	os.Remove(dir + "/tree/usr/0")
	if list, err := r.List("/usr"); len(list) != MaxEntries || err != nil {
		t.Errorf("%d entries, %v", len(list), err)
	}
}

// Info describes the tree's file, not the host's at the same path, and types are
// those of os.ReadDir.
func TestListInfo(t *testing.T) {
	r, dir := newRoot(t, "usr/", "etc/")
	if err := errors.Join(os.WriteFile(dir+"/tree/etc/passwd", []byte("x"), 0o600), os.Symlink("/etc/passwd", dir+"/tree/etc/link"),
		unix.Mkfifo(dir+"/tree/etc/fifo", 0o600), os.Mkdir(dir+"/tree/etc/dir", 0o700)); err != nil {
		t.Fatal(err)
	}
	inside, err := r.List("/etc")
	onHost, err2 := ListHost(HostPath(dir + "/tree/etc"))
	want, err3 := os.ReadDir(dir + "/tree/etc")
	if err = errors.Join(err, err2, err3); err != nil || len(inside) != len(want) || len(onHost) != len(want) {
		t.Fatal(inside, onHost, err)
	}
	for i, w := range want {
		for _, e := range []os.DirEntry{inside[i], onHost[i]} {
			st, err := e.Info()
			wantSt, err2 := w.Info()
			if errors.Join(err, err2) != nil || e.Name() != w.Name() || e.Type() != w.Type() || e.IsDir() != w.IsDir() || !os.SameFile(st, wantSt) {
				t.Errorf("%v (%v), want %v: %v %v", e, st, w, err, err2)
			}
		}
	}
	if _, err := ListHost(HostPath(dir + "/tree/nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := ListHost(HostPath(dir + "/tree/etc/passwd")); !errors.Is(err, unix.ENOTDIR) {
		t.Error(err)
	}
}

func TestGlob(t *testing.T) {
	r, _ := newRoot(t, "usr/lib/x86_64/a.so", "usr/lib/arm/a.so", "usr/lib/arm/b.so", "out -> DIR", "usr/in -> lib")
	for pattern, want := range map[string]string{
		"/usr/lib/*/a.so":    "/usr/lib/arm/a.so /usr/lib/x86_64/a.so",
		"/usr/in/arm/?.so":   "/usr/in/arm/a.so /usr/in/arm/b.so",
		"/usr/lib/arm":       "/usr/lib/arm",
		"/usr/nothing/*":     "",
		"/out/*":             "",
		"/usr/lib/[bad/x":    "",
		"/*/lib/arm/b.so":    "/usr/lib/arm/b.so",
		"/../../usr/lib/ar*": "/usr/lib/arm",
	} {
		var got []string
		for _, p := range r.Glob(pattern) {
			got = append(got, string(p))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", pattern, got, want)
		}
	}
}

func TestPaths(t *testing.T) {
	if p := Path("/a").Join("b/", "../c"); p != "/a/c" {
		t.Error(p)
	}
	if p := HostPath("/a").Join("/b"); p != "/a/b" {
		t.Error(p)
	}
	for _, x := range []struct {
		p, dir string
		want   bool
	}{{"/a", "/a", true}, {"/a/b", "/a", true}, {"/ab", "/a", false}, {"/a", "/", true}, {"/", "/", true}, {"/", "/a", false}} {
		if Path(x.p).IsBelow(Path(x.dir)) != x.want || HostPath(x.p).IsBelow(HostPath(x.dir)) != x.want {
			t.Errorf("%s below %s", x.p, x.dir)
		}
	}
}

func TestOpenDir(t *testing.T) {
	r, _ := newRoot(t, "d/f", "link -> d", "out -> DIR")
	for _, p := range []Path{"/", "/d", "/link"} {
		fd, err := r.OpenDir(p)
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		unix.Close(fd)
	}
	for _, p := range []Path{"/d/f", "/out", "/missing"} {
		if fd, err := r.OpenDir(p); err == nil {
			t.Errorf("%s: %d", p, fd)
		}
	}
}

// An error that says nothing of the file is kept, because whoever only asked
// whether there is one would go on without it.
func TestFailure(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.MkdirAll(dir+"/usr/bin", 0o755), os.Symlink("loop", dir+"/loop")); err != nil {
		t.Fatal(err)
	}
	r, err := Open(HostPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, p := range []Path{"/nosuch", "/usr/nosuch/x", "/loop/x"} {
		if r.Exists(p) {
			t.Errorf("%s exists", p)
		}
	}
	if err := r.Failure(); err != nil {
		t.Errorf("after answers: %v", err)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	isDir := r.IsDir("/usr/bin")
	unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
	if err := r.Failure(); isDir || !errors.Is(err, unix.EMFILE) {
		t.Errorf("without descriptors: %v, %v", isDir, err)
	}
}

func TestJoin(t *testing.T) {
	parts := []string{"", "/", "//", ".", "..", "a", "/a", "a/", "//a//", "/a/../b", "../..", "a b/\xff"}
	for _, p := range parts {
		for _, e := range parts {
			if got, want := Path(p).Join(e), path.Join(p, e); string(got) != want {
				t.Errorf("%q and %q: %q, not %q", p, e, got, want)
			}
		}
	}
}
