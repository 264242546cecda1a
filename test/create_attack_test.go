package test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// Hostile archives change nothing outside the tree, and leave nothing if they fail.
// A careless program changes the victim: so the attacks are real.
func TestCreateAttacks(t *testing.T) {
	w := openWorkshop(t)
	victim := filepath.Join(filepath.Dir(w.home), "victim")
	reset := func() string {
		script := `rm -rf "$0"; mkdir "$0" && cd "$0" && echo precious >file && ln file link && mkdir -m 0700 dir && touch dir/a`
		if r := runCommand(w.command(t.Context(), "sh", "-c", script, victim)); r.err != nil {
			t.Fatalf("%+v", r)
		}
		return w.judge("hash", victim)
	}
	for kind, attack := range map[string]struct {
		fails string // the error, "" if a tree is made
		harms bool   // a careless program does harm
	}{
		"dotdot": {"", true}, "absolute": {"", true}, "symlink": {"leads nowhere", true}, "relative-symlink": {"leads nowhere", true}, "symlink-mode": {"", true},
		"hardlink": {"", true}, "hardlink-symlink": {"", true}, "account": {"", true}, "node": {"", false},
		"long": {"file name too long", false}, "loop": {"leads nowhere", false},
	} {
		archive, err := exec.Command("python3", "testdata/trees.py", "attack", kind, victim).Output()
		if err != nil {
			t.Fatal(kind, err)
		}
		before := reset()
		cmd := w.command(t.Context(), chrunctlProgram, "create", "box", "--from", "-")
		cmd.Stdin = bytes.NewReader(archive)
		r := runCommand(cmd)
		if attack.fails == "" && r.err != nil || attack.fails != "" && (r.code != 1 || !strings.Contains(r.stderr, attack.fails) || strings.Count(r.stderr, "\n") > 0) {
			t.Errorf("%s: %+v", kind, r)
		}
		if after := w.judge("hash", victim); after != before {
			t.Errorf("%s: the victim has changed", kind)
		}
		w.wantClean(kind)
		if list, _ := filepath.Glob(filepath.Dir(w.home) + "/*"); len(list) > 2 {
			t.Errorf("%s: new files: %q", kind, list)
		}
		if out, _ := exec.Command("find", w.home, "(", "-type", "b", "-o", "-type", "c", ")").Output(); len(out) > 0 {
			t.Errorf("%s: nodes: %s", kind, out)
		}
		if r.err == nil {
			if r := w.chrunctl("remove", "box", "--yes"); r.err != nil {
				t.Errorf("%s: %+v", kind, r)
			}
		}
		if !attack.harms {
			continue
		}
		careless := w.command(t.Context(), "python3", absolutePath(t, "testdata/trees.py"), "naive", filepath.Join(w.home, "careless", kind))
		careless.Stdin = bytes.NewReader(archive)
		runCommand(careless)
		if after := w.judge("hash", victim); after == before {
			t.Errorf("%s: the attack does nothing to a careless program", kind)
		}
	}
}

