package grant

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session/acl"
)

func need(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestGrant(t *testing.T) {
	dir, grants := sockets(t, 2)
	before := look(t, dir)
	table, _ := realTable()
	l := begin(t, open(t, dir))
	for _, g := range append(grants, grants...) { // twice is once
		need(t, l.Grant(table, g))
	}
	if got := look(t, dir); strings.Count(got, "user:12345:rw-") != 2 || strings.Count(got, "760") != 2 {
		t.Errorf("granted:\n%s", got)
	}
	need(t, l.End(table))
	if after := look(t, dir); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	clean(t, dir)
	if err := l.Grant(table, grants[0]); err == nil || look(t, dir) != before {
		t.Errorf("a launch that has ended grants: %v", err)
	}
}

// Two launches end in either order, and until the last has, both have theirs.
func TestOverlap(t *testing.T) {
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		dir, grants := sockets(t, 1)
		before := look(t, dir)
		table, _ := realTable()
		j := open(t, dir)
		launches := []*Launch{begin(t, j), begin(t, open(t, dir))}
		for _, l := range launches {
			need(t, l.Grant(table, grants[0]))
		}
		need(t, launches[order[0]].End(table))
		need(t, j.Sweep(table))
		if got := look(t, dir); !strings.Contains(got, "user:12345:rw-") {
			t.Errorf("order %v: the other has lost it:\n%s", order, got)
		}
		need(t, launches[order[1]].End(table))
		if after := look(t, dir); after != before {
			t.Errorf("order %v: before\n%s\nafter\n%s", order, before, after)
		}
		clean(t, dir)
	}
}

// What the person had is the person's.
func TestOwn(t *testing.T) {
	for _, own := range []string{"u:12345:rw", "u:12345:rwx", "u:12345:rw,u:7:r"} {
		dir, grants := sockets(t, 1)
		run(t, "setfacl", "-m", own, grants[0].ACL.Path)
		before := look(t, dir)
		table, _ := realTable()
		j := open(t, dir)
		l, m := begin(t, j), begin(t, j)
		need(t, errors.Join(l.Grant(table, grants[0]), m.Grant(table, grants[0])))
		need(t, l.End(table))
		need(t, m.Close()) // as if killed
		need(t, j.Sweep(table))
		if after := look(t, dir); after != before {
			t.Errorf("%s: before\n%s\nafter\n%s", own, before, after)
		}
		clean(t, dir)
	}
}

// An entry that says less is the person's too: it is not written over.
func TestLess(t *testing.T) {
	dir, grants := sockets(t, 1)
	run(t, "setfacl", "-m", "u:12345:r", grants[0].ACL.Path)
	before := look(t, dir)
	table, _ := realTable()
	l := begin(t, open(t, dir))
	if err := l.Grant(table, grants[0]); !errors.Is(err, acl.ErrEntry) {
		t.Errorf("%v", err)
	}
	need(t, l.End(table))
	if after := look(t, dir); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	clean(t, dir)
}

