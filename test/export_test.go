package test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/internal/headless"
)

// menu is a user with an own home, a host with a few entries, and the tree of a
// chroot with the files of offers.
type menu struct {
	*headless.Session
	t          *testing.T
	home, tree string
}

const (
	pixels = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x30\x00\x00\x00\x30"
	top    = "[Desktop Entry]\nType=Application\n"
)

// offers are the files of the chroot. A text that begins with "->" makes a link.
var offers = map[string]string{
	"usr/bin/viewer": "#!/bin/sh\n",
	"usr/share/applications/viewer.desktop": top + "Name=Viewer\nName[de]=Betrachter\nIcon=viewer\nExec=viewer --open %U\nTryExec=viewer\n" +
		"MimeType=image/x-test-new;text/plain;x-scheme-handler/test-new;\nActions=new;\nTerminalOptions=-x\n\n[Desktop Action new]\nName=New\nExec=viewer --new\n",
	"usr/share/applications/org.example.Unique.desktop":      top + "Name=Unique\nIcon=/opt/unique.png\nExec=unique %u\nDBusActivatable=true\n",
	"usr/share/dbus-1/services/org.example.Unique.service":   "[D-BUS Service]\nName=org.example.Unique\nExec=/usr/bin/unique --gapplication-service\nSystemdService=x.service\n",
	"usr/share/applications/taken.desktop":                   top + "Name=Taken\nIcon=taken\nExec=taken\n",
	"usr/share/applications/hidden.desktop":                  top + "Name=Hidden\nHidden=true\nExec=hidden\n",
	"usr/share/applications/noexec.desktop":                  top + "Name=No Exec\n",
	"usr/share/applications/link.desktop":                    "[Desktop Entry]\nType=Link\nName=x\nURL=file:///\n",
	"usr/share/applications/out.desktop":                     "->/../../../../../../../../etc/passwd",
	"usr/share/applications/shadow.desktop":                  top + "Name=Shadow\nIcon=shadow\nExec=viewer\n",
	"usr/share/applications/bad\nname.desktop":               top + "Name=Bad\nExec=viewer\n",
	"usr/share/applications/pipe.desktop":                    top + "Name=Pipe\nIcon=/opt/pipe.png\nExec=viewer\n",
	"usr/share/icons/hicolor/48x48/apps/viewer.png":          pixels,
	"usr/share/icons/hicolor/scalable/apps/viewer.svg":       "<svg/>",
	"usr/share/icons/hicolor/48x48/apps/viewer-old.png":      pixels,
	"usr/share/icons/hicolor/48x48/apps/taken.png":           pixels + "chroot",
	"usr/share/pixmaps/shadow.png":                           "->/../../../../../../../../etc/shadow",
	"opt/unique.png":                                         pixels + "unique",
	"usr/share/mime/packages/viewer.xml":                     `<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info"><mime-type type="image/x-test-new"><comment>New</comment><magic><match type="string" value="x" offset="0"/></magic><glob pattern="*.testnew"/></mime-type></mime-info>`,
	"usr/share/applications/kde4/org.example.Nested.desktop": top + "Name=Nested\nExec=viewer\n",
}

func newMenu(t *testing.T) *menu {
	s := headless.Open(t, headless.Options{Private: true})
	m := &menu{Session: s, t: t, home: headless.Dir(t, s.User)}
	m.tree = filepath.Join(headless.Dir(t, s.User), "tree")
	host := filepath.Join(headless.Dir(t, s.User), "share")
	m.writeFiles(m.tree, offers)
	if err := syscall.Mkfifo(m.tree+"/opt/pipe.png", 0o666); err != nil {
		t.Fatal(err)
	}
	m.writeFiles(host, map[string]string{
		"applications/taken.desktop":         top + "Name=Taken\nExec=true\n",
		"applications/text.desktop":          top + "Name=Text\nExec=true %f\nMimeType=text/plain\n",
		"applications/mimeinfo.cache":        "[MIME Cache]\ntext/plain=text.desktop;\n",
		"icons/hicolor/48x48/apps/taken.png": pixels + "host",
	})
	var env []string
	for _, kv := range s.Env {
		if !strings.HasPrefix(kv, "HOME=") && !strings.HasPrefix(kv, "XDG_DATA_DIRS=") && !strings.HasPrefix(kv, "LANG=") {
			env = append(env, kv)
		}
	}
	s.Env = append(env, "HOME="+m.home, "XDG_DATA_DIRS="+host+":/usr/share", "LANG=de_DE.UTF-8", "PATH="+filepath.Dir(chrunProgram)+":/usr/bin:/bin")
	m.writeFiles(m.home, map[string]string{".local/share/applications/own.desktop": top + "Name=Own\nExec=true\n"})
	m.must("add", "g", m.tree)
	return m
}

