package test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chrun/internal/headless"
)

// The menu follows a chroot of which everything is exported: the next chrunctl adds
// and removes programs, and says so in one line.
func TestMenuFollows(t *testing.T) {
	m := newMenu(t)
	m.must("export", "g", "--all")
	fresh := map[string]string{"usr/share/applications/fresh.desktop": top + "Name=Fresh\nExec=viewer\n"}
	entry := m.home + "/.local/share/applications/fresh.desktop"
	const line = "chrunctl: the menu follows g: fresh added; to turn this off: chrunctl set g sync=off\n"
	m.writeFiles(m.tree, fresh)
	if r := m.must("list"); r.stderr != line {
		t.Errorf("%q", r.stderr)
	}
	if _, err := os.Stat(entry); err != nil {
		t.Error(err)
	}
	if r := m.must("list"); r.stderr != "" {
		t.Errorf("%q", r.stderr)
	}
	os.Remove(m.tree + "/usr/share/applications/fresh.desktop")
	if r := m.must("show", "g"); !strings.Contains(r.stderr, "the menu follows g: fresh removed;") {
		t.Errorf("%q", r.stderr)
	}
	// A chroot that is not mounted keeps its entries.
	before := m.snapshot()
	if err := os.Rename(m.tree, m.tree+"2"); err != nil {
		t.Fatal(err)
	}
	m.must("list")
	m.compare("without the chroot", before, m.snapshot())
	os.Rename(m.tree+"2", m.tree)
	m.must("set", "g", "sync=off")
	m.writeFiles(m.tree, fresh)
	if r := m.must("list"); r.stderr != "" {
		t.Errorf("%q", r.stderr)
	}
	// Single apps do not make the menu follow the chroot.
	m.must("unset", "g", "sync")
	m.must("unexport", "g", "--all")
	m.must("export", "g", "viewer")
	if r := m.must("list"); r.stderr != "" {
		t.Errorf("%q", r.stderr)
	}
}

// The chrun that waits for root inside brings the menu up to date when it ends.
func TestMenuFollowsRoot(t *testing.T) {
	d := openDesktop(t, headless.Options{Home: makeHome(t, nil)})
	d.chroot = d.mountSubordinateTree()
	d.Env = append(without("PATH", "XDG_DATA_DIRS")(d.Env), "PATH="+filepath.Dir(chrunProgram)+":/usr/bin:/bin")
	d.chrunctl("add", "box", d.chroot)
	d.chrunctl("export", "box", "--all")
	run := func(script string) result {
		return runCommand(d.Command(context.Background(), chrunProgram, "-c", "box", "-u", "root", "-C", "/", "sh", "-c", script))
	}
	file := d.Getenv("HOME") + "/.local/share/applications/fresh.desktop"
	if r := run("true"); r.err != nil || strings.Contains(r.stderr, "menu") {
		t.Errorf("%+v", r)
	}
	r := run("printf '[Desktop Entry]\\nType=Application\\nName=Fresh\\nExec=sh\\n' >/usr/share/applications/fresh.desktop")
	if _, err := os.Stat(file); err != nil || r.code != 0 || !strings.Contains(r.stderr, "the menu follows box: fresh added") {
		t.Errorf("%v %+v", err, r)
	}
	if r := run("rm /usr/share/applications/fresh.desktop; exit 3"); r.code != 3 || !strings.Contains(r.stderr, "fresh removed") {
		t.Errorf("%+v", r)
	}
}
