package test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// homeDesk is a desktop whose user has a home with the entries of the corner cases.
func homeDesk(t *testing.T) (d *desk, home string) {
	t.Helper()
	home = makeHome(t, nil)
	d = openDesktop(t, headless.Options{Home: home})
	elsewhere := headless.Dir(t, d.User)
	script := `set -e; cd "$1"
mkdir -p src/a/b/c in p1 "with blank" 日本 "new
line" .dot/x
printf 'in a' >in/a; printf top >top.txt; printf hidden >.hidden; printf far >"$2/far.txt"
ln -s "$2" data; ln -s .dot todot; ln -s . self; ln -s / toroot; ln -s /etc etc; ln -s nowhere nolink; ln -s loop loop
mkfifo fifo; for n in $(seq 300); do mkdir -p "many/$n"; done`
	if out, err := d.Output("sh", "-c", script, "sh", home, elsewhere); err != nil {
		t.Fatal(out, err)
	}
	return d, home
}

// in runs a program from a directory.
func (d *desk) in(dir string, flags []string, command ...string) result {
	d.t.Helper()
	cmd := d.Command(d.t.Context(), chrunProgram, append(append([]string{"-c", d.chroot}, flags...), command...)...)
	cmd.Dir = dir
	return runCommand(cmd)
}

// wantFile checks the content of a file on the host.
func wantFile(t *testing.T, file, content string) {
	t.Helper()
	if data, err := os.ReadFile(file); err != nil || string(data) != content {
		t.Errorf("%s: %q, %v; want %q", file, data, err, content)
	}
}

// copyOwnTree makes a tree that belongs to the user, with a few programs of the tests'
// chroot.
func copyOwnTree(t *testing.T, d *desk) (tree string) {
	t.Helper()
	tree = filepath.Join(headless.Dir(t, d.User), "own")
	script := `set -e; mkdir "$1"; cd "$2"; L=usr/lib/x86_64-linux-gnu
cp -a --parents bin lib lib64 usr/lib64/ld-linux-x86-64.so.2 $L/ld-linux-x86-64.so.2 $L/lib[cm].so.6 $L/libselinux.so* $L/libpcre2-8.so* $L/libacl.so* \
	$L/libattr.so* $L/libtinfo.so* $L/libcrypto.so* usr/bin/sh usr/bin/dash usr/bin/bash usr/bin/sed "$1"
for p in cat cp dd mkdir ls wc test pwd tee env touch sleep mv rm true dirname id; do cp -a --parents usr/bin/$p "$1"; done`
	if out, err := d.Output("sh", "-c", script, "sh", tree, d.chroot); err != nil {
		t.Fatal(out, err)
	}
	return tree
}

