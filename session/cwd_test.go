package session

import (
	"errors"
	"strings"
	"testing"
)

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
