package desktop

import (
	"fmt"
	"strings"
	"testing"

	"chrun/internal/fakedesk"
	"chrun/session"
)

func TestParseUserDirs(t *testing.T) {
	const text = `# made by xdg-user-dirs-update
XDG_DESKTOP_DIR="$HOME/"
XDG_DOWNLOAD_DIR="$HOME/ダウンロード"
XDG_MUSIC_DIR="/data/My \"Music\""
XDG_PICTURES_DIR=$HOME/Pictures
XDG_VIDEOS_DIR="Videos"
XDG_DOCUMENTS_DIR="$HOMEWORK"
	XDG_TEMPLATES_DIR = "no"
XDG_PUBLICSHARE_DIR="$HOME/a/../b"
`
	var got []string
	for _, d := range parseUserDirs([]byte(text), "/home/a") {
		got = append(got, fmt.Sprint(d.name, " ", d.dir))
	}
	want := []string{"XDG_DESKTOP_DIR /home/a", "XDG_DOWNLOAD_DIR /home/a/ダウンロード", `XDG_MUSIC_DIR /data/My "Music"`, "XDG_PUBLICSHARE_DIR /home/a/b"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// The directories, and the file where programs inside read their names.
func TestDocuments(t *testing.T) {
	d := fakedesk.New(t)
	d.Facts.Home = session.Path(d.Caller.Account.Home)
	home := d.Caller.Account.Home
	share := func() session.Share { return Documents.Detect(d.Facts) }
	if s := share(); len(s.Binds)+len(s.Files) > 0 || s.State != "none: there is no "+home+"/.config/user-dirs.dirs" {
		t.Errorf("%+v", s)
	}
	d.Write("home/Downloads/x", "")
	d.Write("home/Desktop", "a file")
	fakedesk.WantBinds(t, share(), home+"/Downloads on "+home+"/Downloads")
	fakedesk.WantFiles(t, share(), map[session.Path]string{session.Path(home) + "/.config/user-dirs.dirs": "XDG_DOWNLOAD_DIR=\"" + home + "/Downloads\"\n"})
	d.Write("home/ダウンロード/x", "")
	d.Write("home/.config/user-dirs.dirs", "XDG_DESKTOP_DIR=\"$HOME/\"\nXDG_DOWNLOAD_DIR=\"$HOME/ダウンロード\"\n")
	const text = "XDG_DESKTOP_DIR=\"HOME\"\nXDG_DOWNLOAD_DIR=\"HOME/ダウンロード\"\n"
	check := func(file string) {
		t.Helper()
		fakedesk.WantBinds(t, share(), home+"/ダウンロード on "+home+"/ダウンロード")
		fakedesk.WantFiles(t, share(), map[session.Path]string{session.Path(file): strings.ReplaceAll(text, "HOME", home)})
	}
	check(home + "/.config/user-dirs.dirs")
	// Directories of the system, directories with settings, and missing ones are
	// not shared, and each has a note.
	d.Write("home/.ssh/key", "")
	d.Write("home/.config/user-dirs.dirs", "XDG_DESKTOP_DIR=\"/usr\"\nXDG_DOCUMENTS_DIR=\"$HOME/.ssh\"\nXDG_MUSIC_DIR=\"$HOME/none\"\n")
	if s := share(); len(s.Binds) > 0 || len(s.Notes) != 3 {
		t.Errorf("%+v", s)
	}
	d.Write("home/.config/user-dirs.dirs", "XDG_DESKTOP_DIR=\"$HOME/\"\nXDG_DOWNLOAD_DIR=\"$HOME/ダウンロード\"\n")
	d.Write("home/cfg/user-dirs.dirs", "XDG_DESKTOP_DIR=\"$HOME\"\nXDG_DOWNLOAD_DIR=\"$HOME/ダウンロード\"\n")
	d.SetEnv("XDG_CONFIG_HOME=DIR/home/cfg") // passes, because it is in the home
	check(home + "/cfg/user-dirs.dirs")
	d.Write("cfg/user-dirs.dirs", "XDG_DESKTOP_DIR=\"$HOME\"\nXDG_DOWNLOAD_DIR=\"$HOME/ダウンロード\"\n")
	d.SetEnv("XDG_CONFIG_HOME=DIR/cfg") // does not pass
	check(home + "/.config/user-dirs.dirs")
}

func FuzzUserDirs(f *testing.F) {
	f.Add("XDG_A_DIR=\"$HOME/x\"\nXDG_B_DIR=\"/a\\\\b\"")
	f.Fuzz(func(t *testing.T, text string) {
		dirs := parseUserDirs([]byte(text), "/home/a")
		var b strings.Builder
		for _, d := range dirs {
			if !strings.HasPrefix(string(d.dir), "/") {
				t.Errorf("%q is not absolute", d.dir)
			}
			fmt.Fprintf(&b, "%s=\"%s\"\n", d.name, shellEscape.Replace(string(d.dir)))
		}
		if again := parseUserDirs([]byte(b.String()), session.HostPath("/other")); fmt.Sprint(again) != fmt.Sprint(dirs) {
			t.Errorf("%q is read back as %q from %q", dirs, again, b.String())
		}
	})
}