// What is visible in the home is the same inside, in a private home, in the chroot's
// own, and in a tree that the caller may write.
func TestHome(t *testing.T) {
	for _, kind := range []string{"root's tree", "a home in the tree", "the user's tree"} {
		t.Run(kind, func(t *testing.T) {
			d, home := homeDesk(t)
			own, treeHome := kind == "a home in the tree", ""
			if own {
				d.chroot, treeHome = mountTreeWithHome(t, d.User)
			} else if kind == "the user's tree" {
				d.chroot = copyOwnTree(t, d)
			}
			at := func(p string) string { return filepath.Join(home, p) }
			// The first launch, two levels deep.
			d.in(at("src/a/b/c"), nil, "pwd").wantOutput(t, at("src/a/b/c"))
			// Output into an existing directory, by any spelling.
			for i, words := range [][]string{
				{"cp", at("in/a"), at("p1/0")}, {"dd", "status=none", "if=" + at("in/a"), "of=" + at("p1/1")},
				{"sh", "-c", "cat ~/in/a >~/p1/2"}, {"sh", "-c", `cat "${1#@}" >"$HOME/p1/3"`, "sh", "@" + at("in/a")},
				{"sh", "-c", `cp "${1#-I}/a" "${1#-I}/../p1/4"`, "sh", "-I" + at("in")},
			} {
				d.in("/", nil, words...).wantOutput(t, "")
				wantFile(t, at("p1/"+string(rune('0'+i))), "in a")
			}
			d.in("/", nil, "sh", "-c", `for p in data "with blank" 日本 "new
line"; do test -d ~/"$p" || echo missing "$p"; done; cat ~/data/far.txt; ls ~/many | wc -l; echo x >~/data/made`).wantOutput(t, "far300")
			wantFile(t, at("data/made"), "x\n")
			for _, p := range []string{"todot", "self", "toroot", "etc", "nolink", "loop", "fifo", ".dot", ".hidden"} {
				if r := d.in("/", nil, "sh", "-c", "test -e ~/"+p); r.err == nil {
					t.Errorf("%s is inside", p)
				}
			}
			// Loose files of the home by relative names are the host's.
			d.in(home, nil, "cp", "top.txt", "copy.txt").wantOutput(t, "")
			wantFile(t, at("copy.txt"), "top")
			d.in(home, nil, "sed", "-i", "s/top/changed/", "top.txt").wantOutput(t, "")
			wantFile(t, at("top.txt"), "changed")
			d.in(home, nil, "pwd").wantOutput(t, home)
			if !own {
				d.in("/", nil, "sh", "-c", "echo appended >>~/top.txt").wantOutput(t, "")
				wantFile(t, at("top.txt"), "changedappended\n")
			}
			// What a program makes at the top stays inside, and chrun says where.
			r := d.in("/", nil, "sh", "-c", "echo new >~/made-inside")
			if _, rest, _ := strings.Cut(r.stderr, "hint: to have it in your home: mv -i "); own {
				wantFile(t, filepath.Join(treeHome, "made-inside"), "new\n")
			} else if made, _, _ := strings.Cut(rest, " "); !strings.HasPrefix(made, "~/") {
				t.Error(r.stderr)
			} else {
				wantFile(t, at(strings.Trim(made[2:], "'")), "new\n")
			}
			if _, err := os.Lstat(at("made-inside")); err == nil {
				t.Error("a file made inside is in the home")
			}
			if r := d.in("/", nil, "true"); r.stderr != "" {
				t.Errorf("it is reported again: %s", r.stderr)
			}
			if r := d.in("/", nil, "sh", "-c", "echo again >>~/made-inside"); !strings.Contains(r.stderr, "~/made-inside was changed in the chroot's home") {
				t.Errorf("a later change is not reported: %s", r.stderr)
			}
			// Nothing of chrun stays in another system's home.
			if own {
				entries, _ := os.ReadDir(treeHome)
				for _, e := range entries {
					if e.Name() != "made-inside" && e.Name() != "both" && e.Name()[0] != '.' {
						t.Errorf("%s stays in the chroot's home", e.Name())
					}
				}
			}
			// What the command line names, where both homes have something, or only the host's.
			if r := d.in("/", nil, "cat", at(".hidden")); !strings.Contains(r.stderr, "~/.hidden is not inside") || !strings.Contains(r.stderr, "/run/host"+at(".hidden")) {
				t.Errorf("a dot file: %s", r.stderr)
			}
			d.in("/", nil, "cat", "/run/host"+at(".hidden")).wantOutput(t, "hidden")
			d.in("/", nil, "sh", "-c", "mkdir ~/both && echo own >~/both/own")
			if out, err := d.Output("sh", "-c", `mkdir "$1/both" && echo yours >"$1/both/yours"`, "sh", home); err != nil {
				t.Fatal(out, err)
			}
			for _, dir := range []string{"/", home, at("both")} {
				r := d.in(dir, nil, "sed", "-i", "s/$/ changed/", at("both/yours"))
				if r.err != nil || !strings.Contains(r.stderr, "~/both is yours in this launch, not the chroot's own") {
					t.Errorf("in %s: %+v", dir, r)
				}
			}
			wantFile(t, at("both/yours"), "yours changed changed changed\n")
			if r := d.in("/", nil, "cat", at("both/own")); r.stdout != "own" || !strings.Contains(r.stderr, "~/both inside is the chroot's own") {
				t.Errorf("%+v", r)
			}
			// --deny documents switches the rule off, but not files that are named.
			d.in(home, []string{"--deny=documents"}, "cat", "top.txt").wantOutput(t, strings.TrimSpace(readFile(t, at("top.txt"))))
			d.in(home, []string{"--home=temporary"}, "cat", at("top.txt")).wantOutput(t, strings.TrimSpace(readFile(t, at("top.txt"))))
			if r := d.in("/", []string{"--deny=documents"}, "sh", "-c", "test -e ~/src/a"); r.err == nil {
				t.Error("documents are denied, and shared")
			}
		})
	}
}

