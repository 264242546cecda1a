package session

import (
	"errors"
	"strings"
	"testing"
)

// The command of a --bin export starts in the home if the directory is hidden,
// unless the command line names a file there, which would be another one.
func TestAnyCwd(t *testing.T) {
	for _, x := range []struct {
		argv    string
		refused bool
	}{
		{"firefox", false},
		{"firefox https://example.org new.png -o --color=auto", false},
		{"rg word a.conf", true},
		{"rg word ./sub/../a.conf", true},
		{"rg --file=a.conf", true},
		{"rg word .", true},
		{"rg word ..", true},
		{"rg word /etc/passwd", false},
		{"a.conf", false},
	} {
		for _, any := range []bool{true, false} {
			w := newWorld(t, "tree/tmp/", "tree/proc/", "tree/run/", "tree/dev/", "tree/sys/", "tree/home/alice/", "hidden/sub/", "hidden/a.conf")
			w.f.Allowed = func(name string) bool { return name != "files" && name != "tmp" }
			w.f.Caller.Cwd, w.req.Argv, w.req.AnyCwd = HostPath(w.dir+"/hidden"), strings.Fields(x.argv), any
			plan, err := w.decide()
			var refused *CwdError
			switch {
			case x.refused || !any:
				if !errors.As(err, &refused) {
					t.Errorf("%s: %v", x.argv, err)
				}
			case err != nil || plan.Cwd != "/home/alice":
				t.Errorf("%s: %+v, %v", x.argv, plan, err)
			case !strings.Contains(strings.Join(plan.Warnings, "\n"), "is not visible in the chroot \"debian\": starting in /home/alice"):
				t.Errorf("%s: %v", x.argv, plan.Warnings)
			}
		}
	}
}

// A program starts in the directory of its caller, if that is visible inside.
func TestCwd(t *testing.T) {
	for _, x := range []struct {
		cwd, requested, argv string
		want                 string // "-": refused
	}{
		{"/tmp", "", "ls", "/tmp"},
		{"/proc", "", "ls", "/proc"},
		{"DIR/run", "", "ls", "DIR/run"},
		{"DIR/elsewhere", "", "make", "-"},
		{"DIR/elsewhere", "", "", "/home/alice"},
		{"DIR/elsewhere", "/etc", "make", "/etc"},
		{"DIR/tree/etc", "", "ls", "/etc"},
		{"DIR/shared/sub", "", "make", "DIR/shared/sub"},
		{"", "", "ls", "-"},
		{"", "", "", "/home/alice"},
	} {
		w := newWorld(t, "tree/tmp/", "tree/proc/", "tree/run/", "tree/dev/", "tree/sys/", "tree/home/alice/", "elsewhere/", "shared/sub/")
		w.f.Allowed = func(name string) bool {
			return name != "files" && (name != "tmp" || !strings.HasPrefix(x.cwd, "DIR"))
		}
		dir := func(p string) string { return strings.Replace(p, "DIR", w.dir, 1) }
		w.f.Caller.Cwd, w.req.Cwd, w.req.Argv = HostPath(dir(x.cwd)), Path(x.requested), strings.Fields(x.argv)
		w.req.Binds = []Bind{{Source: HostPath(w.dir + "/shared"), Dest: Path(w.dir + "/shared"), Required: true}}
		plan, err := w.decide()
		var refused *CwdError
		switch {
		case x.want == "-":
			if !errors.As(err, &refused) || !strings.HasPrefix(err.Error(), "cannot run ") {
				t.Errorf("%q in %q: %v", x.argv, x.cwd, err)
			}
		case err != nil || string(plan.Cwd) != dir(x.want) || plan.Env.Get("PWD") != dir(x.want):
			t.Errorf("%q in %q: %v, %v", x.argv, x.cwd, plan, err)
		case x.argv == "" && len(plan.Warnings) != 2: // a feature's, and this one
			t.Errorf("%q: %v", x.cwd, plan.Warnings)
		}
	}
}

// Root inside starts in its own home. From the caller's home nothing is said, unless
// the command line names a file there.
func TestCwdOfRoot(t *testing.T) {
	for _, x := range []struct {
		cwd, argv string
		warned    bool
	}{
		{"HOME", "", false},
		{"HOME", "emerge firefox-bin", false},
		{"HOME", "apt-get install ./a.deb", true},
		{"HOME/work", "emerge firefox-bin", true},
	} {
		w := newWorld(t, "tree/root/", "home/work/", "home/a.deb")
		w.req.RootInside, w.req.Argv, w.f.Home = true, strings.Fields(x.argv), "/root"
		w.f.Caller.Cwd = HostPath(strings.Replace(x.cwd, "HOME", w.home, 1))
		plan, err := w.decide()
		if err != nil || plan.Cwd != "/root" || strings.Contains(strings.Join(plan.Warnings, "\n"), "starting in /root") != x.warned {
			t.Errorf("%q in %s: %v, %v", x.argv, x.cwd, plan, err)
		}
	}
}
