package export

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chrun/desktop/export/mime"
	"chrun/internal/headless"
)

// An export changes no default, by the answers of gio and xdg-mime. The host has
// one case for each way in which a default could change.
func TestKeepDefaults(t *testing.T) {
	for _, program := range []string{"gio", "xdg-mime", "update-mime-database"} {
		_, err := exec.LookPath(program)
		headless.Must(t, "desktop", err)
	}
	h, dir := newDefaultsHost(t)
	run := func(selection Selection) []string {
		t.Helper()
		if _, failed := runExport(t, h, dir+"/tree", selection); len(failed) > 0 {
			t.Fatal(failed)
		}
		return snapshot(t, h.DataHome)
	}
	original, before := snapshot(t, h.DataHome), readDefaults(t, h, dir)
	all := Selection{Tree: dir + "/tree", All: true, Label: AutoLabel}
	first := run(all)
	for i, now := range readDefaults(t, h, dir) {
		if was := before[i]; now != was && !strings.HasSuffix(was, " ") {
			t.Errorf("%q, was %q", now, was)
		} else if strings.HasPrefix(was, "image/gif") && !strings.HasSuffix(now, " new.desktop") {
			t.Errorf("%q: a type without a default should get one", now)
		}
	}
	if again := run(all); !slices.Equal(again, first) {
		t.Errorf("after the second export: %v, want %v", again, first)
	}
	if after := run(Selection{Label: AutoLabel}); !slices.Equal(after, original) {
		t.Errorf("after unexport: %v, want %v", after, original)
	}
}

// newDefaultsHost makes a host and the tree of a chroot in dir.
func newDefaultsHost(t *testing.T) (h *Host, dir string) {
	t.Helper()
	dir = t.TempDir()
	app := func(types string) string {
		return "[Desktop Entry]\nType=Application\nName=x\nExec=true %U\nMimeType=" + types + "\n"
	}
	for name, text := range map[string]string{
		"d1/applications/ed.desktop":                 app("text/plain;audio/mp3;"),
		"d1/applications/mimeinfo.cache":             "[MIME Cache]\naudio/mp3=ed.desktop;\ntext/plain=ed.desktop;\n", // audio/mp3 is an alias
		"home/.local/share/applications/own.desktop": app("image/png;text/plain;"),                                    // in no cache
		"home/.config/mimeapps.list":                 "[Default Applications]\nvideo/mp4=lost.desktop;ed.desktop;\n",
		"tree/usr/share/applications/new.desktop":    app("text/plain;text/x-python;audio/mpeg;application/x-new;packages/evil;image/png;image/gif"),
		"tree/usr/share/applications/lost.desktop":   app("application/pdf"),
		"tree/usr/share/mime/packages/n.xml":         `<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info"><mime-type type="application/x-new"><glob pattern="*.new"/></mime-type><mime-type type="packages/evil"/></mime-info>`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir+"/d2", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/share/mime", dir+"/d2/mime"); err != nil {
		t.Fatal(err)
	}
	return &Host{Home: dir + "/home", StateDir: dir + "/state", BinDir: dir + "/home/.local/bin", Launcher: "/usr/bin/true", RuntimeDir: dir,
		Dirs: mime.Dirs{ConfigHome: dir + "/home/.config", DataHome: dir + "/home/.local/share", DataDirs: []string{dir + "/d1", dir + "/d2"}, Path: os.Getenv("PATH")}}, dir
}

// readDefaults returns "TYPE PROGRAM ID" for several types, as gio and xdg-mime
// answer.
func readDefaults(t *testing.T, h *Host, dir string) (all []string) {
	t.Helper()
	for _, typ := range []string{"text/plain", "text/x-python", "audio/mpeg", "audio/mp3", "image/png", "image/gif", "video/mp4", "video/3gpp", "application/x-new"} {
		for _, argv := range [][]string{{"gio", "mime", typ}, {"xdg-mime", "query", "default", typ}} {
			c := exec.Command(argv[0], argv[1:]...)
			c.Env = []string{"HOME=" + h.Home, "PATH=" + h.Path, "LC_ALL=C.UTF-8", "XDG_CONFIG_DIRS=" + dir + "/etc", "XDG_DATA_DIRS=" + strings.Join(h.DataDirs, ":")}
			out, err := c.Output()
			if err != nil {
				t.Fatal(argv, err)
			}
			first, _, _ := strings.Cut(string(out), "\n")
			if strings.HasPrefix(first, "No default") {
				first = ""
			}
			all = append(all, fmt.Sprint(typ, " ", argv[0], " ", first[strings.LastIndex(first, " ")+1:]))
		}
	}
	return all
}

// snapshot returns every path below dir, with the content of files.
func snapshot(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			all = append(all, p)
			return err
		}
		data, err := os.ReadFile(p)
		all = append(all, fmt.Sprintf("%s %q", p, data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
