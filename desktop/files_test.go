package desktop

import (
	"testing"

	"chrun/internal/fakedesk"
	"chrun/session"
)

func TestArgumentPath(t *testing.T) {
	for arg, want := range map[string]session.HostPath{
		"photo.png": "/w/photo.png", "../photo.png": "/photo.png", "/data/./x": "/data/x", "it's": "/w/it's",
		"--opt=/data/x": "/data/x", "-o=x": "/w/x", "--opt=file:///x": "/x",
		"file:///a%20b%25": "/a b%", "file://localhost/x": "/x", "FILE=/x": "/w/FILE=/x",
		"file:/x": "/x", "FILE:///x#top": "/x", "file:///x?a=b": "/x", "file:///%23": "/#", "file:x": "/w/file:x", "file:///../x": "/x",
		"": "", "-": "", "-v": "", "--opt=": "", "file://other/x": "", "file:///%": "", "file:///%00": "", "a\x00": "",
	} {
		if got := argumentPath(arg, "/w"); got != want {
			t.Errorf("%q: %q, want %q", arg, got, want)
		}
	}
	if got := argumentPath("photo.png", ""); got != "" {
		t.Errorf("without a working directory: %q", got)
	}
}

// A file comes with its folder, except the home. Files below a dot directory of
// the home and files of the host's system are not shared, not even through
// symlinks.
func TestShareFile(t *testing.T) {
	d := fakedesk.New(t)
	for _, p := range []string{"home/top", "home/.dot/key", "home/work/x", "data/x"} {
		d.Write(p, "")
	}
	d.Link("/usr/bin", "data/bin")
	d.Link("/etc/passwd", "home/passwd")
	d.Link(".dot/key", "home/key")
	d.Link("work", "home/link")
	d.Link("home", "real")               // another path to the home
	d.Link("../two/second", "one/first") // a link to a link
	d.Link("../data/x", "two/second")
	type bind struct {
		source, dest string
		folder       bool
	}
	for p, want := range map[string][]bind{
		"home/top":       {{"home/top", "home/top", false}},
		"home/work/x":    {{"home/work/x", "home/work/x", true}},
		"home/work":      {{"home/work", "home/work", false}},
		"home/link/x":    {{"home/link/x", "home/link/x", true}, {"home/work/x", "home/work/x", false}},
		"real/top":       {{"real/top", "real/top", false}, {"home/top", "home/top", false}},
		"data/x":         {{"data/x", "data/x", true}},
		"one/first":      {{"one/first", "one/first", true}, {"data/x", "two/second", false}, {"data/x", "data/x", false}},
		"home":           nil,
		"real":           nil,
		"home/.dot/key":  nil,
		"real/.dot/key":  nil,
		"home/key":       nil,
		"home/passwd":    nil,
		"data/bin/env":   nil,
		"data/bin":       nil,
		"home/not-there": nil,
	} {
		var got []bind
		for _, b := range shareFile(d.Caller, d.Dir.Join(p)) {
			got = append(got, bind{string(b.Source), string(b.Dest), b.WithFolder})
		}
		same := len(got) == len(want)
		for i := range want {
			w := want[i]
			same = same && got[i] == bind{string(d.Dir.Join(w.source)), string(d.Dir.Join(w.dest)), w.folder}
		}
		if !same {
			t.Errorf("%s: %v, want %v", p, got, want)
		}
	}
	for _, p := range []session.HostPath{"/", "/usr/bin/env", "/bin/sh", "/etc/passwd", "/dev/null", "/proc/self/status", "/sys", "/run", "/boot", "/var/lib", "/home"} {
		d.Caller.Account.Home = "/home/alice"
		if got := shareFile(d.Caller, p); len(got) > 0 {
			t.Errorf("%s: %v", p, got)
		}
	}
}
