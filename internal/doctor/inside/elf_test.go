package inside

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the loader needs to know of a program is what package debug/elf reads.
func TestReadELF(t *testing.T) {
	for _, file := range []string{"/bin/sh", "/usr/bin/env"} {
		want, err := elf.Open(file)
		if err != nil {
			t.Skip(err)
		}
		libraries, err := want.ImportedLibraries()
		want.Close()
		if err != nil {
			t.Skip(err)
		}
		got, err := readELF(file)
		if err != nil {
			t.Fatal(err)
		}
		if got.class != want.Class || got.machine != want.Machine || !slices.Equal(got.needed, libraries) || got.interpreter == "" {
			t.Errorf("%s: %+v, want %v", file, got, libraries)
		}
		l := newLibraries(&Input{})
		if missing, count := l.missing(got); len(missing) > 0 || count < len(libraries) {
			t.Errorf("%s: %v are missing, %d are there", file, missing, count)
		}
		got.needed = append(got.needed, "libnonesuch.so.1")
		if missing, _ := l.missing(got); !slices.Equal(missing, []string{"libnonesuch.so.1"}) {
			t.Errorf("missing: %v", missing)
		}
	}
}

// Libraries of a directory that the program names come first, and those of the other
// class do not count.
func TestRunPath(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "libown.so"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	l := newLibraries(&Input{})
	f := &elfFile{class: elf.ELFCLASS64, needed: []string{"libown.so"}}
	if missing, _ := l.missing(f); len(missing) != 1 {
		t.Errorf("%v", missing)
	}
	f.search = []string{dir}
	if missing, _ := l.missing(f); len(missing) != 0 {
		t.Errorf("%v", missing)
	}
	f.class = elf.ELFCLASS32
	if missing, _ := l.missing(f); len(missing) != 1 {
		t.Errorf("%v", missing)
	}
}

// Nothing but regular files is opened, and a chroot full of files costs no time.
func TestHostileFiles(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "libfifo.so")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fifo, "/dev/null", "/dev/tty", dir} {
		if f, err := openRegular(name); err == nil {
			f.Close()
			t.Errorf("%s was opened", name)
		}
	}
	os.Mkdir(filepath.Join(dir, "dri"), 0o700)
	for _, name := range []string{"a", "b"} {
		if err := exec.Command("sh", "-c", "cd $0/dri && seq -f "+name+"%.0f_dri.so 20000 | xargs touch", dir).Run(); err != nil {
			t.Skip(err)
		}
	}
	begin := time.Now()
	l := &libraries{dirs: []string{dir, dir + "/", dir + "/."}}
	if d := findDrivers(l); len(d.mesa) != 0 {
		t.Errorf("%+v", d)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// No file makes the reader panic or read without end.
func FuzzReadELF(f *testing.F) {
	for _, file := range []string{"/bin/sh", "/bin/true"} {
		if data, err := os.ReadFile(file); err == nil {
			f.Add(data[:min(len(data), 100000)])
		}
	}
	f.Add([]byte(elf.ELFMAG))
	name := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if e, err := readELF(name); err == nil && len(e.needed) > 500 {
			t.Errorf("%d libraries", len(e.needed))
		}
	})
}
