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

// The entries of the home, and the file in which programs inside find the names
// of the directories.
func TestDocuments(t *testing.T) {
	d := fakedesk.New(t)
	d.Facts.Home = session.Path(d.Caller.Account.Home)
	home := d.Caller.Account.Home
	share := func() session.Share { return Documents.Detect(d.Facts) }
	if s := share(); len(s.Binds)+len(s.Files)+len(s.HomeEntries) > 0 || s.State != "your home has no visible files" {
		t.Errorf("%+v", s)
	}
	d.Write("home/Downloads/x", "")
	d.Write("home/Desktop", "a file")
	if s := share(); s.State != "1 directories and 1 files of your home" || len(s.Binds) > 0 {
		t.Errorf("%+v", s)
	}
	fakedesk.WantFiles(t, share(), map[session.Path]string{session.Path(home) + "/.config/user-dirs.dirs": "XDG_DOWNLOAD_DIR=\"" + home + "/Downloads\"\n"})
	const text = "XDG_DESKTOP_DIR=\"HOME\"\nXDG_DOWNLOAD_DIR=\"HOME/ダウンロード\"\n"
	check := func(file string) {
		t.Helper()
		fakedesk.WantFiles(t, share(), map[session.Path]string{session.Path(file): strings.ReplaceAll(text, "HOME", home)})
	}
	d.Write("home/ダウンロード/x", "")
	d.Write("home/.config/user-dirs.dirs", "XDG_DESKTOP_DIR=\"$HOME/\"\nXDG_DOWNLOAD_DIR=\"$HOME/ダウンロード\"\n")
	check(home + "/.config/user-dirs.dirs")
	d.Write("home/cfg/user-dirs.dirs", "XDG_DESKTOP_DIR=\"$HOME\"\nXDG_DOWNLOAD_DIR=\"$HOME/ダウンロード\"\n")
	d.SetEnv("XDG_CONFIG_HOME=DIR/home/cfg") // passes, because it is in the home
	check(home + "/cfg/user-dirs.dirs")
	d.Write("cfg/user-dirs.dirs", "XDG_DESKTOP_DIR=\"$HOME\"\nXDG_DOWNLOAD_DIR=\"$HOME/ダウンロード\"\n")
	d.SetEnv("XDG_CONFIG_HOME=DIR/cfg") // does not pass
	check(home + "/.config/user-dirs.dirs")
	d.SetEnv()

	// Directories elsewhere are shared, except those of the system; missing ones
	// have a note.
	d.Write("music/x", "")
	d.Write("home/.config/user-dirs.dirs", "XDG_DESKTOP_DIR=\"/usr\"\nXDG_MUSIC_DIR=\""+d.Path("music")+"\"\nXDG_VIDEOS_DIR=\"/none\"\n")
	s := share()
	fakedesk.WantBinds(t, s, d.Path("music")+" on "+d.Path("music"))
	if len(s.Notes) != 2 {
		t.Errorf("%q", s.Notes)
	}
	// A program with another uid gets only the user directories.
	d.Write("home/.config/user-dirs.dirs", "XDG_DOWNLOAD_DIR=\"$HOME/ダウンロード\"\n")
	d.Facts.Identity = session.Identity{Kind: session.Grant, UID: d.Caller.UID + 1}
	fakedesk.WantBinds(t, share(), home+"/ダウンロード on "+home+"/ダウンロード")
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
