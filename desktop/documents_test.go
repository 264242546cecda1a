package desktop

import (
	"fmt"
	"strings"
	"testing"

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
