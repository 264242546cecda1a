package desktop

import (
	"testing"

	"chrun/internal/fakedesk"
)

// The host's description of the terminal is shared if the chroot has none. It is
// found in all places in which ncurses looks, in their order.
func TestTerminal(t *testing.T) {
	const entry, wide = "\x1a\x01entry of ", "\x1e\x02entry of "
	for _, c := range []struct {
		name  string
		env   []string
		files map[string]string
		want  string // the content inside, "" for none
	}{
		{"nowhere", nil, nil, ""},
		{"in the chroot", nil, map[string]string{"tree/lib/terminfo/f/foot": entry, "host/usr/share/terminfo/f/foot": entry}, ""},
		{"in the chroot, hex", nil, map[string]string{"tree/usr/share/terminfo/66/foot": entry, "host/usr/share/terminfo/f/foot": entry}, ""},
		{"/usr/share", nil, map[string]string{"host/usr/share/terminfo/f/foot": entry + "share"}, entry + "share"},
		{"/lib, hex", nil, map[string]string{"host/lib/terminfo/66/foot": wide + "lib"}, wide + "lib"},
		{"/etc", nil, map[string]string{"host/etc/terminfo/f/foot": entry + "etc"}, entry + "etc"},
		{"$TERMINFO first", []string{"TERMINFO=DIR/mine", "TERMINFO_DIRS=DIR/a"}, map[string]string{
			"mine/f/foot": entry + "mine", "a/f/foot": entry + "a", "home/.terminfo/f/foot": entry + "home"}, entry + "mine"},
		{"~/.terminfo second", []string{"TERMINFO=DIR/mine", "TERMINFO_DIRS=DIR/a"}, map[string]string{
			"a/f/foot": entry + "a", "home/.terminfo/66/foot": entry + "home"}, entry + "home"},
		{"$TERMINFO_DIRS third", []string{"TERMINFO_DIRS=:DIR/none:relative:DIR/a"}, map[string]string{
			"a/f/foot": entry + "a", "host/usr/share/terminfo/f/foot": entry + "share"}, entry + "a"},
		{"not an entry", []string{"TERMINFO=DIR/mine"}, map[string]string{
			"mine/f/foot": "secret", "host/usr/share/terminfo/f/foot": entry + "share"}, entry + "share"},
		{"encoded in $TERMINFO", []string{"TERMINFO=b64:GgE"}, map[string]string{"host/usr/share/terminfo/f/foot": entry}, entry},
		{"a path", []string{"TERM=../f/foot"}, map[string]string{"host/usr/share/terminfo/f/foot": entry}, ""},
		{"hidden", []string{"TERM=.."}, nil, ""},
		{"none", []string{"TERM="}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := fakedesk.New(t, append(c.env, "TERM=foot")...)
			for name, data := range c.files {
				d.Write(name, data)
			}
			s := Terminal.Detect(d.Facts)
			if c.want == "" {
				if len(s.Files) != 0 || len(s.Lists) != 0 {
					t.Errorf("%+v", s)
				}
				return
			}
			if len(s.Files) != 1 || s.Files[0].Path != "/run/terminfo/f/foot" || string(s.Files[0].Data) != c.want ||
				len(s.Lists) != 1 || s.Lists[0].Name != "TERMINFO_DIRS" || s.Lists[0].Prepend != "/run/terminfo" {
				t.Errorf("%+v", s)
			}
		})
	}
}
