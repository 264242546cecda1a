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

// terminal is a pseudoterminal (pty(7)) with an interactive bash of a plain
// user on it, which is the leader of its session.
type terminal struct {
	*tree
	master *os.File
	shell  *exec.Cmd
	mu     sync.Mutex
	seen   []byte // not yet expected
	all    []byte
}

// newTerminal starts bash, which knows the words "chrun" (a launch in the
// tree) and the host's programs.
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

	// The word: its arguments are the program and the program's.
	text, err := json.Marshal(&request{Tree: tree.at, Binds: hostPrograms(tree)})
	tree.check(err)
	word := filepath.Join(tree.dir, "chrun")
	tree.check(os.WriteFile(word, []byte("#!/bin/sh\nexport "+requestVar+"="+session.Quote(string(text))+"\nexec "+self+` "$@"`+"\n"), 0o755))
	tree.check(os.Chmod(word, 0o755))

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
			term.seen, term.all = append(term.seen, buf[:n]...), append(term.all, buf[:n]...)
			term.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		master.Close() // hangs up
	})
	term.expect("$ ")
	return term
}

// control works on the descriptor, and leaves it to the poller: else closing it
// would wait for the reader.
func (t *terminal) control(f func(fd int) error) {
	t.Helper()
	c, err := t.master.SyscallConn()
	t.check(err)
	t.check(c.Control(func(fd uintptr) { err = f(int(fd)) }))
	t.check(err)
}

// hostPrograms makes the host's own programs those of the tree, since some tests
// need a shell inside. The probe is at /probe then.
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

// send types a text; a line ends with "\n".
func (t *terminal) send(text string) {
	t.Helper()
	_, err := t.master.WriteString(text)
	t.check(err)
}

// expect waits until text is printed, and forgets everything up to it. It
// returns what stood before.
func (t *terminal) expect(text string) string {
	t.Helper()
	for end := time.Now().Add(deadline / 3); ; time.Sleep(time.Millisecond) {
		t.mu.Lock()
		if i := bytes.Index(t.seen, []byte(text)); i >= 0 {
			before := string(t.seen[:i])
			t.seen = t.seen[i+len(text):]
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

// say types a line and skips its echo.
func (t *terminal) say(line string) {
	t.Helper()
	t.send(line + "\n")
	t.expect(line)
	t.expect("\n")
}
