package session

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session/account"
	"chrun/session/rootfs"
)

var update = flag.Bool("update", false, "rewrite the golden plans")

// world is a host in a temporary directory, with a tree, for plans that are the
// same on every machine.
type world struct {
	*testing.T
	dir  string
	f    *Facts
	req  Request
	own  []string // directories of the tree that the caller can write
	deny []string
}

// newWorld makes an ordinary one. What the caller cannot write has no
// permission for that, since the tests may be run by its owner.
func newWorld(t *testing.T, tree ...string) *world {
	t.Helper()
	// Not t.TempDir: its path, of which parts are in a plan, is another for
	// each test.
	dir, err := os.MkdirTemp("/tmp", "chrun-golden-plan-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &world{T: t, dir: dir}
	for _, p := range append([]string{"tree/usr/", "tree/bin/", "tree/etc/", "tree/etc/hosts", "tree/etc/resolv.conf", "run/", "home/", "data/", "etc/", "etc/resolv.conf"}, tree...) {
		w.make(p)
	}
	w.f = &Facts{
		Caller: &Caller{UID: 1500, GID: 1501, Hostname: "host", Host: HostPath(dir), RuntimeDir: HostPath(dir + "/run"), Cwd: "/",
			Account: account.Account{Name: "alice", UID: 1500, GID: 1501, Home: dir + "/home"},
			Env:     Environ{"HOME=/x", "LANG=C.UTF-8", "TERM=dumb", "LD_PRELOAD=/x.so", "WAYLAND_DISPLAY=wayland-9", "SPACE=a b", "QUOTE='\"$\n", "LANG=second", "broken"}},
		Name: "debian", Home: "/home/alice",
		Account: account.Account{Name: "alice", UID: 1500, GID: 1501, Home: "/home/alice", Shell: "/bin/bash"},
	}
	w.f.AccountFiles = []File{{Path: "/etc/passwd", Data: []byte("alice:x:1500:1501::/home/alice:/bin/bash\n"), Why: "the account alice"}}
	w.f.Allowed = func(name string) bool {
		for _, d := range w.deny {
			if d == name {
				return false
			}
		}
		return true
	}
	w.req = Request{Argv: []string{"firefox", "a b"}, HomeStore: HostPath(dir + "/data/homes/debian")}
	return w
}

// make makes a directory ("x/"), a link ("x -> y") or a file.
func (w *world) make(p string) {
	w.Helper()
	name, target, link := strings.Cut(p, " -> ")
	at := filepath.Join(w.dir, name)
	err := os.MkdirAll(filepath.Dir(at), 0o755)
	switch {
	case link:
		err = errors.Join(err, os.Symlink(strings.ReplaceAll(target, "DIR", w.dir), at))
	case strings.HasSuffix(p, "/"):
		err = errors.Join(err, os.MkdirAll(at, 0o755))
	default:
		err = errors.Join(err, os.WriteFile(at, []byte(filepath.Base(p)+"\n"), 0o644))
	}
	if err != nil {
		w.Fatal(err)
	}
}

// offers are what features of each kind offer.
func (w *world) offers() []Offer {
	host := HostPath(w.dir)
	list := []Offer{
		{Feature: Feature{Name: "wayland", Variables: []string{"WAYLAND_DISPLAY", "WAYLAND_SOCKET"}},
			Share: Share{State: "wayland-1 (listening)", Env: []Var{{"WAYLAND_DISPLAY", "wayland-1"}}}},
		{Feature: Feature{Name: "x11", Variables: []string{"DISPLAY", "XAUTHORITY"}},
			Share: Share{State: ":0", Env: []Var{{"DISPLAY", ":0"}, {"XAUTHORITY", "/run/chrun/Xauthority"}},
				Files: []File{{Path: "/run/chrun/Xauthority", Data: []byte("secret"), Mode: 0o600}}, Notes: []string{"a note"}}},
		{Feature: Feature{Name: "network-files"},
			Share: Share{State: "/etc/resolv.conf", Warnings: []string{"a warning"},
				Files: []File{{Path: "/etc/resolv.conf", Data: []byte("resolv.conf\n"), HostFile: host.Join("etc/resolv.conf"), Why: "the host's"}}}},
	}
	for i, o := range list {
		list[i].Allowed = w.f.Allowed(o.Feature.Name)
		if !list[i].Allowed {
			list[i].Share = Share{}
			if o.Feature.Name == "wayland" {
				list[i].Share.Cover = []Path{Path(host.Join("run/wayland-1")), Path(host.Join("run/none"))}
			}
		}
	}
	return list
}

// decide makes the plan as the caller, who is not root.
func (w *world) decide() (*Plan, error) {
	w.Helper()
	w.f.Identity, _ = (&IdentityCase{Caller: w.f.Caller, Account: w.f.Account, Known: true}).Decide()
	if w.req.RootInside {
		w.req.NoDesktop, w.f.Identity = true, Identity{Kind: AsRoot, Why: "root enters without a user namespace"}
		w.f.Caller.UID, w.f.Caller.GID, w.f.Home = 0, 0, "/root"
		w.f.Account = account.Account{Name: "root", Home: "/root", Shell: "/bin/bash"}
	}
	own := map[string]bool{}
	for _, p := range w.own {
		own[filepath.Join(w.dir, "tree", p)] = true
	}
	var dirs []string
	filepath.WalkDir(w.dir+"/tree", func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			dirs = append(dirs, p)
		}
		return nil
	})
	for _, d := range dirs {
		if mode := os.FileMode(0o555); own[d] || w.req.RootInside {
			os.Chmod(d, 0o777)
		} else {
			os.Chmod(d, mode)
		}
	}
	defer func() {
		for _, d := range dirs {
			os.Chmod(d, 0o755)
		}
	}()
	root, err := rootfs.Open(HostPath(w.dir + "/tree"))
	if err != nil {
		w.Fatal(err)
	}
	defer root.Close()
	w.f.Root = root
	env := Environment{Login: []Var{{"PATH", "/usr/local/bin:/usr/bin"}}, Keep: func(name, value string) (bool, string) {
		return name != "LD_PRELOAD", "leads to the host"
	}}
	type answer struct {
		*Plan
		error
	}
	c := make(chan answer)
	go func() {
		// access(2) asks for the real uid. This thread gets another one, and
		// ends with the goroutine.
		runtime.LockOSThread()
		if os.Getuid() == 0 {
			if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 61234, ^uintptr(0), ^uintptr(0)); e != 0 {
				c <- answer{nil, e}
				return
			}
		}
		plan, err := Decide(w.f, w.req, w.offers(), env)
		c <- answer{plan, err}
	}()
	a := <-c
	return a.Plan, a.error
}

