package export

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/desktop/export/mime"
	"chrun/internal/headless"
	"chrun/session/rootfs"
)

// fixture is a host and a chroot, box, in a temporary directory.
type fixture struct {
	*Host
	t   *testing.T
	dir string
}

func newFixture(t *testing.T, files map[string]string) *fixture {
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
	return &fixture{&Host{Home: dir + "/home", StateDir: dir + "/home/state/chrun", BinDir: dir + "/home/bin", Launcher: dir + "/chrun", RuntimeDir: dir,
		Dirs: mime.Dirs{ConfigHome: dir + "/home/.config", DataHome: dir + "/home/share", DataDirs: []string{dir + "/host"}, Path: os.Getenv("PATH")}}, t, dir}
}

// run exports the selection of box.
func (f *fixture) run(selection Selection) (*Plan, []error) {
	f.t.Helper()
	return runExport(f.t, f.Host, f.dir+"/tree", selection)
}

// runExport exports the selection of a chroot as box.
func runExport(t *testing.T, h *Host, tree string, selection Selection) (*Plan, []error) {
	t.Helper()
	set, err := Open(h, "box", true)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	root, err := rootfs.Open(rootfs.HostPath(tree))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	plan, err := set.Plan(root, selection)
	if err != nil {
		t.Fatal(err)
	}
	failed, err := set.Run(plan)
	if err != nil {
		t.Fatal(err)
	}
	return plan, failed
}

const viewer = "[Desktop Entry]\nType=Application\nName=Viewer\nExec=viewer %U\nMimeType=application/x-none;\n"

