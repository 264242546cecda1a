package launch

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"chrun/internal/headless"
	"chrun/session"
)

// terminal is a pseudoterminal on which an interactive bash of a plain user runs
// as session leader.
type terminal struct {
	*tree
	*headless.Terminal
}

// newTerminal starts bash. The command "chrun" runs a program in the tree, where
// the host's programs are mounted.
func newTerminal(t *testing.T) *terminal {
	t.Helper()
	c := plain(t)
	bash, err := exec.LookPath("bash")
	headless.Must(t, "bash", err)
	tree := newTree(t)
	_, self := tools(t)

	// The arguments of this script are the program and its arguments.
	text, err := json.Marshal(&request{Tree: tree.at, Binds: hostPrograms(tree)})
	tree.check(err)
	script := filepath.Join(tree.dir, "chrun")
	tree.check(os.WriteFile(script, []byte("#!/bin/sh\nexport "+requestVar+"="+session.Quote(string(text))+"\nexec "+self+` "$@"`+"\n"), 0o755))
	tree.check(os.Chmod(script, 0o755))

	rc := filepath.Join(tree.dir, "bashrc")
	tree.check(os.WriteFile(rc, []byte("PS1='$ '\nPATH="+tree.dir+":$PATH\nunset HISTFILE\nbind 'set enable-bracketed-paste off' 2>/dev/null\n"), 0o644))
	cmd := command(t, setup{Caller: c, Argv: []string{bash, "--noprofile", "--rcfile", rc, "-i"}})
	cmd.Env = append(cmd.Env, "TERM=dumb", "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "PS1=$ ")
	term := &terminal{tree, headless.StartOnTerminal(t, cmd, deadline/3)}
	term.Expect("$ ")
	return term
}

// hostPrograms returns binds of the host's programs, for tests that need a shell
// inside. It moves the probe to /probe.
func hostPrograms(t *tree) (binds []session.Bind) {
	t.check(os.Link(filepath.Join(t.at, "bin/probe"), filepath.Join(t.at, "probe")))
	for _, p := range []string{"/usr", "/bin", "/lib", "/lib64"} {
		st, err := os.Lstat(p)
		switch {
		case err != nil:
		case st.Mode()&os.ModeSymlink == 0:
			t.mkdir(p)
			binds = append(binds, session.Bind{Source: session.HostPath(p), Dest: session.Path(p), Required: true})
		case p != "/bin":
			target, err := os.Readlink(p)
			t.check(err)
			t.check(os.Symlink(target, filepath.Join(t.at, p)))
		}
	}
	return binds
}