// plain replaces what differs from machine to machine.
func (w *world) plain(s string) string {
	s = strings.ReplaceAll(s, w.dir, "/WORLD")
	// Not every kernel has it.
	return regexp.MustCompile(`(?m)^.*/dev/mqueue.*\n`).ReplaceAllString(s, "")
}

func TestPlans(t *testing.T) {
	ordinary := []string{"tree/proc/", "tree/sys/", "tree/dev/", "tree/run/", "tree/tmp/", "tree/home/alice/", "tree/root/", "tree/etc/passwd"}
	for name, set := range map[string]struct {
		tree []string
		do   func(*world)
	}{
		"ordinary":       {ordinary, func(w *world) {}},
		"lacks":          {[]string{"tree/lib -> usr/lib", "tree/home/bob/", "tree/etc/passwd", "tree/.hidden"}, func(w *world) {}},
		"writable":       {append(ordinary, "tree/srv/"), func(w *world) { w.own = []string{"", "etc", "home", "run", "tmp", "srv"} }},
		"writable-lacks": {[]string{"tree/proc/", "tree/etc/passwd"}, func(w *world) { w.own = []string{"", "etc"} }},
		"root":           {ordinary, func(w *world) { w.req.RootInside, w.req.Argv = true, nil }},
		"no-overlay":     {ordinary, func(w *world) { w.req.NoOverlay = true }},
		"no-runtime-dir": {ordinary, func(w *world) { w.f.Caller.RuntimeDir = "" }},
		"denied": {append(ordinary, "run/wayland-1"), func(w *world) {
			w.deny = []string{"gpu", "devices", "shm", "tmp", "wayland", "x11", "network"}
		}},
		"binds": {append(ordinary, "share/sub/", "share/file", "tree/opt/", "tree/opt/link -> /run/x", "tree/opt/file"), func(w *world) {
			bind := func(src, dst string, ro bool) {
				w.req.Binds = append(w.req.Binds, Bind{Source: HostPath(w.dir + src), Dest: Path(dst), ReadOnly: ro, Required: true, Why: "asked for"})
			}
			bind("/share", "/mnt/new", false)
			bind("/share", "/run/mine", true)
			bind("/share/file", "/run/mine-file", false)
			bind("/share", "/home/alice/share", false)
			bind("/share", "/opt/link/y", false)
			bind("/share/file", "/opt/file", true)
			w.req.Home = HomeTemporary
		}},
		"home-auto":      {ordinary, func(w *world) { w.own = []string{"home/alice"} }},
		"home-private":   {ordinary, func(w *world) { w.req.Home, w.own = HomePrivate, []string{"home/alice"} }},
		"home-host":      {ordinary, func(w *world) { w.req.Home = HomeHost }},
		"home-temporary": {ordinary, func(w *world) { w.req.Home = HomeTemporary }},
		"home-directory": {append(ordinary, "mine/"), func(w *world) { w.req.Home, w.req.HomeDirectory = HomeDir, HostPath(w.dir+"/mine") }},
		"links": {[]string{"tree/etc/passwd", "tree/home -> DIR/home", "tree/tmp -> /", "tree/run -> var/run", "tree/var/run -> ../run",
			"tree/dev -> /proc/self/root", "tree/proc/", "tree/sys/"}, func(w *world) {}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, set.tree...)
			set.do(w)
			plan, err := w.decide()
			if err != nil {
				t.Fatal(err)
			}
			plan.Network = !w.f.Allowed("network")
			golden(t, name+".txt", w.plain(plan.Text()))
			golden(t, name+".sh", w.plain(plan.Shell()))
			if name == "ordinary" {
				data, err := json.MarshalIndent(plan, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				golden(t, name+".json", w.plain(string(data))+"\n")
			}
			wellFormed(t, plan)
		})
	}
}

