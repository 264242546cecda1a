package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// makeSystem makes an archive of a system with a shell, sleep and chrunctl.
func (w *workshop) makeSystem() (archive string) {
	w.t.Helper()
	dir := filepath.Join(filepath.Dir(w.home), "system")
	archive = dir + ".tar"
	script := `set -e
mkdir -p "$0/usr/bin" "$0/etc" "$0/usr/lib" "$0/root"
cp "$1" "$0/usr/bin/chrunctl"
ln -s usr/bin "$0/bin"
for program in sh sleep; do
	cp -L "$(command -v $program)" "$0/usr/bin/$program"
	for file in $(ldd "$(command -v $program)" | grep -o '/[^ ]*'); do cp -L --parents "$file" "$0"; done
done
echo root:x:0:0::/root:/bin/sh >"$0/etc/passwd"
echo root:x:0: >"$0/etc/group"
printf 'ID=toy\nPRETTY_NAME="Toy Linux 1"\n' >"$0/etc/os-release"
tar -C "$0" --owner=0 --group=0 -cf "$0.tar" .
rm -r "$0"`
	if out, err := exec.Command("sh", "-c", script, dir, chrunctlProgram).CombinedOutput(); err != nil {
		w.t.Fatalf("%v %s", err, out)
	}
	return archive
}

// root runs a command as root.
func (w *workshop) root(words ...string) result {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	return runCommand(w.asRoot(ctx, words...))
}

// as runs a command as the user.
func (w *workshop) as(words ...string) result {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	return runCommand(w.command(ctx, words...))
}

