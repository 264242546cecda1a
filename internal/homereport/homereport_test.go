package homereport

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chrun/session"
	"chrun/session/account"
)

// launch is a caller's home, a private home, and what a program does in it.
type launch struct {
	*testing.T
	home, own, state string
	plan             *session.Plan
}

func newLaunch(t *testing.T) *launch {
	t.Helper()
	dir := t.TempDir()
	l := &launch{t, dir + "/home", dir + "/home/.local/own", dir + "/state", &session.Plan{Home: session.Home{Mode: session.HomePrivate, Dir: dir + "/home/.local/own"}, Identity: session.Identity{Kind: session.Match, InsideUID: 1717}}}
	if err := errors.Join(os.MkdirAll(l.own, 0o755), os.Mkdir(l.home+"/Pics", 0o755), os.Mkdir(l.own+"/Pics", session.PlaceholderMode)); err != nil {
		t.Fatal(err)
	}
	l.plan.Mounts = []session.Mount{{Kind: session.FromHost, Source: l.home + "/Pics", Dest: session.Path(l.home + "/Pics"), Feature: "documents"},
		{Kind: session.FromHost, Source: l.home + "/Pics", Dest: session.Path(l.home + "/Photos"), Feature: "documents"}}
	l.write(l.home+"/notes.txt", "the host's")
	l.link("notes.txt")
	return l
}

func (l *launch) write(p, text string) {
	l.Helper()
	os.Remove(p)
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		l.Fatal(err)
	}
}

func (l *launch) mkdir(p string) {
	l.Helper()
	if err := os.Mkdir(p, 0o755); err != nil {
		l.Fatal(err)
	}
}

func (l *launch) link(name string) {
	l.Helper()
	if err := os.Symlink("/run/host"+l.home+"/"+name, l.own+"/"+name); err != nil {
		l.Fatal(err)
	}
}

// run begins and ends a report around do, and returns both parts of it.
func (l *launch) run(do func()) (earlier, end string) {
	l.Helper()
	r := Begin(l.plan, &session.Caller{Account: account.Account{Home: l.home}}, l.state, false)
	text := func(messages []Message) string {
		var all []string
		for _, m := range messages {
			all = append(all, strings.ReplaceAll(m.Text+" | "+m.Hint, filepath.Dir(l.home), "DIR"))
		}
		return strings.Join(all, "\n")
	}
	earlier = text(r.Earlier())
	do()
	return earlier, text(r.End())
}

