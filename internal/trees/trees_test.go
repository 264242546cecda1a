package trees

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"chrun/internal/headless"
)

func TestMain(m *testing.M) {
	if os.Args[0] == Name {
		os.Exit(Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// A member below a symlink of the archive, as in systems whose /bin is one.
func TestUnpack(t *testing.T) {
	headless.Root(t)
	dir := t.TempDir()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: "usr/bin", Typeflag: tar.TypeDir, Mode: 0o751},
		{Name: "bin", Typeflag: tar.TypeSymlink, Linkname: "usr/bin"}, {Name: "bin/x", Typeflag: tar.TypeReg, Mode: 0o4755, Size: 2}} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("hi")[:h.Size])
	}
	w.Close()
	if err := os.Chmod(dir, 0o700); err != nil { // as Reserve makes it
		t.Fatal(err)
	}
	r, err := Unpack(t.Context(), Map{}, dir, &b, nil)
	if err != nil || r.Members != 4 || len(r.Left) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	for name, want := range map[string]os.FileMode{"usr": 0o755, "usr/bin": 0o751, "usr/bin/x": 0o755 | os.ModeSetuid} {
		if st, err := os.Lstat(filepath.Join(dir, name)); err != nil || st.Mode()&^os.ModeDir != want {
			t.Errorf("%s: %v %v", name, st, err)
		}
	}
	if err := Clear(Map{}, dir); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("after Clear: %v %v", list, err)
	}
}