// wellFormed holds what the launch relies on.
func wellFormed(t *testing.T, p *Plan) {
	t.Helper()
	nodes := map[string]Node{}
	for _, n := range p.Tmpfs {
		if dir := filepath.Dir(n.Path); dir != "." && nodes[dir].Kind != Dir {
			t.Errorf("%s comes before its directory", n.Path)
		}
		if _, twice := nodes[n.Path]; twice || strings.HasPrefix(n.Path, "/") || filepath.Clean(n.Path) != n.Path {
			t.Errorf("node %q", n.Path)
		}
		nodes[n.Path] = n
	}
	for i, m := range p.Mounts {
		switch {
		case i == 0 && (m.Dest != "/" || m.Into != -1), i > 0 && (m.Into < 0 || m.Into >= i || m.Rel == ""):
			t.Errorf("mount %d: %+v", i, m)
		case m.Kind == FromTmpfs && nodes[m.Source].Kind == "", m.Kind == FromTmpfs && nodes[m.Source].Kind == Symlink:
			t.Errorf("%s is mounted from %q, which is not made", m.Dest, m.Source)
		case i > 0 && string(p.Mounts[m.Into].Dest.Join(m.Rel)) != string(m.Dest):
			t.Errorf("%s is not %s in %s", m.Dest, m.Rel, p.Mounts[m.Into].Dest)
		}
		if m.Why == "" || m.Feature == "" {
			t.Errorf("%s without a reason", m.Dest)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "plans", name)
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test ./session -update makes it)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./session -update, then look at git diff):\n%s", file, lineDiff(string(want), got))
	}
}

// lineDiff lists the lines that only one side has.
func lineDiff(want, got string) string {
	var b strings.Builder
	for _, side := range []struct{ mark, in, other string }{{"-", want, got}, {"+", got, want}} {
		have := map[string]int{}
		for _, l := range strings.Split(side.other, "\n") {
			have[l]++
		}
		for _, l := range strings.Split(side.in, "\n") {
			if have[l]--; have[l] < 0 {
				b.WriteString(side.mark + l + "\n")
			}
		}
	}
	if b.Len() == 0 {
		return "(the order alone)"
	}
	return b.String()
}