// Root's trees are closed to others, unless they are public. Root of the host does
// not enter a user's tree as root.
func TestCreateAsRoot(t *testing.T) {
	w := openWorkshop(t)
	system := w.makeSystem()
	stat := func(want string, files ...string) {
		t.Helper()
		if r := w.root(append([]string{"stat", "-c", "%u %a"}, files...)...); r.stdout != want {
			t.Errorf("%q: %q, want %q", files, r.stdout+r.stderr, want)
		}
	}
	if r := w.root(chrunctlProgram, "create", "closed", "--from", system); r.err != nil || !strings.Contains(r.stdout, "closed is ready: /var/lib/chrun/private/closed") {
		t.Fatalf("%+v", r)
	}
	stat("0 755\n0 700\n0 755", "/var/lib/chrun", "/var/lib/chrun/private", "/var/lib/chrun/private/closed")
	if r := w.root(chrunctlProgram, "create", "open", "--public", "--from", system); r.err != nil {
		t.Fatalf("%+v", r)
	}
	stat("0 755", "/var/lib/chrun/open")
	for name, tree := range map[string]string{"closed": "/var/lib/chrun/private/closed", "open": "/var/lib/chrun/open"} {
		if r := w.root(chrunProgram, "-c", name, "-u", "root", "chrunctl", "--version"); r.err != nil {
			t.Errorf("root in %s: %+v", name, r)
		}
		if r := w.as(chrunProgram, "-c", name, "chrunctl", "--version"); (r.err == nil) != (name == "open") {
			t.Errorf("the user in %s: %+v", name, r)
		}
		if r := w.as("stat", tree+"/usr/bin"); (r.err == nil) != (name == "open") {
			t.Errorf("the user looks at %s: %+v", tree, r)
		}
	}
	if r := w.as(chrunctlProgram, "remove", "open", "--yes"); r.code != 1 || !strings.Contains(r.stderr, "sudo chrunctl remove") {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"open", "closed"} {
		if r := w.root(chrunctlProgram, "remove", name, "--yes"); r.err != nil {
			t.Errorf("%+v", r)
		}
	}
	if r := w.root("find", "/var/lib/chrun", "/etc/chrun/chroots", "-mindepth", "1"); r.stdout != "/var/lib/chrun/private" {
		t.Errorf("left: %q", r.stdout)
	}

	if r := w.chrunctl("create", "mine", "--from", system); r.err != nil {
		t.Fatalf("%+v", r)
	}
	tree := w.tree("mine")
	if r := w.as(chrunProgram, "-c", "mine", "-u", "root", "chrunctl", "--version"); r.err != nil {
		t.Errorf("%+v", r)
	}
	refused := fmt.Sprintf("chrun: cannot be root in %%q as root of the host: its files belong to the subordinate IDs of %s, and those of uid 0 would be nobody's there\nchrun: hint: ", w.user.Name)
	r := w.root(chrunProgram, "-c", tree, "-u", "root", "chrunctl", "list")
	if want := fmt.Sprintf(refused, "mine") + "sudo -u " + w.user.Name + " chrun -c " + tree + " -u root chrunctl list"; r.code != 125 || r.stderr != want {
		t.Errorf("%d %s\nwant %s", r.code, r.stderr, want)
	}
	r = w.root("env", "SUDO_USER="+w.user.Name, fmt.Sprintf("SUDO_UID=%d", w.user.UID), fmt.Sprintf("SUDO_GID=%d", w.user.GID), "SUDO_COMMAND="+chrunProgram,
		chrunProgram, "-n", "-c", tree, "-u", "root", "chrunctl", "list")
	if r.code != 0 || !strings.Contains(r.stdout, "subid") {
		t.Errorf("under sudo: %+v", r)
	}
	// Hints name the launch that works.
	if r := w.as(chrunProgram, "-c", "mine", "nano"); r.code != 127 || strings.Contains(r.stderr, "sudo") {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(tree); err != nil {
		t.Error(err)
	}
	if r := w.chrunctl("list"); !strings.Contains(r.stdout, "mine") {
		t.Errorf("%+v", r)
	}
}

// A tree does not inherit ACLs of the directory that it is in. The hint of a name that
// is used already does not leave a tree without a name.
func TestCreateInherited(t *testing.T) {
	w := openWorkshop(t)
	system := w.makeSystem()
	if r := w.as("sh", "-c", `mkdir -m 700 "$HOME/dir" && setfacl -m d:u:1:rwx,d:o::- "$HOME/dir"`); r.err != nil {
		t.Fatalf("%+v", r)
	}
	tree := w.home + "/dir/box"
	if r := w.chrunctl("create", "box", tree, "--from", system); r.err != nil {
		t.Fatalf("%+v", r)
	}
	r := w.root("getfacl", "-cnp", tree, tree+"/etc", tree+"/etc/passwd")
	if r.err != nil || strings.Contains(r.stdout, "user:1:") || strings.Contains(r.stdout, "default:") {
		t.Errorf("%+v", r)
	}
	r = w.chrunctl("create", "box", "--from", system)
	if r.code != 1 || !strings.Contains(r.stderr, "hint: choose another name, or first: chrunctl remove box") {
		t.Errorf("%+v", r)
	}
}

// A tree may replace an empty directory, but not a mount point. What the user's programs
// save is not in the tree, and root inside has a home of its own.
func TestCreateHome(t *testing.T) {
	w := openWorkshop(t)
	system := w.makeSystem()
	dir := w.home + "/empty"
	if r := w.as("mkdir", "-m", "700", dir); r.err != nil {
		t.Fatalf("%+v", r)
	}
	w.root("mount", "-t", "tmpfs", "tmpfs", dir)
	if r := w.chrunctl("create", "box", dir, "--from", system); r.code != 1 || !strings.Contains(r.stderr, dir+" is a mount point") || !strings.Contains(r.stderr, "such as "+dir+"/chroot") {
		t.Errorf("%+v", r)
	}
	w.root("umount", dir)
	if r := w.chrunctl("create", "box", dir, "--from", system); r.err != nil {
		t.Fatalf("%+v", r)
	}
	for user, want := range map[string]string{"": w.home + "/.local/share/chrun/homes/box/saved", "root": dir + "/root/saved"} {
		words := []string{chrunProgram, "-q", "-c", "box", "sh", "-c", `cd && echo >saved`}
		if user != "" {
			words = append([]string{chrunProgram, "-u", user}, words[1:]...)
		}
		if r := w.as(words...); r.err != nil || !w.exists(want) {
			t.Errorf("%s: %+v", want, r)
		}
	}
	r := w.chrunctl("remove", "box", "--yes")
	r.wantAll(t, "its home stays: "+w.home+"/.local/share/chrun/homes/box")
	if w.exists(dir) || !w.exists(w.home+"/.local/share/chrun/homes/box/saved") {
		t.Error("the tree is left, or the home is not")
	}
}

// Root does not read the names that a user has given: the hint says what to type.
func TestRemoveOfRoot(t *testing.T) {
	w := openWorkshop(t)
	tree := "/var/lib/box"
	if r := w.root("sh", "-c", `mkdir "$0" && tar -xf "$1" -C "$0" && mkdir -p "$0/home/me"`, tree, w.makeSystem()); r.err != nil {
		t.Fatalf("%+v", r)
	}
	if r := w.chrunctl("add", "box", tree); r.err != nil {
		t.Fatalf("%+v", r)
	}
	hint := "sudo chrunctl add box /var/lib/box && sudo chrunctl remove --tree box && chrunctl forget box"
	if r := w.chrunctl("remove", "--tree", "box"); r.code != 1 || !strings.HasSuffix(r.stderr, "hint: "+hint) {
		t.Errorf("%+v", r)
	}
	byRoot, _ := strings.CutSuffix(hint, " && chrunctl forget box")
	script := strings.NewReplacer("sudo chrunctl", chrunctlProgram, "remove", "remove --yes").Replace(byRoot)
	w.root("sh", "-c", script).wantAll(t, "the homes in it, with what programs have saved there: /home/me", "box is removed")
	if r := w.chrunctl("forget", "box"); r.err != nil || w.exists(tree) {
		t.Errorf("%+v", r)
	}
}
