package test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// killCreate kills a creation without mercy when it has come to the point, and
// checks that a second later no process of the subordinate IDs lives.
func (w *workshop) killCreate(cmd *exec.Cmd, what string, reached func() bool) {
	w.t.Helper()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	waitFor(w.t, 2*time.Minute, what, reached)
	cmd.Process.Kill() // nsenter and setpriv have become chrunctl
	cmd.Wait()
	var left []string
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if left = w.processes(); len(left) == 0 {
			return
		}
	}
	w.t.Errorf("%s: %q still run, %s", what, left, errs.String())
}

// killAt kills a creation when it has been given a part of its archive.
func (w *workshop) killAt(name string, part []byte) {
	w.t.Helper()
	cmd := w.command(w.t.Context(), chrunctlProgram, "create", name, "--from", "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	defer in.Close()
	fed := make(chan bool)
	go func() { in.Write(part); close(fed) }()
	w.killCreate(cmd, fmt.Sprintf("after %d bytes", len(part)), func() bool {
		select {
		case <-fed:
			return true
		default:
			return false
		}
	})
}

// owned lists the top directories of the files with subordinate IDs.
func (w *workshop) owned() string {
	w.t.Helper()
	script := fmt.Sprintf(`find "$0" /var/tmp /tmp -xdev -uid +%d -uid -%d -prune 2>/dev/null | sort -u`, firstID-1, firstID+countIDs)
	return w.root("sh", "-c", script, filepath.Dir(w.home)).stdout
}

// Whenever a creation is killed, no process goes on, and the next one, or gc, removes
// what is left.
func TestCreateKilled(t *testing.T) {
	w := openWorkshop(t)
	var files strings.Builder
	dir := filepath.Join(filepath.Dir(w.home), "many")
	const points = 20
	script := `mkdir -p "$0/usr/bin" && cd "$0" && for i in $(seq 200); do head -c 40000 /dev/urandom >usr/bin/$i; done && tar --owner=0 --group=0 -cf ../many.tar . && rm -r "$0"`
	if out, err := exec.Command("sh", "-c", script, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	archive, err := exec.Command("cat", dir+".tar").Output()
	if err != nil {
		t.Fatal(err)
	}
	for i := range points {
		w.killAt("box", archive[:len(archive)*i/points])
		files.WriteString(w.owned())
	}
	if !strings.Contains(files.String(), ".box.creating") {
		t.Errorf("no kill has left anything: %s", files.String())
	}
	left := w.owned()
	if r := w.chrunctl("gc", "-n"); r.err != nil || r.stdout != "would remove "+w.tree(".box.creating") || w.owned() != left {
		t.Errorf("%+v", r)
	}
	if r := w.chrunctl("gc"); r.err != nil || r.stdout != "removed "+w.tree(".box.creating") {
		t.Errorf("%+v", r)
	}
	w.wantClean("after gc")
	if list := w.owned(); list != "" {
		t.Errorf("after gc: %s", list)
	}
	// Root's journal is not the user's to read.
	if r := w.root("mkdir", "-p", "-m", "700", "/run/chrun"); r.err != nil {
		t.Fatalf("%+v", r)
	}
	for flag, want := range map[string]string{"--": "nothing of yours to clean up", "-n": ""} {
		if r := w.chrunctl("gc", flag); r.err != nil || r.stdout != want {
			t.Errorf("gc %s: %+v", flag, r)
		}
	}

	// The next creation cleans up too, and does not touch one that lives.
	w.killAt("dead", archive[:len(archive)/2])
	live := w.command(t.Context(), chrunctlProgram, "create", "live", "--from", "-")
	in, err := live.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := live.Start(); err != nil {
		t.Fatal(err)
	}
	in.Write(archive[:len(archive)/2])
	if r := w.chrunctl("create", "box", "--from", dir+".tar"); r.err != nil {
		t.Fatalf("%+v", r)
	}
	in.Write(archive[len(archive)/2:])
	in.Close()
	if err := live.Wait(); err != nil {
		t.Error("the other creation: ", err)
	}
	w.wantClean("after create")
	want := []string{w.tree("box"), w.tree("live")}
	if got := strings.Split(w.owned(), "\n"); !slices.Equal(got, want) {
		t.Errorf("files of the subordinate IDs: %q, want %q", got, want)
	}
}

// The same while mmdebstrap works.
func TestCreateKilledMmdebstrap(t *testing.T) {
	if testing.Short() {
		t.Skip("it downloads a system")
	}
	w := openWorkshop(t)
	_, err := exec.LookPath("mmdebstrap")
	headless.Must(t, "chroot", err)
	if out, err := updateOnHost(t, headless.Chroot(t)); err != nil {
		t.Skipf("the host reaches no packages: %v: %s", err, out)
	}
	running := func(name string) func() bool {
		return func() bool { return slices.Contains(w.processes(), name) }
	}
	for what, reached := range map[string]func() bool{
		"mmdebstrap":  running("mmdebstrap"),
		"downloading": running("http"),
		"unpacking":   running("dpkg-deb"),
	} {
		w.killCreate(w.command(t.Context(), chrunctlProgram, "create", "box", "--from", "debian:bookworm"), what, reached)
		if what == "unpacking" && !strings.Contains(w.owned(), "/var/tmp/") {
			t.Errorf("%s: nothing is left to clean up", what)
		}
	}
	if r := w.chrunctl("gc"); r.err != nil {
		t.Errorf("%+v", r)
	}
	w.wantClean("after gc")
	if list := w.owned(); list != "" {
		t.Errorf("after gc: %s", list)
	}

	cmd := w.command(t.Context(), chrunctlProgram, "create", "box", "--from", "debian:bookworm")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 2*time.Minute, "unpacking", running("dpkg-deb"))
	cmd.Process.Signal(unix.SIGINT)
	cmd.Wait()
	if cmd.ProcessState.ExitCode() != 1 || errs.String() != "chrunctl: cannot create box: interrupted; nothing is left\n" {
		t.Errorf("%d: %q", cmd.ProcessState.ExitCode(), errs.String())
	}
	w.wantClean("after an interrupt")
}
