package grant

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session/acl"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestGrant(t *testing.T) {
	dir, grants := listenSockets(t, 2)
	before := readSockets(t, dir)
	table := realTable()
	l := beginLaunch(t, openJournal(t, dir))
	for _, g := range append(grants, grants...) { // the second time changes nothing
		must(t, l.Grant(table, g))
	}
	got := readSockets(t, dir)
	for name, s := range got {
		if s.permOf(grantee) != "rw-" || s.mode != 0o760 {
			t.Errorf("%s after the grant: %+v", name, s)
		}
	}
	must(t, l.End(table))
	expectSockets(t, dir, before, "afterwards")
	expectEmpty(t, dir)
	if err := l.Grant(table, grants[0]); err == nil {
		t.Error("a launch that has ended can still grant")
	}
	expectSockets(t, dir, before, "after the end")
}

// When two launches share a grant, it is revoked when the second one ends.
func TestOverlap(t *testing.T) {
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		dir, grants := listenSockets(t, 1)
		before := readSockets(t, dir)
		table := realTable()
		j := openJournal(t, dir)
		launches := []*Launch{beginLaunch(t, j), beginLaunch(t, openJournal(t, dir))}
		for _, l := range launches {
			must(t, l.Grant(table, grants[0]))
		}
		must(t, launches[order[0]].End(table))
		must(t, j.Sweep(table))
		if perm := readSockets(t, dir)["s0"].permOf(grantee); perm != "rw-" {
			t.Errorf("order %v: the other launch has lost its grant: %q", order, perm)
		}
		must(t, launches[order[1]].End(table))
		expectSockets(t, dir, before, fmt.Sprintf("order %v", order))
		expectEmpty(t, dir)
	}
}

// An entry that the user had set before is never revoked.
func TestUsersEntry(t *testing.T) {
	for _, own := range []string{"u:12345:rw", "u:12345:rwx", "u:12345:rw,u:7:r"} {
		dir, grants := listenSockets(t, 1)
		run(t, "setfacl", "-m", own, grants[0].ACL.Path)
		before := readSockets(t, dir)
		table := realTable()
		j := openJournal(t, dir)
		l, m := beginLaunch(t, j), beginLaunch(t, j)
		must(t, errors.Join(l.Grant(table, grants[0]), m.Grant(table, grants[0])))
		must(t, l.End(table))
		must(t, m.Close()) // as if killed
		must(t, j.Sweep(table))
		expectSockets(t, dir, before, own)
		expectEmpty(t, dir)
	}
}

// An entry of the user's with fewer permissions is not overwritten.
func TestUsersSmallerEntry(t *testing.T) {
	dir, grants := listenSockets(t, 1)
	run(t, "setfacl", "-m", "u:12345:r", grants[0].ACL.Path)
	before := readSockets(t, dir)
	table := realTable()
	l := beginLaunch(t, openJournal(t, dir))
	if err := l.Grant(table, grants[0]); !errors.Is(err, acl.ErrConflict) {
		t.Error(err)
	}
	must(t, l.End(table))
	expectSockets(t, dir, before, "afterwards")
	expectEmpty(t, dir)
}