// On the host, CHRUN_CHROOT may select a chroot. The command must still run chrun.
func TestCommandOnHost(t *testing.T) {
	if _, err := os.Stat("/run/host"); err == nil {
		t.Skip("the test runs in a chroot of chrun")
	}
	f := newFixture(t, map[string]string{"chrun": "#!/bin/sh\necho \"$@\"\n", "tree/usr/bin/true": "#!/bin/sh\n"})
	f.run(Selection{Commands: []string{"true"}})
	c := exec.Command(f.BinDir+"/true", "a b")
	c.Env = []string{"CHRUN_CHROOT=box"}
	if out, err := c.CombinedOutput(); err != nil || string(out) != "-c box --any-cwd true a b\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// Inside the chroot, the command runs the program itself, and inside another one,
// which may share the home, that one's program.
func TestCommandInside(t *testing.T) {
	f := newFixture(t, map[string]string{"chrun": "#!/bin/sh\necho chrun \"$@\"\n", "tree/usr/bin/it's": "#!/bin/sh\necho own\n", "tree/usr/bin/-x": "#!/bin/sh\n",
		"other/it's": "#!/bin/sh\necho other \"$@\"\n", "other2/it's/x": ""})
	f.run(Selection{Commands: []string{"it's", "-x"}})
	data, err := os.ReadFile(f.BinDir + "/it's")
	if err != nil {
		t.Fatal(err)
	}
	own := "/usr/bin/it'\\''s"
	text := strings.ReplaceAll(strings.ReplaceAll(string(data), own, f.dir+"/tree"+own), "/run/host", "RUNHOST")
	run := func(isInside bool, chroot, path string) (string, error) {
		host := f.dir + "/none"
		if isInside {
			host = f.dir
		}
		os.WriteFile(f.BinDir+"/it's", []byte(strings.ReplaceAll(text, "RUNHOST", host)), 0o755)
		c := exec.Command("sh", "-c", "exec \"it's\" 'a  *' b")
		c.Env = []string{"CHRUN_CHROOT=" + chroot, "PATH=" + path + ":/usr/bin:/bin"}
		out, err := c.Output()
		return string(out), err
	}
	path := f.BinDir + ":" + f.dir + "/other2:" + f.dir + "/home/../home/bin:" + f.dir + "/other"
	for _, x := range []struct {
		isInside    bool
		chroot, out string
	}{{false, "", "chrun -c box --any-cwd it's a  * b\n"}, {false, "box", "chrun -c box --any-cwd it's a  * b\n"}, {true, "box", "own\n"}, {true, "sid", "other a  * b\n"}, {true, "", "other a  * b\n"}} {
		if out, err := run(x.isInside, x.chroot, path); err != nil || out != x.out {
			t.Errorf("%+v: %q, %v", x, out, err)
		}
	}
	if out, err := run(true, "sid", f.BinDir); out != "" || err == nil || err.Error() != "exit status 127" {
		t.Errorf("%q, %v", out, err)
	}
	// In a chroot that chrun did not start.
	os.Remove(f.dir + "/chrun")
	if out, err := run(false, "", path); err != nil || out != "other a  * b\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// Two apps that would get the same ID, and an app with an invalid one.
func TestRefuseID(t *testing.T) {
	f := newFixture(t, map[string]string{"host/applications/viewer.desktop": viewer,
		"tree/usr/share/applications/viewer.desktop":                           viewer,
		"tree/usr/share/applications/viewer.box.desktop":                       strings.Replace(viewer, "Viewer", "Other", 1),
		"tree/usr/share/applications/" + strings.Repeat("x", 161) + ".desktop": viewer})
	plan, _ := f.run(Selection{All: true, Label: AutoLabel})
	refused := 0
	for _, n := range plan.Notes {
		if n.Refusal != "" {
			refused++
		}
	}
	list, _ := os.ReadDir(f.DataHome + "/applications")
	if refused != 2 || len(list) != 1 {
		t.Errorf("refused %d: %v; exported %v", refused, plan.Notes, list)
	}
}

// The next run runs a tool that was missing before.
func TestMissingTool(t *testing.T) {
	_, err := exec.LookPath("update-mime-database")
	headless.Must(t, "desktop", err)
	f := newFixture(t, map[string]string{"tree/usr/share/applications/viewer.desktop": viewer,
		"tree/usr/share/mime/packages/v.xml": `<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info"><mime-type type="application/x-none"><glob pattern="*.none"/></mime-type></mime-info>`})
	path := os.Getenv("PATH")
	t.Setenv("PATH", f.dir)
	all := Selection{All: true, Label: AutoLabel}
	for range 2 {
		if _, failed := f.run(all); len(failed) != 1 || !strings.Contains(failed[0].Error(), "update-mime-database") {
			t.Errorf("without the tool: %v", failed)
		}
	}
	t.Setenv("PATH", path)
	if _, failed := f.run(all); len(failed) > 0 {
		t.Error(failed)
	}
	if _, err := os.Stat(f.DataHome + "/mime/mime.cache"); err != nil {
		t.Error(err)
	}
	text, _ := os.ReadFile(f.manifestFile("box"))
	before, _ := os.Stat(f.manifestFile("box"))
	f.run(all)
	if after, err := os.Stat(f.manifestFile("box")); err != nil || !after.ModTime().Equal(before.ModTime()) || !os.SameFile(before, after) {
		t.Errorf("a run with nothing to do wrote the manifest: %s", text)
	}
}

// An edited entry stays in the cache of types, even after unexport.
func TestEditedStaysCached(t *testing.T) {
	f := newFixture(t, map[string]string{"tree/usr/share/applications/viewer.desktop": viewer})
	f.run(Selection{All: true, Label: AutoLabel})
	entry := f.DataHome + "/applications/viewer.desktop"
	data, err := os.ReadFile(entry)
	if err == nil {
		err = os.WriteFile(entry, append(data, "# mine\n"...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.run(Selection{Label: AutoLabel})
	if _, err := os.Stat(entry); err != nil {
		t.Error(err)
	}
	if cache, _ := os.ReadFile(f.DataHome + "/applications/mimeinfo.cache"); !strings.Contains(string(cache), "application/x-none=viewer.desktop;\n") {
		t.Errorf("%s", cache)
	}
	if _, err := os.Stat(f.StateDir); err == nil {
		t.Error("the state directory still exists")
	}
}

// A reader does not wait for a run. A second run does.
func TestLock(t *testing.T) {
	f := newFixture(t, nil)
	first, err := Open(f.Host, "box", true)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := Open(f.Host, "box", false)
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	second := make(chan error)
	go func() {
		set, err := Open(f.Host, "box", true)
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
		t.Error("a second run waits forever")
	}
}

// A chroot that cannot be read is not one without programs: nothing is removed.
func TestUnreadableChroot(t *testing.T) {
	f := newFixture(t, map[string]string{"tree/usr/bin/a": "", "tree/usr/share/applications/a.desktop": "[Desktop Entry]\nType=Application\nName=A\nExec=a\n"})
	if plan, failed := f.run(Selection{All: true}); len(plan.IDs) != 1 || failed != nil {
		t.Fatalf("%+v %v", plan, failed)
	}
	set, err := Open(f.Host, "box", true)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	root, err := rootfs.Open(rootfs.HostPath(f.dir + "/tree"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := os.Remove(f.dir + "/tree/usr/share/applications/a.desktop"); err != nil { // so that it is not up to date
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	root.Exists("/usr/share")
	unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	if plan, err := set.Plan(root, Selection{All: true}); !errors.Is(err, unix.EMFILE) {
		t.Errorf("%+v %v", plan, err)
	}
}

// A cache of types that cannot be read is kept: the user's types are in it.
func TestUnreadableCache(t *testing.T) {
	f := newFixture(t, map[string]string{"tree/usr/bin/viewer": "", "tree/usr/share/applications/viewer.desktop": viewer, "home/share/applications/x": ""})
	cache := f.DataHome + "/applications/mimeinfo.cache"
	if err := os.Symlink(filepath.Base(cache), cache); err != nil { // a mode would not stop root
		t.Fatal(err)
	}
	set, err := Open(f.Host, "box", true)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	root, err := rootfs.Open(rootfs.HostPath(f.dir + "/tree"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	plan, err := set.Plan(root, Selection{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Run(plan); err == nil {
		t.Error("no error")
	}
	if st, err := os.Lstat(cache); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the cache was replaced: %v %v", st, err)
	}
}
