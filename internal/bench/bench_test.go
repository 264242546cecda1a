package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chrun/session"
)

func TestTranslate(t *testing.T) {
	tree := t.TempDir()
	for _, dir := range []string{"/etc", "/usr/share"} {
		if err := os.MkdirAll(tree+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"/etc/passwd", "/usr/share/zone"} {
		if err := os.WriteFile(tree+file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../usr/share/zone", tree+"/etc/localtime"); err != nil {
		t.Fatal(err)
	}
	host := filepath.Join(tree, "usr/share")
	p := &session.Plan{
		Tree: session.HostPath(tree), Cwd: "/", Env: session.Environ{"A=b=c"},
		Tmpfs: []session.Node{
			{Path: "run", Kind: session.Dir, Mode: 0o755},
			{Path: "run/lock", Kind: session.Dir, Mode: 0o1777},
			{Path: "run/host", Kind: session.Dir, Mode: 0o755},
			{Path: "run/secret", Kind: session.Regular, Mode: 0o600},
			{Path: "run/link", Kind: session.Symlink, Target: "lock"},
			{Path: "etc", Kind: session.Dir, Mode: 0o755},
			{Path: "etc/passwd", Kind: session.Regular, Mode: 0o644},
			{Path: "etc/hosts", Kind: session.Regular, Mode: 0o644},
			{Path: "etc/localtime", Kind: session.Symlink, Target: "/run/host/zone"},
		},
		Mounts: []session.Mount{
			{Kind: session.FromTree, Source: "/", Dest: "/"},
			{Kind: session.FromHost, Source: "/dev", Dest: "/dev"},
			{Kind: session.FromTmpfs, Source: "run", Dest: "/run", ReadOnly: true},
			{Kind: session.Overlay, Source: "etc", Lower: "/etc", Dest: "/etc", ReadOnly: true},
			{Kind: session.FromHost, Source: host, Dest: "/run/host", ReadOnly: true},
		},
	}
	start := "bwrap --die-with-parent --chdir / --clearenv --setenv A b=c --bind TREE /" +
		" --dev-bind /dev /dev --tmpfs /run --perms 1777 --dir /run/lock"
	end := " --ro-bind TREE/usr/share /run/host --remount-ro /run"
	for _, test := range []struct {
		overlay, files bool
		binds          int
		want           string
	}{
		{false, true, 7, start + " --ro-bind STORE/run/secret /run/secret --symlink lock /run/link" +
			" --ro-bind STORE/etc/passwd /etc/passwd --ro-bind TREE/usr/share/zone /usr/share/zone" + end},
		{true, true, 6, start + " --ro-bind STORE/run/secret /run/secret --symlink lock /run/link" +
			" --overlay-src TREE/etc --overlay-src STORE/etc --ro-overlay /etc" + end},
		{false, false, 4, start + " --symlink lock /run/link" + end},
	} {
		s := &sandbox{plan: p, store: "STORE", overlay: test.overlay}
		got := strings.ReplaceAll(strings.Join(s.translate(test.files), " "), tree, "TREE")
		if got != test.want || s.binds != test.binds {
			t.Errorf("overlay %v, files %v:\ngot  %s\nwant %s\n%d binds, want %d",
				test.overlay, test.files, got, test.want, s.binds, test.binds)
		}
	}
}

func TestReplace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := os.WriteFile(file, []byte("a\n"+begin+"\nold\n"+end+"\nz\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second run replaces the output of the first
		if err := replace(file, "new\n"); err != nil {
			t.Fatal(err)
		}
	}
	data, _ := os.ReadFile(file)
	if want := "a\n" + begin + "\nnew\n" + end + "\nz\n"; string(data) != want {
		t.Errorf("got %q, want %q", data, want)
	}
	if err := os.WriteFile(file, []byte(end+begin), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := replace(file, "new\n"); err == nil {
		t.Error("accepted a file whose markers are in the wrong order")
	}
}

func TestTable(t *testing.T) {
	var tab table
	one, two := samples{0.001, 0.003, 0.002}, samples{0.004, 0.004}
	tab.ratio("later", "b", 0, one, two)
	tab.ratio("first", "b", 0.4, one, two)
	tab.launch = one
	tab.part("all", one)
	tab.grow("more", 10, []string{"chrun", "other"}, []samples{one, two})
	got := tab.markdown("here", []string{"a note"})
	for _, want := range []string{
		"| first | b | 0.50 | ≤ 0.4 | **missed** | 2.00 (1.00) | 4.00 (4.00) |\n| later |",
		"| more | chrun : other | chrun | other |\n|---:|---:|---:|---:|\n| 10 | 0.50 | 2.00 (1.00) | 4.00 (4.00) |",
		"\n* a note\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
