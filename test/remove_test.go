package test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A chroot that is in use is not removed: not one of its files, nor what is mounted
// there.
func TestRemoveBusy(t *testing.T) {
	w := openWorkshop(t)
	if r := w.chrunctl("create", "box", "--from", w.makeSystem()); r.err != nil {
		t.Fatalf("%+v", r)
	}
	tree := w.tree("box")
	// The sentinel is in the same file system as the tree.
	precious := filepath.Join(w.home, "precious")
	if r := w.as("sh", "-c", `mkdir -p "$0" && echo precious >"$0/file" && mkdir "$0/empty"`, precious); r.err != nil {
		t.Fatalf("%+v", r)
	}
	// Launches make empty files, and remove them some time after their end.
	before, kept := w.root("find", tree).stdout, w.judge("hash", precious)
	wantKept := func(what string) {
		t.Helper()
		now := strings.Split(w.root("find", tree).stdout, "\n")
		for file := range strings.SplitSeq(before, "\n") {
			if !slices.Contains(now, file) {
				t.Errorf("%s: %s is removed", what, file)
			}
		}
		if w.judge("hash", precious) != kept {
			t.Errorf("%s: the sentinel has changed", what)
		}
	}
	remove := []string{chrunctlProgram, "remove", "box", "--yes"}
	for what, mount := range map[string][]string{
		"bind":        {"--bind", precious, tree + "/root"},
		"rbind":       {"--rbind", precious, tree + "/usr/lib"},
		"home":        {"--rbind", w.home, tree + "/root"},
		"file":        {"--bind", precious + "/file", tree + "/etc/passwd"},
		"tree":        {"--bind", tree, tree},
		"file system": {"-t", "tmpfs", "tmpfs", tree + "/root"},
	} {
		point := mount[len(mount)-1]
		if r := w.root(append([]string{"mount"}, mount...)...); r.err != nil {
			t.Fatalf("%s: %+v", what, r)
		}
		if r := w.as(remove...); r.code != 1 || !strings.Contains(r.stderr, "something is mounted on "+point) {
			t.Errorf("%s: %+v", what, r)
		}
		if r := w.root("umount", point); r.err != nil {
			t.Fatalf("%s: %+v", what, r)
		}
		wantKept(what)
	}

	// Programs that live there, as the user or root removes it.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	start := func(cmd *exec.Cmd) (stop func()) {
		t.Helper()
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(cmd.Args, err)
		}
		return func() {
			w.root(chrunctlProgram, "kill", tree)
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	sleep := []string{"sh", "-c", "echo up; exec sleep 1000"}
	if r := w.root(chrunctlProgram, "add", "box", tree); r.err != nil {
		t.Fatalf("%+v", r)
	}
	for what, c := range map[string]struct {
		cmd    *exec.Cmd
		byUser bool // the user can see it
	}{
		"shell":         {w.command(ctx, append([]string{chrunProgram, "-c", tree, "--"}, sleep...)...), true},
		"root inside":   {w.command(ctx, append([]string{chrunProgram, "-c", tree, "-u", "root", "--"}, sleep...)...), true},
		"own chroot":    {w.command(ctx, append([]string{"unshare", "--user", "--map-root-user", "chroot", tree}, sleep...)...), true},
		"root's chroot": {w.asRoot(ctx, append([]string{"chroot", tree}, sleep...)...), false},
		"left":          {w.command(ctx, chrunProgram, "-c", tree, "--", "sh", "-c", "(echo up; exec sleep 1000) 2>/dev/null </dev/null &"), true},
		"other user":    {w.asRoot(ctx, append([]string{"unshare", "--mount", "chroot", "--userspec=1:1", tree}, sleep...)...), false},
	} {
		stop := start(c.cmd)
		if c.byUser {
			if r := w.as(remove...); r.code != 1 || !strings.Contains(r.stderr, "(sleep)") {
				t.Errorf("%s: %+v", what, r)
			}
		}
		if r := w.root(append(remove, "--tree")...); r.code != 1 || !strings.Contains(r.stderr, "(sleep)") {
			t.Errorf("%s, by root: %+v", what, r)
		}
		stop()
		wantKept(what)
	}
	// The home has files of the user and of root inside.
	home := filepath.Join(w.home, ".local/share/chrun/homes/box")
	makeHome := fmt.Sprintf(`mkdir -p "$0/sub" && touch "$0/mine" "$0/sub/root" && chown -R %s: "$(dirname "$0")" && chown -R %d:%[2]d "$0/sub" && chmod 700 "$0/sub"`, w.user.Name, firstID)
	if r := w.root("sh", "-c", makeHome, home); r.err != nil {
		t.Fatalf("%+v", r)
	}
	if r := w.as(append(remove, "--home")...); r.err != nil || w.exists(home) {
		t.Errorf("%+v", r)
	}
	if w.exists(tree) || w.judge("hash", precious) != kept {
		t.Error("the tree is left, or the sentinel is not")
	}
	w.wantClean("after remove")
}

// What is mounted while a tree is removed is kept.
func TestRemoveMountMeanwhile(t *testing.T) {
	w := openWorkshop(t)
	dir := filepath.Join(filepath.Dir(w.home), "many")
	script := `mkdir -p "$0/usr/bin" && cd "$0" && for d in $(seq 100); do mkdir usr/$d && (cd usr/$d && seq 100 | xargs touch); done && tar --owner=0 --group=0 -cf ../many.tar . && rm -r "$0"`
	if out, err := exec.Command("sh", "-c", script, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	precious := filepath.Join(w.home, "precious")
	if r := w.as("sh", "-c", `mkdir "$0" && echo precious >"$0/file"`, precious); r.err != nil {
		t.Fatalf("%+v", r)
	}
	kept, mounted := w.judge("hash", precious), 0
	for range 5 {
		if r := w.chrunctl("create", "box", "--from", dir+".tar"); r.err != nil {
			t.Fatalf("%+v", r)
		}
		// Mounts on the directories as fast as it can, under both names.
		mounter := w.asRoot(t.Context(), "sh", "-c", `for d in $(seq 100 -1 1) $(seq 100); do for t in "$0" "$1"; do mount --bind "$2" "$t/usr/$d" 2>/dev/null && echo $d; done; done`,
			w.tree("box"), w.tree(".box.removing"), precious)
		var out bytes.Buffer
		mounter.Stdout = &out
		if err := mounter.Start(); err != nil {
			t.Fatal(err)
		}
		r := w.chrunctl("remove", "box", "--yes")
		mounter.Wait()
		mounted += strings.Count(out.String(), "\n")
		if w.judge("hash", precious) != kept {
			t.Fatalf("the sentinel has changed: %+v", r)
		}
		w.root("sh", "-c", `grep -o "$0[^ ]*" /proc/self/mountinfo | tac | xargs -r umount`, filepath.Dir(w.tree("box")))
		w.chrunctl("gc")
		if r.err == nil {
			continue
		}
		// Whether it was stopped before or after the tree had lost its name.
		if r := w.chrunctl("remove", "box", "--yes"); r.err != nil {
			t.Fatalf("%+v", r)
		}
	}
	if mounted == 0 {
		t.Error("nothing was mounted in time")
	}
	w.wantClean("after all")
}