// What has changed since is left alone, and the journal lets go of it.
func TestChanged(t *testing.T) {
	dir, grants := sockets(t, 3)
	table, _ := realTable()
	j := open(t, dir)
	l := begin(t, j)
	for _, g := range grants {
		need(t, l.Grant(table, g))
	}
	need(t, l.Close())
	need(t, os.Remove(grants[0].ACL.Path)) // its server has ended
	keep := filepath.Join(dir, "kept")     // so that the number is not used again
	need(t, os.Rename(grants[1].ACL.Path, keep))
	again, err := net.Listen("unix", grants[1].ACL.Path)
	need(t, err)
	defer again.Close()
	run(t, "setfacl", "-m", "u:12345:rw", grants[1].ACL.Path)
	run(t, "setfacl", "-m", "u:12345:r", grants[2].ACL.Path)
	before := look(t, dir)
	need(t, j.Sweep(table))
	if after := look(t, dir); after != before || strings.Count(after, "12345") != 2 {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	clean(t, dir)
}

// What cannot be undone now is undone later.
func TestUndoFails(t *testing.T) {
	dir, grants := sockets(t, 3)
	before := look(t, dir)
	table, _ := realTable()
	j := open(t, dir)
	l := begin(t, j)
	for _, g := range grants {
		need(t, l.Grant(table, g))
	}
	broken := Table{KindACL: table[KindACL]}
	k := broken[KindACL]
	cause := errors.New("not now")
	k.Undo = func(g Grant) error {
		if g.ACL.Path != grants[1].ACL.Path {
			return cause
		}
		return table[KindACL].Undo(g)
	}
	broken[KindACL] = k
	err := l.End(broken)
	if !errors.Is(err, cause) || strings.Count(err.Error(), "cannot undo the grant of") != 2 {
		t.Error(err)
	}
	if got := look(t, dir); strings.Count(got, "12345") != 2 {
		t.Errorf("two are left, but\n%s", got)
	}
	run(t, "setfacl", "-m", "u:12345:rw", grants[1].ACL.Path) // that one is done with
	need(t, j.Sweep(table))
	run(t, "setfacl", "-b", grants[1].ACL.Path)
	if after := look(t, dir); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	clean(t, dir)
}

// A line that was never finished stands for a change that was never made.
func TestTorn(t *testing.T) {
	dir, grants := sockets(t, 2)
	before := look(t, dir)
	table, _ := realTable()
	j := open(t, dir)
	l := begin(t, j)
	need(t, l.Grant(table, grants[0]))
	_, err := l.file.WriteString(`{"kind":"acl","acl":{"path":"/et`)
	need(t, err)
	// A keeper goes on behind it.
	need(t, l.Grant(table, grants[1]))
	_, err = l.file.WriteString(`{"kind"`)
	need(t, err)
	need(t, l.Close())
	need(t, j.Sweep(table))
	if after := look(t, dir); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	clean(t, dir)
}

// Anything but a directory of our own is refused.
func TestPlantedDirectory(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(filepath.Join(dir, "a/b/journal")) // made, with what leads to it
	need(t, err)
	j.Close()
	for _, p := range []string{"a", "a/b", "a/b/journal"} {
		if st, err := os.Stat(filepath.Join(dir, p)); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", p, st, err)
		}
	}
	need(t, os.Symlink("a/b/journal", filepath.Join(dir, "link")))
	need(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	need(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	need(t, errors.Join(os.Mkdir(filepath.Join(dir, "open"), 0o700), os.Chmod(filepath.Join(dir, "open"), 0o755)))
	bad := []string{"link", "file", "fifo", "open"}
	if os.Getuid() == 0 {
		need(t, errors.Join(os.Mkdir(filepath.Join(dir, "other"), 0o700), os.Chown(filepath.Join(dir, "other"), 12345, 0)))
		bad = append(bad, "other")
	}
	for _, name := range bad {
		j, err := Open(filepath.Join(dir, name))
		if err == nil || !strings.Contains(err.Error(), "cannot use the journal "+filepath.Join(dir, name)+": ") {
			t.Errorf("%s: %v, %v", name, j, err)
		}
	}
}

// A file that is not as chrun makes and writes it is named, and not acted on.
func TestPlantedFile(t *testing.T) {
	dir, grants := sockets(t, 2)
	journal := filepath.Join(dir, "journal")
	table, _ := realTable()
	line, _ := grants[0].line()
	good := string(line)
	name := func(n string) string { return filepath.Join(journal, prefix+strings.Repeat("0", 16-len(n))+n) }
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
		"other's kind":   write(name("8"), strings.Replace(good, `"kind":"acl"`, `"kind":"host"`, 1)),
		"relative":       write(name("9"), strings.Replace(good, `"path":"/`, `"path":"`, 1)),
		"dots":           write(name("a"), strings.Replace(good, `"path":"/`, `"path":"/../`, 1)),
		"no uid":         write(name("b"), strings.Replace(good, `"uid":12345`, `"uid":-1`, 1)),
		"no perm":        write(name("c"), strings.Replace(good, `"perm":6`, `"perm":8`, 1)),
		"no JSON":        write(name("d"), good+"rm -rf /\n"),
		"empty line":     write(name("e"), good+"\n"),
		"huge":           write(name("f"), strings.Repeat(good, maxFile/len(good)+1)),
		"name":           write(filepath.Join(journal, "notes"), good),
		"another name":   write(name("g"), good),
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
	for what, do := range plant {
		j := open(t, dir)
		// A launch that is really dead is still cleared.
		l := begin(t, j)
		need(t, l.Grant(table, grants[1]))
		need(t, l.Close())
		run(t, "setfacl", "-m", "u:12345:rw", grants[0].ACL.Path)
		need(t, do())
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
		got := look(t, dir)
		if !strings.Contains(got, "12345") {
			t.Errorf("%s was acted on", what)
		}
		if strings.Count(got, "12345") != 1 {
			t.Errorf("%s: the dead launch is not cleared:\n%s", what, got)
		}
		need(t, os.RemoveAll(planted))
		clean(t, dir)
	}
}

// What the journal could not read again is not granted.
func TestUnwritable(t *testing.T) {
	dir, grants := sockets(t, 1)
	before := look(t, dir)
	table, _ := realTable()
	l := begin(t, open(t, dir))
	for _, change := range []func(*Grant){
		func(g *Grant) { g.ACL.Path += "\xff" }, func(g *Grant) { g.ACL.Path = "s0" }, func(g *Grant) { g.ACL.UID = -1 },
		func(g *Grant) { g.ACL.Perm = 0 }, func(g *Grant) { g.Kind = KindHost }, func(g *Grant) { g.Kind = "" },
		func(g *Grant) { g.ACL = nil }, func(g *Grant) { g.Host = &Host{} },
	} {
		g := Grant{Kind: KindACL, ACL: new(*grants[0].ACL)}
		change(&g)
		if err := l.Grant(table, g); err == nil || look(t, dir) != before {
			t.Errorf("%+v: %v", g, err)
		}
	}
	need(t, l.End(table))
}

func FuzzParse(f *testing.F) {
	table, _ := realTable()
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
		if g.target() == nil || g.check(table) != nil {
			t.Errorf("%+v", g)
		}
	})
}