// What a program puts in the place of a file of the home is kept, even if the home
// is a temporary one. What else is made there is named.
func TestTemporaryHome(t *testing.T) {
	d, home := homeDesk(t)
	for _, quiet := range []bool{false, true} {
		flags := []string{"--home=temporary"}
		if quiet {
			flags = append(flags, "-q")
		}
		r := d.in("/", flags, "sh", "-c", `sed -i s/top/changed/ "$1"; : >~/made; mkdir ~/dir; : >~/.hidden; mv ~/top.txt ~/moved; mv ~/moved ~/top.txt`, "sh", home+"/top.txt")
		wantFile(t, home+"/top.txt", "top")
		kept := home + "/.local/state/chrun/kept/top.txt"
		wantFile(t, kept, "changed")
		want := "chrun: ~/top.txt was replaced in the temporary home: yours is unchanged, and the new one is ~/.local/state/chrun/kept/top.txt\n" +
			"chrun: hint: to replace yours by it: mv ~/.local/state/chrun/kept/top.txt ~/top.txt; to remove it: rm ~/.local/state/chrun/kept/top.txt\n" +
			"chrun: ~/dir, ~/made were made in the temporary home and are not kept\nchrun: hint: to keep such files: --home=private\n"
		if quiet {
			want = ""
		}
		if r.err != nil || strings.TrimSpace(r.stderr) != strings.TrimSpace(want) {
			t.Errorf("%v: %s", r.err, r.stderr)
		}
		os.Remove(kept)
	}
}

// A home that the person cannot write is refused, with what to do.
func TestUnusableHome(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	for _, dir := range []string{"/etc", "/root", "/nosuch"} {
		if r := d.in("/", []string{"--home=" + dir}, "true"); !strings.HasPrefix(r.stderr, "chrun: cannot use \""+dir+"\" as home: ") || !strings.Contains(r.stderr, "chrun: hint: ") {
			t.Errorf("%s: %v %s", dir, r.err, r.stderr)
		}
	}
}

// mountTreeWithHome mounts the tests' chroot with an account of the user's uid
// that has a home of its own there.
func mountTreeWithHome(t *testing.T, u headless.User) (tree, home string) {
	t.Helper()
	tree = mountRenamedTree(t, u, "taro")
	home = filepath.Join(tree, "home/taro")
	if err := errors.Join(os.MkdirAll(home, 0o755), os.Chown(home, u.UID, u.GID)); err != nil {
		t.Fatal(err)
	}
	return tree, home
}