// A full disk, a truncated archive, and an interruption by Ctrl-C end with one line
// and exit status 1, and leave nothing.
func TestCreateFails(t *testing.T) {
	w := openWorkshop(t)
	if r := runCommand(w.asRoot(t.Context(), "sh", "-c", `mount -t tmpfs -o size=8m,mode=0700 tmpfs "$0" && chown `+w.user.Name+` "$0"`, w.home)); r.err != nil {
		t.Fatalf("%+v", r)
	}
	bomb, err := exec.Command("python3", "testdata/trees.py", "attack", "bomb", "/x").Output()
	if err != nil {
		t.Fatal(err)
	}
	compressed := func(program string, data []byte) []byte {
		cmd := exec.Command(program, "-c", "-1")
		cmd.Stdin = bytes.NewReader(data)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(program, err)
		}
		return out
	}
	small := bomb[:3<<20]
	whole, err := exec.Command("python3", "testdata/trees.py", "attack", "node", "/x").Output()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		archive []byte
		want    string
	}{
		"disk full":     {compressed("gzip", bomb), "no space left on device"},
		"cut tar":       {small, "the archive is incomplete: it ends too early"},
		"cut at member": {whole[:512*3], "the archive is incomplete: it ends too early"},
		"cut header":    {whole[:100], "it is not a tar archive"},
		"empty":         {nil, "the archive is empty"},
		"no archive":    {bytes.Repeat([]byte("text\n"), 1000), "it is not a tar archive"},
	}
	for _, program := range []string{"gzip", "bzip2", "xz", "zstd"} {
		data := compressed(program, whole)
		cases["cut "+program] = struct {
			archive []byte
			want    string
		}{data[:len(data)-5], "the archive is incomplete: it ends too early"}
		broken := bytes.Clone(data)
		for i := len(broken) / 2; i < len(broken)/2+4; i++ {
			broken[i] ^= 0x55
		}
		cases["broken "+program] = struct {
			archive []byte
			want    string
		}{broken, ""}
	}
	for name, c := range cases {
		cmd := w.command(t.Context(), chrunctlProgram, "create", "box", "--from", "-")
		cmd.Stdin = bytes.NewReader(c.archive)
		r := runCommand(cmd)
		if r.code != 1 || !strings.HasPrefix(r.stderr, "chrunctl: cannot create box from standard input: ") || !strings.Contains(r.stderr, c.want) || strings.Contains(r.stderr, "\n") {
			t.Errorf("%s: %+v", name, r)
		}
		w.wantClean(name)
	}
	if r := w.chrunctl("list"); strings.Contains(r.stdout, "box") {
		t.Error("box has a name")
	}
	w.interrupt(whole)
}

// interrupt interrupts a creation whose archive stops coming.
func (w *workshop) interrupt(archive []byte) {
	for name, first := range map[string][]byte{"before the first byte": nil, "in the archive": archive[:512*3]} {
		ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
		defer cancel()
		cmd := w.command(ctx, chrunctlProgram, "create", "box", "--from", "-")
		var errs bytes.Buffer
		cmd.Stderr = &errs
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			w.t.Fatal(err)
		}
		io.Copy(in, bytes.NewReader(first))
		waitFor(w.t, 20*time.Second, "a tree grows", func() bool {
			temp, _ := filepath.Glob(w.seen("/var/tmp/*"))
			return w.exists(w.tree(".box.creating")) && len(temp) > 0 && (first == nil || len(w.processes()) > 0)
		})
		cmd.Process.Signal(unix.SIGINT) // nsenter and setpriv have become chrunctl
		err = cmd.Wait()
		in.Close()
		if cmd.ProcessState.ExitCode() != 1 || errs.String() != "chrunctl: cannot create box: interrupted; nothing is left\n" {
			w.t.Errorf("%s: %v, %q", name, err, errs.String())
		}
		w.wantClean(name)
	}
}

// Another user cannot run, list or stat a setuid program of a tree, even if the
// home is open.
func TestCreatePrivate(t *testing.T) {
	w := openWorkshop(t)
	other, err := headless.LookupUser("daemon")
	headless.Must(t, "root", err)
	archive, _ := w.makeMembers()
	public := filepath.Join(w.home, "public")
	if err := errors.Join(os.Chmod(w.home, 0o755), os.Mkdir(public, 0o755), os.Chown(public, w.user.UID, w.user.GID)); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		public + "/box":       "other users can enter " + public,
		"/var/tmp/box":        "it is sticky",
		public + "/none/box":  "no such file or directory",
		"/usr":                "/usr exists already and is not empty",
		"/proc/self/none/box": "no such file or directory",
	} {
		if r := w.chrunctl("create", "box", dir, "--from", archive); r.code != 1 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: %+v", dir, r)
		}
		w.wantClean(dir)
	}
	if r := w.chrunctl("create", "box", "--from", archive); r.err != nil {
		t.Fatalf("%+v", r)
	}
	file := filepath.Join(w.tree("box"), "usr/bin/setuid")
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	for _, words := range [][]string{{file}, {"ls", filepath.Dir(file)}, {"stat", file}, {"cat", file}, {"ls", filepath.Dir(w.tree("box"))}} {
		if r := runCommand(w.asRoot(t.Context(), append(asUser(other), words...)...)); r.err == nil || !strings.Contains(r.stderr, "Permission denied") {
			t.Errorf("%q: %+v", words, r)
		}
	}
}
