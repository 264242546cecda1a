package launch

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// openTree makes a directory with a small tree and opens that.
func openTree(t *testing.T) (*rootfs.Root, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "tree/usr"), 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := rootfs.Open(rootfs.HostPath(filepath.Join(dir, "tree")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, dir
}

// The files, directories and symlinks of the skeleton are copied, and nothing
// else. Symlinks are not followed. The owner can write every file.
func TestSkel(t *testing.T) {
	root, dir := openTree(t)
	skel := filepath.Join(dir, "tree/etc/skel")
	secret := filepath.Join(dir, "secret")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(skel, "sub"), 0o755),
		os.WriteFile(secret, []byte("on the host"), 0o600),
		os.WriteFile(filepath.Join(skel, ".profile"), []byte("p"), 0o444),
		os.WriteFile(filepath.Join(skel, "sub/run"), []byte("x"), 0o755),
		os.Symlink(secret, filepath.Join(skel, "secret")),
		os.Symlink("/", filepath.Join(skel, "sub/root")),
		unix.Mkfifo(filepath.Join(skel, "fifo"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	home := filepath.Join(dir, "data/homes/x")
	if err := makeHome(rootfs.HostPath(home), "/etc/skel", root); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]os.FileMode{"": os.ModeDir | 0o700, ".profile": 0o644, "sub": os.ModeDir | 0o700, "sub/run": 0o755} {
		if st, err := os.Lstat(filepath.Join(home, p)); err != nil || st.Mode() != want {
			t.Errorf("%s: %v, %v", p, st, err)
		}
	}
	for p, want := range map[string]string{"secret": secret, "sub/root": "/"} {
		if got, err := os.Readlink(filepath.Join(home, p)); got != want {
			t.Errorf("%s -> %q, %v", p, got, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(home, "fifo")); !os.IsNotExist(err) {
		t.Errorf("fifo: %v", err)
	}
	// An existing home is not changed.
	os.Remove(filepath.Join(home, ".profile"))
	if err := makeHome(rootfs.HostPath(home), "/etc/skel", root); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(home, ".profile")); !os.IsNotExist(err) {
		t.Error("the home was filled again")
	}
}

// The skeleton can have large files, be a symlink, a FIFO, or deep.
func TestHostileSkel(t *testing.T) {
	old := maxSkel
	maxSkel = 1000
	defer func() { maxSkel = old }()
	root, dir := openTree(t)
	skel := filepath.Join(dir, "tree/etc/skel")
	os.MkdirAll(skel, 0o755)
	os.WriteFile(filepath.Join(skel, "large"), bytes.Repeat([]byte("x"), 1001), 0o644)
	os.WriteFile(filepath.Join(skel, "small"), []byte("x"), 0o644)
	home := rootfs.HostPath(filepath.Join(dir, "homes/x"))
	if err := makeHome(home, "/etc/skel", root); err != nil {
		t.Errorf("large: %v", err)
	}
	if list, _ := os.ReadDir(string(home)); len(list) != 1 || list[0].Name() != "small" {
		t.Errorf("copied from a large file and a small one: %v", list)
	}
	os.RemoveAll(string(home))
	os.RemoveAll(skel)
	os.MkdirAll(filepath.Join(dir, "outside"), 0o755)
	os.WriteFile(filepath.Join(dir, "outside/file"), nil, 0o644)
	os.Symlink(filepath.Join(dir, "outside"), skel)
	if err := makeHome(home, "/etc/skel", root); err != nil {
		t.Error(err)
	}
	if list, _ := os.ReadDir(string(home)); len(list) != 0 {
		t.Errorf("copied from the host: %v", list)
	}
	os.Remove(skel)
	unix.Mkfifo(skel, 0o644)
	if err := makeHome(home.Join("../y"), "/etc/skel", root); err != nil {
		t.Errorf("a FIFO: %v", err)
	}
	deep := skel
	os.Remove(skel)
	for range 60 {
		deep = filepath.Join(deep, "d")
	}
	os.MkdirAll(deep, 0o755)
	if err := makeHome(home.Join("../z"), "/etc/skel", root); err != nil {
		t.Errorf("deep: %v", err)
	}
}

// Concurrent launches make one home.
func TestConcurrentHome(t *testing.T) {
	root, dir := openTree(t)
	os.MkdirAll(filepath.Join(dir, "tree/etc/skel"), 0o755)
	os.WriteFile(filepath.Join(dir, "tree/etc/skel/x"), []byte("x"), 0o644)
	home := rootfs.HostPath(filepath.Join(dir, "homes/x"))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := makeHome(home, "/etc/skel", root); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if list, _ := os.ReadDir(filepath.Join(dir, "homes")); len(list) != 1 {
		t.Errorf("homes: %v", list)
	}
	file := filepath.Join(dir, "file")
	os.WriteFile(file, nil, 0o644)
	if err := makeHome(rootfs.HostPath(file), "/etc/skel", root); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("a file in place of the home: %v", err)
	}
}

// makeInTree makes directories and never follows a symlink.
func TestMakeInTree(t *testing.T) {
	root, dir := openTree(t)
	for range 2 { // the second time they exist
		for _, file := range []bool{false, true} {
			if err := makeInTree(root, &session.Preparation{InTree: "/home/a/b", File: file}); err != nil {
				t.Errorf("file %v: %v", file, err)
			}
		}
	}
	if err := makeInTree(root, &session.Preparation{InTree: "/home/a/file", File: true}); err != nil {
		t.Error(err)
	}
	if st, err := os.Lstat(filepath.Join(dir, "tree/home/a/file")); err != nil || st.Mode() != session.FilePlaceholderMode || st.Size() != 0 {
		t.Errorf("%v, %v", st, err)
	}
	outside := filepath.Join(dir, "outside")
	os.Mkdir(outside, 0o755)
	for _, target := range []string{outside, "../outside", "/"} {
		link := filepath.Join(dir, "tree/link")
		os.Remove(link)
		os.Symlink(target, link)
		if err := makeInTree(root, &session.Preparation{InTree: "/link/x"}); err == nil {
			t.Errorf("followed a symlink to %s", target)
		}
	}
	if list, _ := os.ReadDir(outside); len(list) != 0 {
		t.Errorf("made outside the tree: %v", list)
	}
}

// interpreter finds the interpreter in the beginning of a file.
func TestInterpreter(t *testing.T) {
	for head, want := range map[string]string{
		"#!/bin/sh\n":               "/bin/sh",
		"#! /usr/bin/env python -x": "/usr/bin/env",
		"#!":                        "(unknown)",
		"":                          "(unknown)",
		"\x7fELF":                   "(unknown)",
		elf(62, nil, "/lib64/ld-linux-x86-64.so.2"): "/lib64/ld-linux-x86-64.so.2",
		elf(62, nil, ""):                                        "(unknown)",
		elf(62, nil, "")[:100]:                                  "(unknown)",
		"\x7fELF" + strings.Repeat("\xff", 200):                 "(unknown)",
		"\x7fELF\x02\x02" + strings.Repeat("\xff", 200):         "(unknown)",
		"\x7fELF\x01\x01" + strings.Repeat("\x00\xff\x03", 100): "(unknown)",
	} {
		if got := interpreter([]byte(head)); got != want {
			t.Errorf("interpreter(%.30q) = %q, want %q", head, got, want)
		}
	}
}

// No file content makes the functions panic.
func FuzzInterpreter(f *testing.F) {
	f.Add([]byte(elf(62, nil, "/lib/ld.so")))
	f.Add([]byte("#!/bin/sh -x\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if len(head) <= headSize {
			interpreter(head)
			badFormat("/bin/x", head, false)
		}
	})
}
