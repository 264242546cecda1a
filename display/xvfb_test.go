package display

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"chrun/display/x11"
	"chrun/session"
)

// must ends the test because a program is missing: as a failure where the
// desktop tests have to run.
func must(t *testing.T, why string) {
	t.Helper()
	if strings.Contains(os.Getenv("CHRUN_TEST_MUST"), "desktop") {
		t.Fatal(why)
	}
	t.Skip(why)
}

// xvfb starts Xvfb with args and the descriptor 3 extra.
func xvfb(t *testing.T, extra *os.File, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("Xvfb"); err != nil {
		must(t, "Xvfb is not installed")
	}
	cmd := exec.Command("Xvfb", append(args, "-noreset", "-nolisten", "tcp", "-screen", "0", "64x64x24")...)
	cmd.ExtraFiles = []*os.File{extra}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
}

// xvfbAnywhere starts Xvfb on a free display and returns its number.
func xvfbAnywhere(t *testing.T, args ...string) int {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	xvfb(t, w, append(args, "-displayfd", "3")...)
	w.Close()
	r.SetReadDeadline(time.Now().Add(20 * time.Second))
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal("Xvfb did not start:", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// setup makes a client's connection set-up with a cookie and returns the first
// byte of the answer: 1 is success (X11 protocol, section 8).
func setup(t *testing.T, socket, cookie string) byte {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	name := ""
	if cookie != "" {
		name = "MIT-MAGIC-COOKIE-1"
	}
	req := []byte{'l', 0, 11, 0, 0, 0}
	req = binary.LittleEndian.AppendUint16(req, uint16(len(name)))
	req = binary.LittleEndian.AppendUint16(req, uint16(len(cookie)))
	req = append(req, 0, 0)
	for _, s := range []string{name, cookie} {
		req = append(req, s...)
		req = append(req, make([]byte, -len(s)&3)...)
	}
	answer := make([]byte, 1)
	if _, err := conn.Write(req); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatal(err)
	}
	return answer[0]
}

// With nothing but DISPLAY, the cookie of a running server is found from its
// command line, and is one that the server takes.
func TestXvfb(t *testing.T) {
	d := newDesk(t)
	const cookie = "sixteen bytes ok"
	auth := d.authority("other/auth", "a host name of old", 0, cookie)
	n := xvfbAnywhere(t, "-auth", auth)
	d.authority("other/auth", "here", n, cookie) // the number is known only now
	socket := fmt.Sprintf("%s/X%d", x11.SocketDir, n)

	f := d.facts(fmt.Sprintf("DISPLAY=unix:%d.0", n))
	f.Caller.Host = "/"
	s := X11.Detect(f)
	if got := admission(s); got != cookie || value(s, "DISPLAY") != fmt.Sprintf(":%d.0", n) {
		t.Fatalf("cookie %q, %+v", got, s)
	}
	if len(s.Binds) != 1 || s.Binds[0].Source != session.HostPath(socket) || string(s.Binds[0].Dest) != socket {
		t.Errorf("binds %+v", s.Binds)
	}
	if got := setup(t, socket, admission(s)); got != 1 {
		t.Errorf("the server answers %d to the cookie", got)
	}
	if got := setup(t, socket, "not the cookie.."); got != 0 {
		t.Errorf("the server answers %d to a wrong cookie", got)
	}

	f.Caller.Env = session.Environ{}
	if found := listening(f.Caller); !strings.Contains(fmt.Sprint(found), strconv.Itoa(n)) {
		t.Errorf("display %d is not among %v", n, found)
	}
}

// A server with its number on the command line is found by its lock, without a
// walk through /proc.
func TestXvfbLock(t *testing.T) {
	d := newDesk(t)
	const cookie = "sixteen bytes ok"
	n := 20000 + rand.IntN(20000)
	auth := d.authority("other/auth", "here", n, cookie)
	xvfb(t, nil, fmt.Sprintf(":%d", n), "-auth", auth)
	socket := session.HostPath(fmt.Sprintf("%s/X%d", x11.SocketDir, n))
	for end := time.Now().Add(20 * time.Second); !session.ReadListeners("/proc/net/unix").Live(socket); {
		if time.Now().After(end) {
			t.Fatal("Xvfb did not start")
		}
		time.Sleep(10 * time.Millisecond)
	}
	server, ok := x11.FindServerByLock("/tmp", "/proc", n, os.Getuid())
	if want := (x11.Server{Owner: os.Getuid(), Number: n, Auth: session.HostPath(auth)}); !ok || server != want {
		t.Errorf("by the lock: %+v, %v, want %+v", server, ok, want)
	}
}