// writeFiles writes files that belong to the user.
func (m *menu) writeFiles(dir string, files map[string]string) {
	m.t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if to, ok := strings.CutPrefix(text, "->"); ok {
			os.MkdirAll(filepath.Dir(p), 0o755)
			if err := os.Symlink(to, p); err != nil {
				m.t.Fatal(err)
			}
			continue
		}
		writeFile(m.t, p, text)
		if strings.HasPrefix(name, "usr/bin/") {
			os.Chmod(p, 0o755)
		}
	}
	if os.Getuid() == 0 {
		if out, err := exec.Command("chown", "-hR", fmt.Sprint(m.User.UID, ":", m.User.GID), dir).CombinedOutput(); err != nil {
			m.t.Fatalf("%s", out)
		}
	}
}

// run runs chrunctl.
func (m *menu) run(args ...string) result {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := m.Command(ctx, chrunctlProgram, args...)
	c.Env, c.Dir = m.Env, m.home
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	return result{out.String(), errs.String(), err, c.ProcessState.ExitCode()}
}

// must runs chrunctl, which must succeed.
func (m *menu) must(args ...string) result {
	m.t.Helper()
	r := m.run(args...)
	if r.err != nil {
		m.t.Fatalf("chrunctl %q: %v\n%s%s", args, r.err, r.stdout, r.stderr)
	}
	return r
}

