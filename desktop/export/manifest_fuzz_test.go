package export

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is read is written and read again as the same.
func FuzzManifest(f *testing.F) {
	f.Add([]byte("tree\t/srv/x\nlabel\tauto\nstate\t12\nall\napp\tone.desktop\nfile\t/home/a/one\tab cd\t12\t34\tsource\nmade\ta\\\\b\tA\\tB\ticon"))
	f.Add([]byte("file\trelative\t\t0\t0\t"))
	f.Add([]byte("made\tprogram\tA\\\\B\t")) // only the name has a backslash
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, lines []byte) {
		file := filepath.Join(dir, "manifest")
		read := func(data []byte) *manifest {
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			m, err := readManifest(file)
			if err != nil {
				return nil
			}
			return m
		}
		m := read(append([]byte(manifestHeader+"\n"), lines...))
		if m == nil {
			return
		}
		for p := range m.files {
			if !filepath.IsAbs(p) {
				t.Errorf("the manifest names %q", p)
			}
		}
		once := m.encode()
		again := read(once)
		if again == nil {
			t.Fatalf("%q cannot be read again", once)
		}
		if twice := again.encode(); !bytes.Equal(once, twice) {
			t.Errorf("%q becomes %q", once, twice)
		}
	})
}
