package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
		{false, true, 8, start + " --ro-bind STORE/run/secret /run/secret --symlink lock /run/link" +
			" --ro-bind TREE/etc /etc --ro-bind STORE/etc/passwd /etc/passwd --ro-bind TREE/usr/share/zone /usr/share/zone" + end},
		{true, true, 6, start + " --ro-bind STORE/run/secret /run/secret --symlink lock /run/link" +
			" --overlay-src TREE/etc --overlay-src STORE/etc --ro-overlay /etc" + end},
		{false, false, 5, start + " --symlink lock /run/link --ro-bind TREE/etc /etc" + end},
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
		"| first | b | 0.50 (0.25) | ≤ 0.4 | **missed** | 2.00 (1.00) | 4.00 (4.00) |\n| later |",
		"| more | chrun : other | chrun | other |\n|---:|---:|---:|---:|\n| 10 | 0.50 (0.25) | 2.00 (1.00) | 4.00 (4.00) |",
		"\n* a note\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestRows(t *testing.T) {
	var tab table
	slow, fast := samples{0.005, 0.003, 0.004}, samples{0.002, 0.001, 0.003}
	tab.later("opens", "the host", 3e-3, slow, fast)
	tab.later("opens late", "the host", 1e-3, slow, fast)
	tab.size("memory", "bwrap", 3*mib, samples{2 * mib, 4 * mib}, samples{mib})
	tab.difference("peak", "bwrap", mib, samples{3 * mib}, samples{mib})
	tab.skip("fails", "schroot", "", errors.New("first line\nsecond"))
	got := tab.markdown("here", nil)
	for _, want := range []string{
		"| opens | the host | +2.00 (+2.00) | ≤ +3 ms | met | 4.00 (3.00) | 2.00 (1.00) |",
		"| opens late | the host | +2.00 (+2.00) | ≤ +1 ms | **missed** |",
		"| memory | bwrap | 3.0 MiB | ≤ 3 MiB | met | 3.0 MiB (2.0) | 1.0 MiB (1.0) |",
		"| peak | bwrap | +2.0 MiB | ≤ +1 MiB | **missed** |",
		"| fails | schroot | – |  |  |  | first line |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestHeading(t *testing.T) {
	got := conditions{mounts: 30, load: "0.10 0.20 0.30", uid: 1500, runs: 250}.heading()
	for _, want := range []string{"30 mounts on the host, load average 0.10 0.20 0.30", "250 alternating runs", "uid 1500"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	got = conditions{mounts: 30, added: 7}.heading()
	if want := "30 mounts on the host (7 of them added for this)"; !strings.Contains(got, want) {
		t.Errorf("no %q in %q", want, got)
	}
	if load := readLoad(); len(strings.Fields(load)) != 3 {
		t.Errorf("load averages %q", load)
	}
}

// Every run of a command is one of its own samples, and neighbours differ.
func TestAlternate(t *testing.T) {
	if _, err := exec.LookPath("hyperfine"); err != nil {
		t.Skip("hyperfine is missing")
	}
	b := &bench{results: t.TempDir()}
	log := filepath.Join(b.results, "log")
	var commands [][]string
	for _, name := range []string{"a", "b", "c"} {
		commands = append(commands, []string{"sh", "-c", `printf %s "$1" >>"$2"`, "sh", name, log})
	}
	start := func(words ...string) *exec.Cmd { return exec.Command(words[0], words[1:]...) }
	times, err := b.hyperfine(start, 3, commands...)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(log); string(got) != "abccbaabccbaabccba" {
		t.Errorf("order %s", got)
	}
	for i, s := range times {
		if len(s) != 4 { // without the warm-up
			t.Errorf("command %d has %d samples", i, len(s))
		}
	}
	if got := merge([]samples{{1}, {2}, {3}, {4}}, 2); !slices.Equal(got[0], samples{1, 4}) || !slices.Equal(got[1], samples{2, 3}) {
		t.Errorf("merged %v", got)
	}
}

func TestAddMounts(t *testing.T) {
	count := func(n string) int {
		out, err := exec.Command("unshare", "-r", "-m", "sh", "-c", addMounts, "sh", t.TempDir(), n, "cat", "/proc/self/mountinfo").Output()
		if err != nil {
			t.Skipf("no mount namespace: %v", err)
		}
		return strings.Count(string(out), "\n")
	}
	base := count("0")
	for n, want := range map[string]int{"1": 1, "5": 5} {
		if got := count(n) - base; got != want {
			t.Errorf("%d mounts added, want %d", got, want)
		}
	}
	if countMounts() == 0 {
		t.Error("this process has no mounts")
	}
	if dir, err := mountPoint("/var/opt/gentoo"); err == nil && dir == "/var/opt" {
		t.Error("mounts would cover the chroot")
	}
}

func TestStartTogether(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	// Each ends when all have started.
	const script = `echo "$1" >>"$2"
		for try in $(seq 2000); do
			[ "$(wc -l <"$2")" -lt 20 ] || exit 0
		done
		exit 1`
	if err := startTogether(20, []string{"sh", "-c", script, "sh", "it's", log}); err != nil {
		t.Error(err)
	}
	if data, _ := os.ReadFile(log); string(data) != strings.Repeat("it's\n", 20) {
		t.Errorf("got %q", data)
	}
	for _, program := range []string{"false", "/does/not/exist"} {
		if startTogether(2, []string{program}) == nil {
			t.Errorf("no error with %s", program)
		}
	}
}

func TestAppendLines(t *testing.T) {
	got := string(appendLines([]byte("root:x:0:\n"), "user%[1]d:x:%[1]d:\n", 3))
	if want := "root:x:0:\nuser100001:x:100001:\nuser100002:x:100002:\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
