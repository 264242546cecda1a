package launch

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
	"chrun/session"
)

// terminal is a pseudoterminal (pty(7)) on which an interactive bash of a plain
// user runs as session leader.
type terminal struct {
	*tree
	master *os.File
	shell  *exec.Cmd
	mu     sync.Mutex
	unread []byte // output that expect has not consumed
	all    []byte
}

// newTerminal starts bash. The command "chrun" runs a program in the tree, where
// the host's programs are mounted.
func newTerminal(t *testing.T) *terminal {
	t.Helper()
	c := plain(t)
	bash, err := exec.LookPath("bash")
	headless.Must(t, "bash", err)
	tree := newTree(t)
	term := &terminal{tree: tree}
	_, self := tools(t)

	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	tree.check(err)
	term.master = master
	var n int
	term.control(func(fd int) (err error) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
		return err
	})
	slave, err := os.OpenFile("/dev/pts/"+itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	tree.check(err)
	defer slave.Close()

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
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	term.shell = cmd
	tree.check(cmd.Start())
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			term.mu.Lock()
			term.unread, term.all = append(term.unread, buf[:n]...), append(term.all, buf[:n]...)
			term.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		master.Close() // hangs up the terminal
	})
	term.expect("$ ")
	return term
}

// control calls f with the descriptor but leaves it non-blocking, because Close
// would otherwise wait for the reader.
func (t *terminal) control(f func(fd int) error) {
	t.Helper()
	c, err := t.master.SyscallConn()
	t.check(err)
	t.check(c.Control(func(fd uintptr) { err = f(int(fd)) }))
	t.check(err)
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

// send types text.
func (t *terminal) send(text string) {
	t.Helper()
	_, err := t.master.WriteString(text)
	t.check(err)
}

// expect waits until text is printed and consumes the output up to it. It returns
// the output before text.
func (t *terminal) expect(text string) string {
	t.Helper()
	for end := time.Now().Add(deadline / 3); ; time.Sleep(time.Millisecond) {
		t.mu.Lock()
		if i := bytes.Index(t.unread, []byte(text)); i >= 0 {
			before := string(t.unread[:i])
			t.unread = t.unread[i+len(text):]
			t.mu.Unlock()
			return before
		}
		all := string(t.all)
		t.mu.Unlock()
		if time.Now().After(end) {
			t.Fatalf("no %q in:\n%s", text, all)
		}
	}
}

// typeLine types a line and consumes its echo.
func (t *terminal) typeLine(line string) {
	t.Helper()
	t.send(line + "\n")
	t.expect(line)
	t.expect("\n")
}
