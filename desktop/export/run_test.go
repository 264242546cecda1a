package export

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/desktop/export/mime"
	"chrun/internal/headless"
	"chrun/session/rootfs"
)

// side is a host and a chroot, box, in a directory of their own.
type side struct {
	*Host
	t   *testing.T
	dir string
}

func newSide(t *testing.T, files map[string]string) *side {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"home", "tree/usr"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &side{&Host{Home: dir + "/home", StateDir: dir + "/home/state/chrun", BinDir: dir + "/home/bin", Launcher: dir + "/chrun", RuntimeDir: dir,
		Dirs: mime.Dirs{ConfigHome: dir + "/home/.config", DataHome: dir + "/home/share", DataDirs: []string{dir + "/host"}, Path: os.Getenv("PATH")}}, t, dir}
}

// run makes what is asked true.
func (s *side) run(asked Selection) (*Plan, []error) {
	s.t.Helper()
	set, err := Open(s.Host, "box", true)
	if err != nil {
		s.t.Fatal(err)
	}
	defer set.Close()
	root, err := rootfs.Open(rootfs.HostPath(s.dir + "/tree"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer root.Close()
	plan, err := set.Plan(root, asked)
	if err != nil {
		s.t.Fatal(err)
	}
	failed, err := set.Run(plan)
	if err != nil {
		s.t.Fatal(err)
	}
	return plan, failed
}

const viewer = "[Desktop Entry]\nType=Application\nName=Viewer\nExec=viewer %U\nMimeType=application/x-none;\n"

// CHRUN_CHROOT on the host says which chroot is meant; it does not make it one.
func TestWrapperOnHost(t *testing.T) {
	if _, err := os.Stat("/run/host"); err == nil {
		t.Skip("this is a chroot of chrun's")
	}
	s := newSide(t, map[string]string{"chrun": "#!/bin/sh\necho \"$@\"\n", "tree/usr/bin/true": "#!/bin/sh\n"})
	s.run(Selection{Commands: []string{"true"}})
	c := exec.Command(s.BinDir+"/true", "a b")
	c.Env = []string{"CHRUN_CHROOT=box"}
	if out, err := c.CombinedOutput(); err != nil || string(out) != "-c box true a b\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestOneID(t *testing.T) {
	s := newSide(t, map[string]string{"host/applications/viewer.desktop": viewer,
		"tree/usr/share/applications/viewer.desktop":                           viewer,
		"tree/usr/share/applications/viewer.box.desktop":                       strings.Replace(viewer, "Viewer", "Other", 1),
		"tree/usr/share/applications/" + strings.Repeat("x", 161) + ".desktop": viewer})
	plan, _ := s.run(Selection{All: true, Label: AutoLabel})
	refused := 0
	for _, n := range plan.Notes {
		if strings.HasPrefix(n.Text, "is not exported: ") {
			refused++
		}
	}
	list, _ := os.ReadDir(s.DataHome + "/applications")
	if refused != 2 || len(list) != 1 {
		t.Errorf("%d are refused: %v; there is %v", refused, plan.Notes, list)
	}
}

// A tool that is installed later is run by the next run.
func TestToolLater(t *testing.T) {
	_, err := exec.LookPath("update-mime-database")
	headless.Must(t, "desktop", err)
	s := newSide(t, map[string]string{"tree/usr/share/applications/viewer.desktop": viewer,
		"tree/usr/share/mime/packages/v.xml": `<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info"><mime-type type="application/x-none"><glob pattern="*.none"/></mime-type></mime-info>`})
	path := os.Getenv("PATH")
	t.Setenv("PATH", s.dir)
	asked := Selection{All: true, Label: AutoLabel}
	for range 2 {
		if _, failed := s.run(asked); len(failed) != 1 || !strings.Contains(failed[0].Error(), "update-mime-database") {
			t.Errorf("without the tool: %v", failed)
		}
	}
	t.Setenv("PATH", path)
	if _, failed := s.run(asked); len(failed) > 0 {
		t.Error(failed)
	}
	if _, err := os.Stat(s.DataHome + "/mime/mime.cache"); err != nil {
		t.Error(err)
	}
	before, _ := os.ReadFile(s.manifestFile("box"))
	at, _ := os.Stat(s.manifestFile("box"))
	s.run(asked)
	if after, err := os.Stat(s.manifestFile("box")); err != nil || !after.ModTime().Equal(at.ModTime()) || !os.SameFile(at, after) {
		t.Errorf("a run with nothing to do wrote the manifest: %s", before)
	}
}

// What a person has edited stays what opens its types, also afterwards.
func TestEditedStaysCached(t *testing.T) {
	s := newSide(t, map[string]string{"tree/usr/share/applications/viewer.desktop": viewer})
	s.run(Selection{All: true, Label: AutoLabel})
	entry := s.DataHome + "/applications/viewer.desktop"
	data, err := os.ReadFile(entry)
	if err == nil {
		err = os.WriteFile(entry, append(data, "# mine\n"...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.run(Selection{Label: AutoLabel})
	if _, err := os.Stat(entry); err != nil {
		t.Error(err)
	}
	if cache, _ := os.ReadFile(s.DataHome + "/applications/mimeinfo.cache"); !strings.Contains(string(cache), "application/x-none=viewer.desktop;\n") {
		t.Errorf("%s", cache)
	}
	if _, err := os.Stat(s.StateDir); err == nil {
		t.Error("something is noted")
	}
}

// Who only looks does not wait for a run; a second run does.
func TestLock(t *testing.T) {
	s := newSide(t, nil)
	first, err := Open(s.Host, "box", true)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := Open(s.Host, "box", false)
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	second := make(chan error)
	go func() {
		set, err := Open(s.Host, "box", true)
		if err == nil {
			err = set.Close()
		}
		second <- err
	}()
	select {
	case err := <-second:
		t.Fatalf("a second run did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	select {
	case err := <-second:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("a second run waits for ever")
	}
}
