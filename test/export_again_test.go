package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// Two chroots with the same programs. The second export leaves the first unchanged.
func TestExportTwo(t *testing.T) {
	m := newMenu(t)
	other := filepath.Join(headless.Dir(t, m.User), "other")
	m.writeFiles(other, offers)
	m.must("add", "h", other)
	before := m.snapshot()
	m.must("export", "g", "--all")
	first := m.snapshot()
	m.must("export", "h", "--all")
	if e := m.snapshot()["/.local/share/applications/viewer.h.desktop"]; !strings.Contains(e, "Name=Viewer (h)") {
		t.Errorf("the entry of the second chroot: %s", e)
	}
	// It opens the same types, but the first one stays the default.
	c := m.Command(context.Background(), "gio", "mime", "image/x-test-new")
	c.Env = append(slices.Clone(m.Env), "LC_ALL=C.UTF-8")
	if out, err := c.Output(); err != nil || !strings.Contains(string(out), ": viewer.desktop\n") || !strings.Contains(string(out), "\tviewer.h.desktop\n") {
		t.Errorf("%s, %v", out, err)
	}
	m.must("unexport", "h", "--all")
	m.compare("without the second", withoutTimes(first), withoutTimes(m.snapshot()))
	m.must("export", "h", "--all")
	m.must("unexport", "g", "--all")
	m.must("unexport", "h", "--all")
	m.compare("without both", before, m.snapshot())
}

// If export or unexport is killed at any step that changes a file, the next run
// completes it, and unexport leaves nothing. CHRUN_TEST_STEPS=1 tries every step.
func TestExportKilled(t *testing.T) { testKilled(t, "--all") }

// The same for programs that start at login.
func TestAutostartKilled(t *testing.T) { testKilled(t, "--autostart") }

func testKilled(t *testing.T, what string) {
	m := newMenu(t)
	for p := range offers {
		if strings.Contains(p, "kde4") || strings.Contains(p, "pipe.desktop") || strings.Contains(p, "shadow") {
			os.Remove(filepath.Join(m.tree, p))
		}
	}
	m.writeFiles(m.tree, map[string]string{"etc/xdg/autostart/starts.desktop": top + "Name=Starts\nIcon=viewer\nExec=viewer\n"})
	entry := map[string]string{"--all": "/.local/share/applications/viewer.desktop", "--autostart": "/.config/autostart/starts.desktop"}[what]
	before := m.snapshot()
	m.must("export", "g", what)
	whole := m.snapshot()
	stride := 5
	if os.Getenv("CHRUN_TEST_STEPS") != "" {
		stride = 1
	}
	steps := 0
	for step := 1; ; step += stride {
		m.must("unexport", "g", what)
		m.compare(fmt.Sprint("step ", step, " undone"), before, m.snapshot())
		if !m.killAt(step, "export", "g", what) {
			break
		}
		if step/stride%2 == 1 { // unexport instead of sync
			m.must("unexport", "g", what)
			m.compare(fmt.Sprint("step ", step, " of export, undone"), before, m.snapshot())
			continue
		}
		m.must("sync")
		if now := m.snapshot(); now[entry] == "" { // the killed run had not begun
			m.must("export", "g", what)
		}
		m.compare(fmt.Sprint("step ", step, " of export, completed"), withoutTimes(whole), withoutTimes(m.snapshot()))
		if t.Failed() {
			t.FailNow()
		}
		steps++
	}
	for step := 1; ; step += stride {
		m.must("export", "g", what)
		if !m.killAt(step, "unexport", "g", what) {
			break
		}
		m.must("sync")
		if now := m.snapshot(); now[entry] != "" {
			m.must("unexport", "g", what)
		}
		m.compare(fmt.Sprint("step ", step, " of unexport, completed"), before, m.snapshot())
		if t.Failed() {
			t.FailNow()
		}
		steps++
	}
	if steps < 10 {
		t.Error("only", steps, "steps")
	}
	t.Log(steps, "steps")
}

// killAt runs chrunctl and kills it at a step. It reports whether chrunctl has that
// many steps.
func (m *menu) killAt(step int, args ...string) bool {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := m.Command(ctx, chrunctlProgram, args...)
	c.Env, c.Dir = m.Env, m.home
	tr := &tracer{victim: "main", step: step}
	if err := tr.trace(c); err != nil {
		m.t.Fatal(err)
	}
	return tr.steps >= step
}

// withoutTimes leaves out manifests, which contain times.
func withoutTimes(all map[string]string) map[string]string {
	some := map[string]string{}
	for p, text := range all {
		if !strings.Contains(p, "/exports/") {
			some[p] = text
		}
	}
	return some
}

// An exported app that has become a default stays the default when other chroots are
// exported or synchronized. IDs stay too.
func TestSyncKeeps(t *testing.T) {
	m := newMenu(t)
	other := filepath.Join(headless.Dir(t, m.User), "other")
	m.writeFiles(other, offers)
	m.must("add", "h", other)
	opener := func() string {
		c := m.Command(context.Background(), "gio", "mime", "x-scheme-handler/test-new")
		c.Env = append(slices.Clone(m.Env), "LC_ALL=C.UTF-8")
		out, _ := c.Output()
		first, _, _ := strings.Cut(string(out), "\n")
		return first
	}
	m.must("export", "g", "--all")
	first := opener()
	m.must("export", "h", "--all")
	for _, words := range []string{"sync g", "sync h", "sync", "export g viewer --bin", "sync"} {
		os.Chmod(m.tree+"/usr/bin/viewer", 0o755)
		m.must(strings.Split(words, " ")...)
		if now := opener(); now != first || !strings.Contains(now, ": viewer.desktop") {
			t.Errorf("after %s: %q, was %q", words, now, first)
		}
	}
	m.must("unexport", "g", "viewer")
	m.must("sync")
	if all := m.snapshot(); all["/.local/share/applications/viewer.h.desktop"] == "" || all["/.local/share/applications/viewer.desktop"] != "" {
		t.Error("the entry of the second chroot has another ID now")
	}
}

// It is an error if an app that the user named cannot be exported.
func TestExportRefused(t *testing.T) {
	m := newMenu(t)
	m.writeFiles(m.tree, map[string]string{"usr/share/applications/lacks.desktop": top + "Name=Lacks\nTryExec=nosuch\nExec=nosuch\n"})
	if r := m.run("export", "g", "lacks"); r.code != 1 || !strings.Contains(r.stderr, `cannot export lacks: its TryExec names a program that the chroot does not have`) {
		t.Error(r.code, r.stderr)
	}
	if r := m.run("export", "g", "noexec"); r.code != 1 || !strings.Contains(r.stderr, "cannot export noexec: it has no Exec") {
		t.Error(r.code, r.stderr)
	}
	if r := m.run("export", "g", ""); r.code != 2 {
		t.Error(r.code, r.stderr)
	}
	os.Chmod(m.tree+"/usr/bin/viewer", 0o755)
	m.writeFiles(m.home, map[string]string{".local/bin/viewer": "mine"})
	if r := m.run("export", "g", "viewer", "--bin"); r.code != 1 || !strings.Contains(r.stderr, "it does not belong to this export") {
		t.Error(r.code, r.stderr)
	}
}