// snapshot returns the files of the home with their modes, contents and link
// targets.
func (m *menu) snapshot() map[string]string {
	m.t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(m.home, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		text := st.Mode().String()
		switch {
		case st.Mode().IsRegular():
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text += " " + string(data)
		case st.Mode()&os.ModeSymlink != 0:
			to, _ := os.Readlink(p)
			text += " " + to
		}
		all[strings.TrimPrefix(p, m.home)] = text
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return all
}

// compare reports the differences of two snapshots.
func (m *menu) compare(what string, before, after map[string]string) {
	m.t.Helper()
	for p, text := range before {
		if now, ok := after[p]; !ok {
			m.t.Errorf("%s: %s is missing", what, p)
		} else if now != text {
			m.t.Errorf("%s: %s was %.200q, is %.200q", what, p, text, now)
		}
	}
	for p := range after {
		if _, ok := before[p]; !ok {
			m.t.Errorf("%s: %s is new", what, p)
		}
	}
}

// stamps returns the inode and times of every file in the home.
func (m *menu) stamps() string {
	out, err := exec.Command("find", m.home, "-printf", "%P %i %T@ %C@\n").Output()
	if err != nil {
		m.t.Fatal(err)
	}
	lines := strings.Split(string(out), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestExport(t *testing.T) {
	m := newMenu(t)
	before := m.snapshot()
	r := m.must("export", "g", "--all")
	after := m.snapshot()
	checkExported(t, after)
	for p, text := range after {
		if strings.HasPrefix(p, "/.local/share/applications/") && strings.HasSuffix(p, ".desktop") {
			if !slices.Contains([]string{"viewer", "org.example.Unique", "taken.g", "kde4-org.example.Nested", "shadow", "pipe", "own"}, strings.TrimSuffix(filepath.Base(p), ".desktop")) {
				t.Errorf("%q was exported", p)
			}
		}
		if strings.Contains(text, "root:") || strings.Contains(p, "viewer-old") {
			t.Errorf("%s has the content of another file: %.200q", p, text)
		}
	}
	for _, want := range []string{"your default for text/plain is unchanged", "noexec is not exported: it has no Exec"} {
		if !strings.Contains(r.stderr, want) || strings.Contains(r.stderr, "TerminalOptions") {
			t.Errorf("stderr lacks %q:\n%s", want, r.stderr)
		}
	}
	r = m.must("export", "g", "--all", "-n", "-v")
	for _, want := range []string{"viewer is exported without TerminalOptions:", "viewer is not registered for types that another program opens by default: text/plain (text)", "taken is exported as taken.g because ",
		"noexec is not exported: it has no Exec", "out is not exported:", "not a regular file", "cannot be a file name"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("stderr lacks %q:\n%s", want, r.stderr)
		}
	}
	// The second export writes nothing.
	stamps := m.stamps()
	if r := m.must("export", "g", "--all"); !strings.Contains(r.stdout, "nothing to do") || r.stderr != "" {
		t.Error(r.stdout, r.stderr)
	}
	m.must("sync")
	m.must("export", "g", "viewer", "-n")
	if now := m.stamps(); now != stamps {
		t.Errorf("before:\n%s\nafter:\n%s", stamps, now)
	}
	m.must("unexport", "g", "--all")
	m.compare("after unexport", before, m.snapshot())
}

// checkExported checks the files of an export of offers.
func checkExported(t *testing.T, files map[string]string) {
	t.Helper()
	has := func(name string, texts ...string) {
		t.Helper()
		have, ok := files["/.local/share/"+name]
		if !ok {
			t.Errorf("no %s", name)
		}
		for _, want := range texts {
			if unwanted, no := strings.CutPrefix(want, "!"); no && strings.Contains(have, unwanted) {
				t.Errorf("%s contains %q:\n%s", name, unwanted, have)
			} else if !no && !strings.Contains(have, want) {
				t.Errorf("%s lacks %q:\n%s", name, want, have)
			}
		}
	}
	line := "Exec=" + chrunProgram + " -c g --app "
	has("applications/viewer.desktop", line+"viewer viewer --open %U\n", line+"viewer viewer --new\n", "TryExec="+chrunProgram+"\n", "Name=Viewer\n", "Name[de]=Betrachter\n",
		"MimeType=image/x-test-new;x-scheme-handler/test-new;\n", "!TerminalOptions", "Icon=viewer\n", "Actions=new;\n")
	has("applications/org.example.Unique.desktop", line+"org.example.Unique unique %u\n", "DBusActivatable=true\n", "Icon=unique\n")
	has("dbus-1/services/org.example.Unique.service", "Exec="+chrunProgram+" -c g --app org.example.Unique /usr/bin/unique --gapplication-service\n", "!Systemd")
	has("applications/taken.g.desktop", "Name=Taken (g)\n", "StartupWMClass=taken\n", line+"taken.g taken\n", "Icon=taken.g\n")
	has("applications/kde4-org.example.Nested.desktop", "Name=Nested\n")
	has("applications/shadow.desktop", line)
	has("applications/pipe.desktop", line, "!Icon")
	has("icons/hicolor/48x48/apps/viewer.png", pixels)
	has("icons/hicolor/scalable/apps/viewer.svg", "<svg/>")
	has("icons/hicolor/48x48/apps/unique.png", "unique")
	has("icons/hicolor/48x48/apps/taken.g.png", "chroot")
	has("mime/packages/chrun-g.xml", `weight="5"`, "!magic")
}

// Exports single apps by ID, program and name.
func TestExportNamed(t *testing.T) {
	m := newMenu(t)
	before := m.snapshot()
	for _, name := range []string{"viewer", "Betrachter", "Viewer", "/usr/bin/viewer", "viewer.desktop"} {
		if r := m.must("export", "g", name); !strings.Contains(r.stdout, "viewer is in the menu") {
			t.Errorf("%s: %s%s", name, r.stdout, r.stderr)
		}
		if r := m.must("unexport", "g", name); !strings.Contains(r.stdout, "viewer is no longer exported") {
			t.Errorf("%s: %s%s", name, r.stdout, r.stderr)
		}
		m.compare(name, before, m.snapshot())
	}
	for words, want := range map[string]string{
		"export g":                       "name an APP, or --all",
		"export g nonesuch":              "no such program",
		"export g vie":                   "entries with such a name: ",
		"export g viewer --label=a\x01b": "control characters",
		"export h viewer":                `cannot find the chroot "h"`,
		"export " + m.tree + " viewer":   "chrunctl add NAME",
		"unexport g viewer":              "it is not exported",
		"export g tool":                  "--make-entry",
		"export g nonesuch --bin":        "no such program",
	} {
		m.writeFiles(m.tree, map[string]string{"usr/bin/tool": "#!/bin/sh\n"})
		os.Chmod(m.tree+"/usr/bin/tool", 0o755)
		os.Chmod(m.tree+"/usr/bin/viewer", 0o755)
		if r := m.run(strings.Split(words, " ")...); r.code == 0 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: %d %s%s", words, r.code, r.stdout, r.stderr)
		}
	}
	m.compare("after errors", before, m.snapshot())
	m.must("export", "g", "tool", "--make-entry", "--name", "A Tool", "--icon", "viewer")
	if e := m.snapshot()["/.local/share/applications/tool.desktop"]; !strings.Contains(e, "Name=A Tool\n") || !strings.Contains(e, "Icon=viewer\n") || !strings.Contains(e, "--app tool tool\n") {
		t.Error(e)
	}
	m.must("export", "g", "viewer", "--label", "in g")
	if e := m.snapshot()["/.local/share/applications/viewer.desktop"]; !strings.Contains(e, "Name=Viewer in g\n") || !strings.Contains(e, "Name[de]=Betrachter in g\n") {
		t.Error(e)
	}
	r := m.must("export", "g", "tool", "--bin")
	if !strings.Contains(r.stderr, "not on your PATH") {
		t.Error(r.stderr)
	}
	m.must("unexport", "g", "--all")
	m.compare("after all", before, m.snapshot())
}

// Files that the user changed, or had before, are kept.
func TestExportEdited(t *testing.T) {
	m := newMenu(t)
	own := m.home + "/.local/share/applications/shadow.desktop"
	m.writeFiles(filepath.Dir(own), map[string]string{"shadow.desktop": "mine"})
	r := m.must("export", "g", "--all")
	if data, _ := os.ReadFile(own); string(data) != "mine" {
		t.Errorf("%q; %s", data, r.stderr)
	}
	viewer := m.home + "/.local/share/applications/viewer.desktop"
	m.writeFiles(filepath.Dir(viewer), map[string]string{"viewer.desktop": "edited"})
	if r := m.must("sync", "g"); !strings.Contains(r.stderr, viewer+" stays as it is: you have changed it") {
		t.Error(r.stderr)
	}
	if r := m.must("unexport", "g", "--all"); !strings.Contains(r.stderr, viewer+" stays as it is") {
		t.Error(r.stderr)
	}
	if data, _ := os.ReadFile(viewer); string(data) != "edited" {
		t.Errorf("%q", data)
	}
	if left, _ := filepath.Glob(m.home + "/.local/share/*"); len(left) != 1 {
		t.Error(left)
	}
}

// sync follows changes of the chroot, and removes everything when the chroot is
// forgotten.
func TestSync(t *testing.T) {
	m := newMenu(t)
	before := m.snapshot()
	m.must("export", "g", "--all")
	os.Remove(m.tree + "/usr/share/applications/viewer.desktop")
	m.writeFiles(m.tree, map[string]string{
		"usr/share/applications/fresh.desktop":          top + "Name=Fresh\nExec=viewer\n",
		"usr/share/icons/hicolor/48x48/apps/taken.png~": pixels + "newer",
	})
	os.Rename(m.tree+"/usr/share/icons/hicolor/48x48/apps/taken.png~", m.tree+"/usr/share/icons/hicolor/48x48/apps/taken.png")
	r := m.must("sync")
	if !strings.Contains(r.stdout, "viewer is no longer exported") || !strings.Contains(r.stdout, "fresh is in the menu") {
		t.Error(r.stdout, r.stderr)
	}
	now := m.snapshot()
	if !strings.HasSuffix(now["/.local/share/icons/hicolor/48x48/apps/taken.g.png"], "newer") || now["/.local/share/icons/hicolor/48x48/apps/viewer.png"] != "" {
		t.Error("the icons are not up to date")
	}
	r = m.must("forget", "g")
	if !strings.Contains(r.stdout, "chrunctl unexport g --all") {
		t.Error(r.stdout)
	}
	m.must("sync")
	after := m.snapshot()
	for p := range before {
		if strings.HasPrefix(p, "/.config") {
			delete(before, p)
		}
	}
	for p := range after {
		if strings.HasPrefix(p, "/.config") {
			delete(after, p)
		}
	}
	m.compare("after forget and sync", before, after)
}