func TestReport(t *testing.T) {
	l := newLaunch(t)
	for _, x := range []struct {
		name         string
		do           func()
		earlier, end string
	}{
		{"nothing happens", func() {}, "", ""},
		{"a file is made", func() { l.write(l.own+"/new", "") }, "",
			"~/new is new in the chroot's home: ~/.local/own/new | to have it in your home: mv -i ~/.local/own/new ~"},
		{"it is known", func() {}, "", ""},
		{"it is written again", func() { l.write(l.own+"/new", "more") }, "",
			"~/new was changed in the chroot's home: ~/.local/own/new | to have it in your home: mv -i ~/.local/own/new ~"},
		{"it is known again", func() {}, "", ""},
		{"a hidden file is made", func() { l.write(l.own+"/.new", "") }, "", ""},
		{"a link is replaced", func() { l.write(l.own+"/notes.txt", "") }, "",
			"~/notes.txt was written only in the chroot's home: yours is unchanged | to replace yours by it: mv ~/.local/own/notes.txt ~; to remove it: rm ~/.local/own/notes.txt"},
		{"the link is made again", func() { os.Remove(l.own + "/notes.txt"); l.link("notes.txt") }, "", ""},
		{"a link is moved away", func() {
			os.Remove(l.own + "/notes.txt")
			if err := os.Symlink("/run/host"+l.home+"/notes.txt", l.home+"/Pics/notes.txt"); err != nil {
				t.Fatal(err)
			}
		}, "", "~/Pics/notes.txt is only a link: the file is still ~/notes.txt | to have the file there: mv ~/notes.txt ~/Pics/notes.txt"},
	} {
		earlier, end := l.run(x.do)
		if earlier != x.earlier || end != x.end {
			t.Errorf("%s: %q, %q\nwant %q, %q", x.name, earlier, end, x.earlier, x.end)
		}
	}
	os.Remove(l.home + "/Pics/notes.txt")
	l.link("notes.txt")
	if _, end := l.run(func() { os.Remove(l.own + "/notes.txt") }); end != "~/notes.txt was removed inside: the host's file is unchanged | to remove it: rm ~/notes.txt" {
		t.Error(end)
	}
	// What appears after a launch is reported by the next one, once.
	l.write(l.own+"/late", "")
	want := "~/late is new in the chroot's home: ~/.local/own/late | to have it in your home: mv -i ~/.local/own/late ~"
	if earlier, end := l.run(func() {}); earlier != want || end != "" {
		t.Errorf("%q, %q", earlier, end)
	}
	if earlier, _ := l.run(func() {}); earlier != "" {
		t.Error(earlier)
	}
	// What the home has, too, is not overwritten by what the hint says.
	l.write(l.home+"/both", "the host's")
	both := "~/both is new in the chroot's home: ~/.local/own/both; your home has another one | to have both in your home: mv -i ~/.local/own/both ~/both.chroot"
	if _, end := l.run(func() { l.mkdir(l.own + "/both") }); end != both {
		t.Errorf("%q", end)
	}
	// A launch that mounts in a known directory does not make it new.
	l.mkdir(l.own + "/proj")
	l.run(func() {})
	l.plan.Preparations = []session.Preparation{{InHome: session.HostPath(l.own), At: "proj/file"}}
	l.run(func() { l.write(l.own+"/proj/file", "") })
	l.plan.Preparations = nil
	if earlier, end := l.run(func() {}); earlier != "" || end != "" {
		t.Errorf("%q, %q", earlier, end)
	}
	// A link that chrun itself removes is no news.
	l.link("notes.txt")
	l.plan.Stale = []session.StaleEntry{{Name: "notes.txt"}}
	if _, end := l.run(func() { os.Remove(l.own + "/notes.txt") }); end != "" {
		t.Error(end)
	}
	// A file that stands in for the host's is named at every launch.
	l.plan.StandIns = []session.StandIn{{Own: session.HostPath(l.own + "/a b"), Host: session.HostPath(l.home + "/a b")}}
	const standIn = "~/a b inside is the chroot's own and hides yours | to replace yours by it: mv ~/'.local/own/a b' ~; to remove it: rm ~/'.local/own/a b'"
	for range 2 {
		if earlier, _ := l.run(func() {}); earlier != standIn {
			t.Error(earlier)
		}
	}
}

// A command that runs in the real home meets the file that stands in for another
// only if it names its path.
func TestStandInMatters(t *testing.T) {
	l := newLaunch(t)
	l.plan.StandIns = []session.StandIn{{Own: session.HostPath(l.own + "/a"), Host: session.HostPath(l.home + "/a")}}
	for _, x := range []struct {
		inHome bool
		arg    string
		said   bool
	}{{true, "a", false}, {true, "--in=" + l.home + "/a", true}, {false, "a", true}} {
		l.plan.Cwd, l.plan.Argv = "/", []string{"cat", x.arg}
		if x.inHome {
			l.plan.Cwd = session.HomeAlias(session.HostPath(l.home))
		}
		if earlier, _ := l.run(func() {}); (earlier != "") != x.said {
			t.Errorf("%+v: %q", x, earlier)
		}
	}
}

// Several things are one message, which names each.
func TestManyThings(t *testing.T) {
	l := newLaunch(t)
	_, end := l.run(func() {
		for _, name := range []string{"c", "a", "b"} {
			l.write(l.own+"/"+name, "")
		}
	})
	if want := "~/a, ~/b, ~/c are new in the chroot's home: ~/.local/own | to have them in your home: mv -i ~/.local/own/a ~/.local/own/b ~/.local/own/c ~"; end != want {
		t.Errorf("%q", end)
	}
}

