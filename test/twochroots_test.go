package test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// Firefox runs in two chroots at the same time, on one display and one bus. Each
// instance has the home of its chroot, and the homes stay with their chroots when
// these are renamed.
func TestTwoChroots(t *testing.T) {
	host := makeHome(t, nil)
	d := openDesktop(t, headless.Options{Compositor: "sway", X11: true, Bus: true, Home: host})
	trees := map[string]string{"one": d.chroot, "two": mountRenamedTree(t, d.User, "taro")}
	for name, tree := range trees {
		d.chrunctl("add", name, tree)
	}
	dir := headless.Dir(t, d.User)
	firefox := func(name string, m mode) func() {
		page := filepath.Join(dir, name+".html")
		writeFile(t, page, "<title>page of "+name+"</title>")
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		d := &desk{d.Session, t, name}
		cmd := d.start(ctx, m, nil, "firefox-esr", "file://"+page)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stop := func() { cancel(); cmd.Wait() }
		t.Cleanup(stop)
		waitFor(t, time.Minute, "the window of "+name, func() bool { return strings.Contains(d.windows(), "page of "+name) })
		return stop
	}
	for _, m := range []mode{wayland, x11} {
		stopFirst, stopSecond := firefox("one", m), firefox("two", m)
		if windows := d.windows(); !strings.Contains(windows, "page of one") || !strings.Contains(windows, "page of two") {
			t.Errorf("%s: a window is missing\n%s", m.name, windows)
		}
		// A second launch in a chroot opens its page in the running instance.
		writeFile(t, filepath.Join(dir, "more.html"), "<title>page of one, the second</title>")
		(&desk{d.Session, t, "one"}).chrun(m, nil, "firefox-esr", "file://"+dir+"/more.html").wantOutput(t, "")
		waitFor(t, time.Minute, "the second page", func() bool { return strings.Contains(d.windows(), "page of one, the second") })
		stopFirst()
		stopSecond()
		waitFor(t, 20*time.Second, "both end", func() bool { return !strings.Contains(d.windows(), "page of") })
	}
	for name := range trees {
		if store := filepath.Join(host, ".local/share/chrun/homes", name); profiles(store) != 1 {
			t.Errorf("%d profiles in %s", profiles(store), store)
		}
		d := &desk{d.Session, t, name}
		d.chrun(both, []string{"-q"}, "sh", "-c", "echo "+name+" >~/mine; cat ~/mine").wantOutput(t, name)
	}
	if profiles(host) > 0 {
		t.Error("a profile is in the host's home")
	}

	// Give the trees other names: the homes stay with the trees.
	for name := range trees {
		d.chrunctl("forget", name)
	}
	for old, name := range map[string]string{"one": "two", "two": "three"} {
		d.chrunctl("add", name, trees[old])
		d := &desk{d.Session, t, name}
		d.chrun(both, nil, "cat", filepath.Join(host, "mine")).wantOutput(t, old)
	}
}

// profiles counts the Firefox profiles in a home, in the old and the new directory.
func profiles(home string) (n int) {
	for _, dir := range []string{".mozilla", ".config/mozilla"} {
		found, _ := filepath.Glob(filepath.Join(home, dir, "firefox/*.default-esr"))
		n += len(found)
	}
	return n
}

func (d *desk) chrunctl(args ...string) {
	d.t.Helper()
	if out, err := d.Output(chrunctlProgram, args...); err != nil {
		d.t.Fatal(out, err)
	}
}