// A target that somebody has changed since is not touched. Its grant leaves the
// journal, except if the target may still exist elsewhere.
func TestChangedSince(t *testing.T) {
	dir, grants := listenSockets(t, 3)
	table := realTable()
	j := openJournal(t, dir)
	l := beginLaunch(t, j)
	for _, g := range grants {
		must(t, l.Grant(table, g))
	}
	must(t, l.Close())
	must(t, os.Remove(grants[0].ACL.Path)) // its server has ended
	keep := filepath.Join(dir, "kept")     // so that its inode number is not used again
	must(t, os.Rename(grants[1].ACL.Path, keep))
	again, err := net.Listen("unix", grants[1].ACL.Path)
	must(t, err)
	defer again.Close()
	run(t, "setfacl", "-m", "u:12345:rw", grants[1].ACL.Path)
	run(t, "setfacl", "-m", "u:12345:r", grants[2].ACL.Path)
	before := readSockets(t, dir)
	must(t, j.Sweep(table))
	expectSockets(t, dir, before, "after the sweep")
	expectGranted(t, dir, 2)
	files, err := filepath.Glob(filepath.Join(dir, "journal", filePrefix+"*"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("in the journal: %v", files)
	}
	left, err := os.ReadFile(files[0])
	must(t, err)
	if bytes.Count(left, []byte("\n")) != 2 || bytes.Contains(left, []byte(grants[2].ACL.Path)) {
		t.Errorf("left in the journal: %s", left)
	}
}

// A grant that cannot be revoked stays in the journal for the next sweep.
func TestRevokeFails(t *testing.T) {
	dir, grants := listenSockets(t, 3)
	before := readSockets(t, dir)
	table := realTable()
	j := openJournal(t, dir)
	l := beginLaunch(t, j)
	for _, g := range grants {
		must(t, l.Grant(table, g))
	}
	broken := Table{KindACL: table[KindACL]}
	k := broken[KindACL]
	cause := errors.New("not now")
	k.Revoke = func(g Grant) error {
		if g.ACL.Path != grants[1].ACL.Path {
			return cause
		}
		return table[KindACL].Revoke(g)
	}
	broken[KindACL] = k
	err := l.End(broken)
	if !errors.Is(err, cause) || strings.Count(err.Error(), "cannot revoke the grant of") != 2 {
		t.Error(err)
	}
	expectGranted(t, dir, 2)
	run(t, "setfacl", "-m", "u:12345:rw", grants[1].ACL.Path) // no longer in the journal
	must(t, j.Sweep(table))
	run(t, "setfacl", "-b", grants[1].ACL.Path)
	expectSockets(t, dir, before, "afterwards")
	expectEmpty(t, dir)
}

// An unfinished line is from a change that was never made.
func TestUnfinishedLine(t *testing.T) {
	dir, grants := listenSockets(t, 2)
	before := readSockets(t, dir)
	table := realTable()
	j := openJournal(t, dir)
	l := beginLaunch(t, j)
	must(t, l.Grant(table, grants[0]))
	_, err := l.file.WriteString(`{"kind":"acl","acl":{"path":"/et`)
	must(t, err)
	// The helper process of the launch continues after it.
	must(t, l.Grant(table, grants[1]))
	_, err = l.file.WriteString(`{"kind"`)
	must(t, err)
	must(t, l.Close())
	must(t, j.Sweep(table))
	expectSockets(t, dir, before, "afterwards")
	expectEmpty(t, dir)
}

// Open refuses anything but a directory of the effective uid with mode 0700.
func TestPlantedDirectory(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(filepath.Join(dir, "a/b/journal")) // with its parents
	must(t, err)
	j.Close()
	for _, p := range []string{"a", "a/b", "a/b/journal"} {
		if st, err := os.Stat(filepath.Join(dir, p)); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", p, st, err)
		}
	}
	must(t, os.Symlink("a/b/journal", filepath.Join(dir, "link")))
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	must(t, errors.Join(os.Mkdir(filepath.Join(dir, "open"), 0o700), os.Chmod(filepath.Join(dir, "open"), 0o755)))
	bad := []string{"link", "file", "fifo", "open"}
	if os.Getuid() == 0 {
		must(t, errors.Join(os.Mkdir(filepath.Join(dir, "other"), 0o700), os.Chown(filepath.Join(dir, "other"), 12345, 0)))
		bad = append(bad, "other")
	}
	for _, name := range bad {
		j, err := Open(filepath.Join(dir, name))
		if err == nil || !strings.Contains(err.Error(), "cannot use the journal "+filepath.Join(dir, name)+": ") {
			t.Errorf("%s: %v, %v", name, j, err)
		}
	}
}

// A file that chrun did not write is named in the error and has no effect.
func TestPlantedFile(t *testing.T) {
	dir, grants := listenSockets(t, 2)
	journal := filepath.Join(dir, "journal")
	table := realTable()
	line, _ := grants[0].line()
	for what, do := range plants(dir, line) {
		j := openJournal(t, dir)
		// The grants of a dead launch are revoked all the same.
		l := beginLaunch(t, j)
		must(t, l.Grant(table, grants[1]))
		must(t, l.Close())
		run(t, "setfacl", "-m", "u:12345:rw", grants[0].ACL.Path)
		must(t, do())
		var planted string
		names, _ := os.ReadDir(journal)
		for _, n := range names {
			if n.Name() != l.name {
				planted = filepath.Join(journal, n.Name())
			}
		}
		err := j.Sweep(table)
		if err == nil || !strings.Contains(err.Error(), "cannot use "+planted+" of the journal: ") {
			t.Errorf("%s: %v", what, err)
		} else {
			t.Logf("%s: %s", what, strings.ReplaceAll(err.Error(), dir, ""))
		}
		got := readSockets(t, dir)
		if got["s0"].permOf(grantee) == "" {
			t.Errorf("%s: its grant was revoked", what)
		}
		if got["s1"].permOf(grantee) != "" {
			t.Errorf("%s: the grant of the dead launch was not revoked", what)
		}
		must(t, os.RemoveAll(planted))
		expectEmpty(t, dir)
	}
}

