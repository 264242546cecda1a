package test

import (
	"context"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// makeHome makes a home with files for a session. Everything belongs to the user.
func makeHome(t *testing.T, files map[string]string) string {
	t.Helper()
	u, err := headless.TestUser()
	headless.Must(t, "desktop", err)
	dir := filepath.Join(headless.Dir(t, u), "home")
	err = os.Mkdir(dir, 0o700)
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(p), 0o755)
		}
		if err == nil {
			err = os.WriteFile(p, []byte(text), 0o644)
		}
	}
	if err == nil && os.Getuid() == 0 {
		err = filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(p, u.UID, u.GID)
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// A setting made with dconf inside is visible inside and on the host, and vice
// versa.
func TestDconf(t *testing.T) {
	d := openDesktop(t, headless.Options{Bus: true, Home: makeHome(t, nil)})
	if os.Getuid() == 0 {
		d.chroot = mountRenamedTree(t, d.User, "taro") // the account's name inside does not matter
	}
	const schema = "org.gnome.desktop.interface"
	host := func(args ...string) string {
		t.Helper()
		out, err := d.Output("gsettings", args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	host("set", schema, "cursor-size", "37") // creates the database, which every desktop has
	d.chrun(both, nil, "gsettings", "get", schema, "cursor-size").wantOutput(t, "37")
	for font, kind := range map[string]string{"Sans 13": "private", "Serif 14": "host", "Mono 15": "temporary"} {
		flags := []string{"--home", kind}
		d.chrun(both, flags, "gsettings", "set", schema, "font-name", font).wantOutput(t, "")
		d.chrun(both, flags, "gsettings", "get", schema, "font-name").wantOutput(t, "'"+font+"'")
		if got := host("get", schema, "font-name"); got != "'"+font+"'" {
			t.Errorf("on the host the font is %s, want %q", got, font)
		}
	}

	// A running program sees a change at once, although dconf replaces its file.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := d.start(ctx, both, nil, "gsettings", "monitor", schema, "font-name")
	var changes safeBuffer
	cmd.Stdout = &changes
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); cmd.Wait() }()
	n := 20
	waitFor(t, 10*time.Second, "the change", func() bool {
		n++
		host("set", schema, "font-name", "Mono "+string(rune('0'+n%10)))
		return strings.Contains(changes.String(), "'Mono ")
	})
}

// fontconfig finds fonts that only the host has, those of the system and those of
// the person, even with an empty environment.
func TestFonts(t *testing.T) {
	u, err := headless.TestUser()
	headless.Must(t, "desktop", err)
	dir := makeHome(t, map[string]string{".local/share/fonts/x": "", ".fonts/x": ""})
	font := filepath.Join(headless.Chroot(t), "usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
	data, err := os.ReadFile(font)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{".local/share/fonts/mine.ttf", ".fonts/older.ttf"} {
		if err := os.WriteFile(filepath.Join(dir, p), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d := openDesktop(t, headless.Options{User: u, Home: dir})
	for _, command := range [][]string{{"fc-list"}, {"env", "-i", "HOME=" + dir, "/usr/bin/fc-list"}} {
		r := d.chrun(both, nil, command...)
		for _, want := range []string{"/run/host/user-share/fonts/mine.ttf", "/run/host/user-home/fonts/older.ttf", "/run/host/share/fonts/", "\n/usr/share/fonts/"} {
			if !strings.Contains("\n"+r.stdout, want) {
				t.Errorf("%q: no %s in\n%s%s", command, want, r.stdout, r.stderr)
			}
		}
	}
	if r := d.chrun(both, []string{"--deny", "appearance"}, "fc-list"); r.err != nil || strings.Contains(r.stdout, "/run/host") {
		t.Errorf("denied: %s %s", r.stdout, r.stderr)
	}
}

// A theme with a colour that nothing else on the screen has. As usual it is set in
// settings.ini for X11, and in dconf for Wayland.
const themeCSS = "* { background-image: none; background-color: #b3128f; color: #fff; }\n"

var themeColor = color.RGBA{0xb3, 0x12, 0x8f, 0xff}

// A GTK window of the chroot looks like that of the same program on the host.
func TestTheme(t *testing.T) {
	cursor, err := os.ReadFile(filepath.Join(headless.Chroot(t), "usr/share/icons/Adwaita/cursors/left_ptr"))
	if err != nil {
		t.Fatal(err)
	}
	home := makeHome(t, map[string]string{
		".dotfiles/Chrun/gtk-3.0/gtk.css":                 themeCSS,
		".dotfiles/settings.ini":                          "[Settings]\ngtk-theme-name=Chrun\ngtk-font-name=DejaVu Sans 20\ngtk-cursor-theme-name=ChrunCursor\n",
		".local/share/icons/ChrunCursor/index.theme":      "[Icon Theme]\nName=ChrunCursor\nInherits=Adwaita\n",
		".local/share/icons/ChrunCursor/cursors/left_ptr": string(cursor),
		".themes/other":                                   "",
		".config/gtk-3.0/other":                           "",
	})
	// Many people keep such files in a repository, and symlinks where they belong.
	for link, target := range map[string]string{".themes/Chrun": home + "/.dotfiles/Chrun", ".config/gtk-3.0/settings.ini": "../../.dotfiles/settings.ini"} {
		if err := os.Symlink(target, filepath.Join(home, link)); err != nil {
			t.Fatal(err)
		}
	}
	d := openDesktop(t, headless.Options{Compositor: "sway", X11: true, Bus: true, Home: home})
	if os.Getuid() == 0 {
		d.chroot = mountRenamedTree(t, d.User, "taro")
	}
	for name, value := range map[string]string{"gtk-theme": "Chrun", "font-name": "DejaVu Sans 20", "cursor-theme": "ChrunCursor"} {
		if _, err := d.Output("gsettings", "set", "org.gnome.desktop.interface", name, value); err != nil {
			t.Fatal(err)
		}
	}
	// chrun finds the other display too, so the toolkit is told which to use.
	on := func(m mode, backend string) mode {
		return mode{m.name, func(env []string) []string { return append(m.env(env), "GDK_BACKEND="+backend) }}
	}
	for display, m := range map[headless.Display]mode{headless.Wayland: on(wayland, "wayland"), headless.X11: on(x11, "x11")} {
		host, inside := d.themeCoverage(m, display, false), d.themeCoverage(m, display, true)
		if host < 0.005 || inside < 0.98*host || inside > 1.02*host {
			t.Errorf("%s: the theme covers %.4f of the screen from inside, %.4f from the host", m.name, inside, host)
		}
		// A screenshot has no cursor, so check which file is opened.
		r := d.chrun(m, nil, "strace", "-f", "-e", "trace=open,openat", "zenity", "--info", "--timeout=1")
		if !strings.Contains(strings.ReplaceAll(r.stderr, "//", "/"), `"/run/host/user-share/icons/ChrunCursor/cursors/`) {
			t.Errorf("%s: the host's cursor theme is not opened\n%.2000s", m.name, r.stderr)
		}
	}
}

// themeCoverage returns the share of the screen that has the theme's colour while
// the host's or the chroot's program shows a dialog.
func (d *desk) themeCoverage(m mode, display headless.Display, inside bool) (covered float64) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	dialog := []string{"zenity", "--info", "--text=The quick brown fox", "--timeout=60"}
	cmd := d.Command(ctx, dialog[0], dialog[1:]...)
	cmd.Env = m.env(cmd.Env)
	if inside {
		cmd = d.start(ctx, m, nil, dialog...)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	defer func() { cancel(); cmd.Wait() }()
	file := os.Getenv("CHRUN_TEST_KEEP") // a directory for pictures
	if file != "" {
		file = filepath.Join(file, fmt.Sprintf("%s-inside-%v.png", display, inside))
	}
	last := -1.0 // wait until the picture is stable
	waitFor(d.t, 30*time.Second, "a window in the theme's colour", func() bool {
		picture, err := d.Screenshot(display, file)
		if err != nil {
			d.t.Fatal(err)
		}
		last, covered = covered, headless.Covered(picture, themeColor)
		return covered == last && covered > 0
	})
	return covered
}

// Without a variable, the person's default cursor theme ~/.icons/default comes
// before that of the chroot.
func TestDefaultCursor(t *testing.T) {
	cursor, err := os.ReadFile(filepath.Join(headless.Chroot(t), "usr/share/icons/Adwaita/cursors/left_ptr"))
	if err != nil {
		t.Fatal(err)
	}
	d := openDesktop(t, headless.Options{X11: true, Home: makeHome(t, map[string]string{
		".icons/default/index.theme":       "[Icon Theme]\nInherits=ChrunCursor\n",
		".icons/ChrunCursor/cursors/hand2": string(cursor),
	})})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := d.start(ctx, x11, nil, "strace", "-f", "-e", "trace=open,openat", "xcalc")
	var opened safeBuffer
	cmd.Stderr = &opened
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); cmd.Wait() }()
	waitFor(t, 15*time.Second, "the person's cursor is opened", func() bool {
		return strings.Contains(strings.ReplaceAll(opened.String(), "//", "/"), `"/run/host/user-home/icons/ChrunCursor/cursors/`)
	})
}
