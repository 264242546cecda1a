package headless

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Terminal is a pseudoterminal (pty(7)) on which a test types.
type Terminal struct {
	Master *os.File
	t      testing.TB
	limit  time.Duration // for Expect
	mu     sync.Mutex
	unread []byte // output that Expect has not consumed
	all    []byte
}

// StartOnTerminal starts cmd as the session leader of a new pseudoterminal. The
// end of the test kills it and hangs the terminal up.
func StartOnTerminal(t testing.TB, cmd *exec.Cmd, limit time.Duration) *Terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &Terminal{Master: master, t: t, limit: limit}
	t.Cleanup(func() { master.Close() })
	var n int
	term.Control(func(fd int) (err error) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
		return err
	})
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	go term.read()
	return term
}

func (term *Terminal) read() {
	buf := make([]byte, 4096)
	for {
		n, err := term.Master.Read(buf)
		if err != nil {
			return
		}
		term.mu.Lock()
		term.unread, term.all = append(term.unread, buf[:n]...), append(term.all, buf[:n]...)
		term.mu.Unlock()
	}
}

// Control calls f with the descriptor but leaves it non-blocking, because Close
// would otherwise wait for the reader.
func (term *Terminal) Control(f func(fd int) error) {
	term.t.Helper()
	c, err := term.Master.SyscallConn()
	if err == nil {
		if err2 := c.Control(func(fd uintptr) { err = f(int(fd)) }); err2 != nil {
			err = err2
		}
	}
	if err != nil {
		term.t.Fatal(err)
	}
}

// Resize changes the size of the window.
func (term *Terminal) Resize(rows, columns uint16) {
	term.t.Helper()
	term.Control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
	})
}

// Send types text.
func (term *Terminal) Send(text string) {
	term.t.Helper()
	if _, err := term.Master.WriteString(text); err != nil {
		term.t.Fatal(err)
	}
}

// TypeLine types a line and consumes its echo.
func (term *Terminal) TypeLine(line string) {
	term.t.Helper()
	term.Send(line + "\n")
	term.Expect(line)
	term.Expect("\n")
}

// Expect waits until text is printed and consumes the output up to it. It returns
// the output before text.
func (term *Terminal) Expect(text string) string {
	term.t.Helper()
	for end := time.Now().Add(term.limit); ; time.Sleep(time.Millisecond) {
		term.mu.Lock()
		if i := bytes.Index(term.unread, []byte(text)); i >= 0 {
			before := string(term.unread[:i])
			term.unread = term.unread[i+len(text):]
			term.mu.Unlock()
			return before
		}
		all := strings.ReplaceAll(string(term.all), "\r", "")
		term.mu.Unlock()
		if time.Now().After(end) {
			term.t.Fatalf("no %q in:\n%s", text, all)
		}
	}
}
