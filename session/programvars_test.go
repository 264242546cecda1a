package session

import (
	"strings"
	"testing"
)

// git commit with EDITOR=nvim fails where there is no nvim, but has a default.
func TestProgramVariables(t *testing.T) {
	w := newWorld(t, "tree/usr/bin/vim", "tree/usr/local/bin/tool -> ../../bin/vim", "tree/usr/bin/gone -> /nowhere", "tree/usr/bin/less/",
		"tree/opt/ed", "tree/home/alice/", "home/bin/ed")
	for value, want := range map[string]string{
		"vim": "", "vim -f": "", " vim": "", "tool": "", "/usr/bin/vim": "", "/opt/ed": "", w.home + "/bin/ed": "", "": "", "./x": "",
		"'my editor'": "", "$HOME/x": "", "A=b nvim": "", "sh -c 'col | bat'": "sh",
		"nvim": "nvim", "nvim -f": "nvim", "/usr/bin/nvim": "/usr/bin/nvim", "less": "less", "gone": "gone",
		"/home/alice/.local/bin/nvim": "/home/alice/.local/bin/nvim",
	} {
		w.f.Caller.Env = Environ{"EDITOR=" + value, "OTHER=" + value, "GIT_EDITOR=" + value}
		plan, err := w.decide()
		if err != nil {
			t.Fatal(err)
		}
		_, editor := plan.Env.Lookup("EDITOR")
		_, gitEditor := plan.Env.Lookup("GIT_EDITOR")
		notes := strings.Join(plan.Notes, "\n")
		if editor != (want == "") || gitEditor != editor || plan.Env.Get("OTHER") != value ||
			strings.Contains(notes, "EDITOR is removed: the chroot has no "+want) != (want != "") {
			t.Errorf("%q: EDITOR passes: %v; %s", value, editor, notes)
		}
	}
	// PATH may be another one.
	w.f.Caller.Env = Environ{"EDITOR=ed"}
	for _, env := range [][]Var{{{"PATH", "/opt"}}, {{"EDITOR", "ed"}}} {
		w.req.Env = env
		if plan, err := w.decide(); err != nil || plan.Env.Get("EDITOR") != "ed" {
			t.Errorf("%v: %v, %v", env, plan, err)
		}
	}
}
