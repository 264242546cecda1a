package test

import (
	"os/exec"
	"strings"
	"testing"
)

// The files of an archive that a user has made of a tree of the user's own are the
// user's, and the chroot works.
func TestCreateOwnFiles(t *testing.T) {
	w := openWorkshop(t)
	own := `mkdir "$HOME/own" && cd "$HOME/own" && tar -xf "$0" && tar -cf ../own.tar . && tar -xf ../own.tar && rm -r "$HOME/own"`
	if r := w.as("sh", "-c", own, w.makeSystem()); r.err != nil {
		t.Fatalf("%+v", r)
	}
	r := w.chrunctl("create", "box", "--from", w.home+"/own.tar")
	r.wantAll(t, "left out: the owner of the root directory, which is root inside (1, first /)")
	for _, user := range []string{w.user.Name, "root"} {
		if r := w.as(chrunProgram, "-c", "box", "-u", user, "sh", "-c", "echo >/usr/written"); r.err != nil {
			t.Errorf("%s: %+v", user, r)
		}
	}
	if r := w.chrunctl("remove", "box", "--yes"); r.err != nil || w.exists(w.tree("box")) {
		t.Errorf("%+v", r)
	}
}

// Two creations of the same name at the same time, of which each has a directory: the
// one that ends later is told how to name its tree.
func TestCreateSameName(t *testing.T) {
	w := openWorkshop(t)
	system := w.makeSystem()
	first := w.home + "/first"
	slow := w.command(t.Context(), chrunctlProgram, "create", "box", first, "--from", "-")
	in, err := slow.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := exec.Command("cat", system).Output()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan result, 1)
	go func() { done <- runCommand(slow) }()
	in.Write(archive[:len(archive)/2]) // it is making its tree when this returns
	r := w.chrunctl("create", "box", "--from", system)
	r.wantAll(t, "box is ready")
	in.Write(archive[len(archive)/2:])
	in.Close()
	if r := <-done; r.code != 1 || !strings.Contains(r.stderr, "cannot name "+first+", which was made: ") || !strings.HasSuffix(r.stderr, "hint: chrunctl add NAME "+first) {
		t.Errorf("%+v", r)
	}
}

// The path of a tree may be longer than the name of a file can be.
func TestCreateDeep(t *testing.T) {
	w := openWorkshop(t)
	dir := w.home + strings.Repeat("/a directory", 30)
	if r := w.as("mkdir", "-p", dir); r.err != nil {
		t.Fatalf("%+v", r)
	}
	for _, words := range [][]string{{"create", "box", dir + "/box", "--from", w.makeSystem()}, {"remove", "box", "--yes"}} {
		if r := w.chrunctl(words...); r.err != nil || w.exists(dir+"/box") != (words[0] == "create") {
			t.Fatalf("%+v", r)
		}
	}
	w.wantClean("after remove")
}