// A link that was moved away is one message: who follows two could lose the file.
func TestMovedLink(t *testing.T) {
	l := newLaunch(t)
	_, end := l.run(func() {
		if err := os.Rename(l.own+"/notes.txt", l.home+"/Pics/other"); err != nil {
			t.Fatal(err)
		}
	})
	if want := "~/Pics/other is only a link: the file is still ~/notes.txt | to have the file there: mv ~/notes.txt ~/Pics/other"; end != want {
		t.Errorf("%q", end)
	}
}

// Many links are one message, too.
func TestManyLinks(t *testing.T) {
	l := newLaunch(t)
	_, end := l.run(func() {
		for i := range maxNames + 2 {
			if err := os.Symlink("/run/host"+l.home+"/notes.txt", fmt.Sprintf("%s/Pics/%02d", l.home, i)); err != nil {
				t.Fatal(err)
			}
		}
	})
	if !strings.HasPrefix(end, "~/Pics/00, ~/Pics/01, ") || !strings.HasSuffix(end, "~/Pics/19 and 2 more are only links: the files are still at the top of ~ | to have each there: cp --remove-destination ~/NAME ~/Pics/NAME") {
		t.Errorf("%q", end)
	}
}

// Each thing is said once, by the launch in which it appeared or changed.
func TestTwoLaunches(t *testing.T) {
	l := newLaunch(t)
	begin := func() *Report {
		return Begin(l.plan, &session.Caller{Account: account.Account{Home: l.home}}, l.state, false)
	}
	check := func(what string, messages []Message, want string) {
		t.Helper()
		var got []string
		for _, m := range messages {
			text, _, _ := strings.Cut(m.Text, " in the chroot's home")
			got = append(got, text)
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	first := begin()
	l.write(l.own+"/a", "")
	second := begin()
	check("what the first launch makes", second.Earlier(), "")
	l.write(l.own+"/b", "")
	os.Remove(l.own + "/notes.txt")
	check("the end of the second", second.End(), "~/b is new; ~/notes.txt was removed inside: the host's file is unchanged")
	check("the end of the first", first.End(), "~/a is new")

	// One that is killed leaves it to the last one, or to the next.
	first = begin()
	l.write(l.own+"/killed", "")
	second = begin()
	first.record.file.Close()
	check("the last one", second.End(), "~/killed is new")
	first = begin()
	l.write(l.own+"/a", "more")
	first.record.file.Close()
	second = begin()
	check("the next one", second.Earlier(), "~/a was changed")
	check("and its end", second.End(), "")
}

// A quiet launch says nothing of what it makes, then or later, but leaves what others
// make to them.
func TestQuiet(t *testing.T) {
	l := newLaunch(t)
	begin := func(quiet bool) *Report {
		return Begin(l.plan, &session.Caller{Account: account.Account{Home: l.home}}, l.state, quiet)
	}
	quiet := begin(true)
	l.write(l.own+"/a", "")
	quiet.End()
	if earlier, end := l.run(func() {}); earlier+end != "" {
		t.Errorf("%q, %q", earlier, end)
	}
	l.write(l.own+"/late", "")
	quiet = begin(true)
	loud := begin(false)
	l.write(l.own+"/b", "")
	quiet.End()
	if messages := loud.End(); len(messages) != 1 || !strings.HasPrefix(messages[0].Text, "~/b, ~/late are new") {
		t.Errorf("%+v", messages)
	}
}

// A mount point of another launch is not news, and what was there before the first
// report is not either.
func TestNotNews(t *testing.T) {
	l := newLaunch(t)
	l.write(l.own+"/old", "")
	if earlier, end := l.run(func() { l.write(l.own+"/mount", ""); os.Chmod(l.own+"/mount", 0o600); l.write(l.home+"/mount", "") }); earlier+end != "" {
		t.Errorf("%q, %q", earlier, end)
	}
}

// Homes in which nothing can be lost have no report.
func TestNoReport(t *testing.T) {
	c := &session.Caller{}
	for _, mode := range []session.HomeMode{session.HomeHost, session.HomeMode("")} {
		r := Begin(&session.Plan{Home: session.Home{Mode: mode}}, c, "", false)
		if r != nil || r.Earlier() != nil || r.End() != nil {
			t.Errorf("%s has a report", mode)
		}
	}
}
