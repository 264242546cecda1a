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

// Two chroots with the same programs, and what the tools made for the first.
func TestExportTwo(t *testing.T) {
	m := newMenu(t)
	other := filepath.Join(headless.Dir(t, m.User), "other")
	m.lay(other, offers)
	m.must("add", "h", other)
	before := m.snapshot()
	m.must("export", "g", "--all")
	first := m.snapshot()
	m.must("export", "h", "--all")
	if e := m.snapshot()["/.local/share/applications/viewer.h.desktop"]; !strings.Contains(e, "Name=Viewer (h)") {
		t.Errorf("the second chroot's: %s", e)
	}
	// It opens the same, and does not take the default from the first.
	c := m.Command(context.Background(), "gio", "mime", "image/x-test-new")
	c.Env = append(slices.Clone(m.Env), "LC_ALL=C.UTF-8")
	if out, err := c.Output(); err != nil || !strings.Contains(string(out), ": viewer.desktop\n") || !strings.Contains(string(out), "\tviewer.h.desktop\n") {
		t.Errorf("%s, %v", out, err)
	}
	m.must("unexport", "h", "--all")
	m.same("without the second", withoutTimes(first), withoutTimes(m.snapshot()))
	m.must("export", "h", "--all")
	m.must("unexport", "g", "--all")
	m.must("unexport", "h", "--all")
	m.same("without both", before, m.snapshot())
}

// Killed at every step that changes a file: the next run completes what was
// asked, and undoing leaves nothing.
func TestExportKilled(t *testing.T) {
	m := newMenu(t)
	for p := range offers {
		if strings.Contains(p, "kde4") || strings.Contains(p, "pipe.desktop") || strings.Contains(p, "shadow") {
			os.Remove(filepath.Join(m.tree, p))
		}
	}
	before := m.snapshot()
	m.must("export", "g", "--all")
	whole := m.snapshot()
	killed := func(step int, args ...string) bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c := m.Command(ctx, chrunctlProgram, args...)
		c.Env, c.Dir = m.Env, m.home
		tr := &tracer{victim: "main", step: step}
		if err := tr.trace(c); err != nil {
			t.Fatal(err)
		}
		return tr.steps >= step
	}
	stride := 5
	if os.Getenv("CHRUN_TEST_STEPS") != "" {
		stride = 1
	}
	steps := 0
	for step := 1; ; step += stride {
		m.must("unexport", "g", "--all")
		m.same(fmt.Sprint("step ", step, " undone"), before, m.snapshot())
		if !killed(step, "export", "g", "--all") {
			break
		}
		if step/stride%2 == 1 { // undone
			m.must("unexport", "g", "--all")
			m.same(fmt.Sprint("step ", step, " of export, undone"), before, m.snapshot())
			continue
		}
		m.must("sync")
		if now := m.snapshot(); now["/.local/share/applications/viewer.desktop"] == "" { // it had not begun
			m.must("export", "g", "--all")
		}
		m.same(fmt.Sprint("step ", step, " of export, completed"), withoutTimes(whole), withoutTimes(m.snapshot()))
		if t.Failed() {
			t.FailNow()
		}
		steps++
	}
	for step := 1; ; step += stride {
		m.must("export", "g", "--all")
		if !killed(step, "unexport", "g", "--all") {
			break
		}
		m.must("sync")
		if now := m.snapshot(); now["/.local/share/applications/viewer.desktop"] != "" {
			m.must("unexport", "g", "--all")
		}
		m.same(fmt.Sprint("step ", step, " of unexport, completed"), before, m.snapshot())
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

// withoutTimes leaves the manifest out, which notes times.
func withoutTimes(all map[string]string) map[string]string {
	some := map[string]string{}
	for p, text := range all {
		if !strings.Contains(p, "/exports/") {
			some[p] = text
		}
	}
	return some
}

// What an earlier export has become the default of, it stays, whatever other
// chroots are exported or brought up to date; and so do ids.
func TestSyncKeeps(t *testing.T) {
	m := newMenu(t)
	other := filepath.Join(headless.Dir(t, m.User), "other")
	m.lay(other, offers)
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
		t.Error("the second chroot's entry has another id now")
	}
}

// What a chroot does not show itself is not exported, and what was named and is
// refused is an error.
func TestExportRefused(t *testing.T) {
	m := newMenu(t)
	m.lay(m.tree, map[string]string{"usr/share/applications/lacks.desktop": top + "Name=Lacks\nTryExec=nosuch\nExec=nosuch\n"})
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
	m.lay(m.home, map[string]string{".local/bin/viewer": "mine"})
	if r := m.run("export", "g", "viewer", "--bin"); r.code != 1 || !strings.Contains(r.stderr, "it does not belong to this export") {
		t.Error(r.code, r.stderr)
	}
}
