package desktop

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/fakedesk"
)

// What is listed, and what is left out without an error.
func TestListHomeEntries(t *testing.T) {
	d := fakedesk.New(t)
	home := d.Caller.Account.Home
	for _, p := range []string{"src/proj/x", "a b/x", "日本/x", "new\nline/x", ".dot/x"} {
		d.Write("home/"+p, "")
	}
	d.Write("home/notes.txt", "")
	d.Write("home/.hidden", "")
	d.Write("data/x", "")
	for name, target := range map[string]string{
		"data": d.Path("data"), "second": "src", "chain": "data", "filelink": "notes.txt", // shared
		"todot": ".dot", "self": ".", "above": "..", "toroot": "/", "etc": "/etc", "nowhere": "none", "loop": "loop", "outside": d.Path("data/x"), "tofifo": "fifo",
	} {
		if err := os.Symlink(target, filepath.Join(home, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(home, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	entries, notes := listHomeEntries(d.Caller)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name+" "+strings.TrimPrefix(string(e.Dir), d.Path("")))
	}
	slices.Sort(got)
	want := []string{"a b /home/a b", "chain /data", "data /data", "filelink ", "new\nline /home/new\nline", "notes.txt ", "second /home/src", "src /home/src", "日本 /home/日本"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	// One line for each reason.
	left := []string{
		"left out at the top of HOME: sockets, FIFOs and devices (fifo, tofifo)",
		"left out at the top of HOME: symlinks that lead nowhere (loop, nowhere)",
		"left out at the top of HOME: symlinks to dot files, to the system, and to the home or above (above, etc, self, todot, toroot)",
		"left out at the top of HOME: symlinks to files outside the home (outside)",
	}
	if got := strings.Split(strings.ReplaceAll(strings.Join(notes, "\n"), home, "HOME"), "\n"); !slices.Equal(got, left) {
		t.Errorf("%q\nwant %q", got, left)
	}
}

// A home of many files is shared up to a limit, which is said.
func TestManyLooseFiles(t *testing.T) {
	d := fakedesk.New(t)
	for i := range maxLooseFiles + 3 {
		d.Write("home/"+strings.Repeat("x", 1+i%200)+string(rune('a'+i/200)), "")
	}
	entries, notes := listHomeEntries(d.Caller)
	if len(entries) != maxLooseFiles || len(notes) != 1 || !strings.HasPrefix(notes[0], "only the first 500 of 503 files") {
		t.Errorf("%d entries, %q", len(entries), notes)
	}
}