// A placeholder whose directory is gone is removed when nothing is mounted on it,
// and not while another launch uses it. Links of chrun's follow.
func TestHomeSweep(t *testing.T) {
	d, home := homeDesk(t)
	d.in("/", nil, "true").wantOutput(t, "")
	homes, err := filepath.Glob(filepath.Join(home, ".local/share/chrun/homes/*"))
	if err != nil || len(homes) != 1 {
		t.Fatalf("%q, %v", homes, err)
	}
	store := homes[0]
	var st unix.Stat_t
	if err := unix.Lstat(store+"/src", &st); err != nil || st.Mode&0o7777 != 0o555 {
		t.Errorf("the mount point is writable: %o, %v", st.Mode, err)
	}
	// A launch that runs meanwhile keeps its directory.
	ready := filepath.Join(home, "p1/ready")
	cmd := d.Command(t.Context(), chrunProgram, "-q", "-c", d.chroot, "sh", "-c", `touch ~/p1/ready; while test -e ~/p1/ready; do sleep 0.05; done; ls ~/src`)
	cmd.Dir = "/"
	out, err := cmd.StdoutPipe()
	if err = errors.Join(err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 20*time.Second, "the first launch", func() bool { _, err := os.Stat(ready); return err == nil })
	if err := errors.Join(os.Rename(home+"/src", home+"/moved"), os.Rename(home+"/top.txt", home+"/other.txt")); err != nil {
		t.Fatal(err)
	}
	d.in("/", nil, "test", "-d", home+"/moved").wantOutput(t, "")
	if _, err := os.Lstat(store + "/src"); err != nil {
		t.Error("a mount point in use is removed")
	}
	os.Remove(ready)
	text := make([]byte, 64)
	n, _ := out.Read(text)
	if err := cmd.Wait(); err != nil || !strings.Contains(string(text[:n]), "a") {
		t.Errorf("the running launch has lost its directory: %v %q", err, text[:n])
	}
	d.in("/", nil, "true").wantOutput(t, "")
	for _, p := range []string{"/src", "/top.txt"} {
		if _, err := os.Lstat(store + p); err == nil {
			t.Errorf("%s stays", p)
		}
	}
	if _, err := os.Lstat(store + "/moved"); err != nil {
		t.Error(err)
	}
}

// Whatever a program saves, by whatever spelling and from wherever, is on the host
// at the same path, or chrun says where it is.
func TestNothingIsLost(t *testing.T) {
	d, home := homeDesk(t)
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(1, seed))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	for i := range 40 {
		name := fmt.Sprintf("%s %d", pick("file", "日本", "-dash", "it's", ".hidden"), i)
		dir := pick("src", "src/a/b", "with blank", "data", ".", "new"+strconv.Itoa(i), "p1/new/deep")
		cwd := pick(home, home+"/src", home+"/src/a/b/c", "/", "/tmp")
		target := filepath.Join(home, dir, name)
		spelled := target
		if relative, err := filepath.Rel(cwd, target); err == nil && random.IntN(2) == 0 && !strings.Contains(relative, "..") {
			spelled = "./" + relative
		}
		script := `mkdir -p "$(dirname "$1")"; ` + pick(`echo saved >"$1"`, `dd status=none if=/etc/hostname of="$1"; echo saved >"$1"`,
			`echo saved >"$1.part" && mv -- "$1.part" "$1"`, `umask 077; echo saved | tee -- "$1" >/dev/null`)
		r := d.in(cwd, nil, "sh", "-c", script, "sh", spelled)
		if r.err != nil {
			t.Errorf("%s in %s: %v: %s", spelled, cwd, r.err, r.stderr)
			continue
		}
		if data, err := os.ReadFile(target); err == nil && string(data) == "saved\n" {
			continue // it is on the host
		}
		relative, _ := filepath.Rel(home, target)
		top, _, _ := strings.Cut(relative, "/")
		if strings.HasPrefix(top, ".") {
			continue // what begins with a dot is the chroot's own
		}
		if !strings.Contains(r.stderr, "~/"+top+" is new in the chroot's home: ~/.local/share/chrun/homes/") {
			t.Errorf("%s, saved in %s with %s, is neither on the host nor named: %s", target, cwd, script, r.stderr)
		}
	}
}