// plants returns functions that each plant a file with the given line, or a
// change of it, in the journal in dir.
func plants(dir string, line []byte) map[string]func() error {
	journal, good := filepath.Join(dir, "journal"), string(line)
	name := func(n string) string { return filepath.Join(journal, filePrefix+strings.Repeat("0", 16-len(n))+n) }
	write := func(file, text string) func() error {
		return func() error { return os.WriteFile(file, []byte(text), 0o600) }
	}
	plant := map[string]func() error{
		"unknown kind":   write(name("1"), strings.Replace(good, `"acl"`, `"run"`, 1)),
		"unknown field":  write(name("2"), strings.Replace(good, `{"kind"`, `{"command":"rm","kind"`, 1)),
		"unknown inside": write(name("3"), strings.Replace(good, `"path"`, `"x":1,"path"`, 1)),
		"twice":          write(name("4"), strings.Replace(good, `"uid"`, `"uid":1,"uid"`, 1)),
		"case":           write(name("5"), strings.Replace(good, `"uid"`, `"UID"`, 1)),
		"blanks":         write(name("6"), " "+good),
		"both":           write(name("7"), strings.Replace(good, "\n", "", 1)+good),
		"wrong kind":     write(name("8"), strings.Replace(good, `"kind":"acl"`, `"kind":"host"`, 1)),
		"relative":       write(name("9"), strings.Replace(good, `"path":"/`, `"path":"`, 1)),
		"dots":           write(name("a"), strings.Replace(good, `"path":"/`, `"path":"/../`, 1)),
		"no uid":         write(name("b"), strings.Replace(good, `"uid":12345`, `"uid":-1`, 1)),
		"no perm":        write(name("c"), strings.Replace(good, `"perm":6`, `"perm":8`, 1)),
		"no JSON":        write(name("d"), good+"rm -rf /\n"),
		"empty line":     write(name("e"), good+"\n"),
		"huge":           write(name("f"), strings.Repeat(good, maxFile/len(good)+1)),
		"name":           write(filepath.Join(journal, "notes"), good),
		"not hex":        write(name("g"), good),
		"mode":           func() error { return errors.Join(write(name("10"), good)(), os.Chmod(name("10"), 0o644)) },
		"FIFO":           func() error { return unix.Mkfifo(name("11"), 0o600) },
		"directory":      func() error { return os.Mkdir(name("12"), 0o700) },
		"symlink": func() error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "elsewhere"), line, 0o600), os.Symlink(filepath.Join(dir, "elsewhere"), name("13")))
		},
		"second name": func() error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "first"), line, 0o600), os.Link(filepath.Join(dir, "first"), name("14")))
		},
	}
	if os.Getuid() == 0 {
		plant["owner"] = func() error { return errors.Join(write(name("15"), good)(), os.Chown(name("15"), 12345, 0)) }
	}
	return plant
}

// A grant that the journal could not read again is refused.
func TestUnreadableGrant(t *testing.T) {
	dir, grants := listenSockets(t, 1)
	before := readSockets(t, dir)
	table := realTable()
	l := beginLaunch(t, openJournal(t, dir))
	for _, change := range []func(*Grant){
		func(g *Grant) { g.ACL.Path += "\xff" }, func(g *Grant) { g.ACL.Path = "s0" }, func(g *Grant) { g.ACL.UID = -1 },
		func(g *Grant) { g.ACL.Perm = 0 }, func(g *Grant) { g.Kind = KindHost }, func(g *Grant) { g.Kind = "" },
		func(g *Grant) { g.ACL = nil }, func(g *Grant) { g.Host = &Host{} },
	} {
		g := Grant{Kind: KindACL, ACL: new(*grants[0].ACL)}
		change(&g)
		if err := l.Grant(table, g); err == nil {
			t.Errorf("granted: %+v", g)
		}
		expectSockets(t, dir, before, fmt.Sprintf("after %+v", g))
	}
	must(t, l.End(table))
}

func FuzzParse(f *testing.F) {
	table := realTable()
	for _, g := range []Grant{{Kind: KindACL, ACL: &ACL{Path: "/run/x", Device: 1, Inode: 2, UID: 3, Perm: 6}},
		{Kind: KindHost, Host: &Host{Display: ":0", PID: 5, Start: "77", UID: 3, Cookie: "/a"}}} {
		line, _ := g.line()
		f.Add(line[:len(line)-1])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := parse(data, table)
		if err != nil {
			return
		}
		if line, err := g.line(); err != nil || string(line) != string(data)+"\n" {
			t.Errorf("%q became %q, %v", data, line, err)
		}
		if g.target() == nil || g.validate(table) != nil {
			t.Errorf("%+v", g)
		}
	})
}
