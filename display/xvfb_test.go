package display

import (
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
	"chrun/internal/fakedesk"
	"chrun/internal/headless"
	"chrun/session"
)

// setUp connects with a cookie and returns the first byte of the server's answer:
// 1 means success (X11 protocol, section 8).
func setUp(t *testing.T, socket, cookie string) byte {
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

// With only DISPLAY set, the cookie of a running server is found through the
// server's command line, and the server accepts it.
func TestXvfb(t *testing.T) {
	d := newDesk(t)
	const cookie = "sixteen bytes ok"
	auth := d.writeAuthority("other/auth", "a former hostname", 0, cookie)
	n, _ := headless.Xvfb(t, "-noreset", "-auth", auth)
	d.writeAuthority("other/auth", "myhost", n, cookie) // only now is the number known
	socket := fmt.Sprintf("%s/X%d", x11.SocketDir, n)

	f := d.facts(fmt.Sprintf("DISPLAY=unix:%d.0", n))
	f.Caller.Host = "/"
	s := X11.Detect(f)
	if got := sharedCookie(s); got != cookie || fakedesk.Value(s, "DISPLAY") != fmt.Sprintf(":%d.0", n) {
		t.Fatalf("cookie %q, %+v", got, s)
	}
	if len(s.Binds) != 1 || s.Binds[0].Source != session.HostPath(socket) || string(s.Binds[0].Dest) != socket {
		t.Errorf("binds %+v", s.Binds)
	}
	if got := setUp(t, socket, sharedCookie(s)); got != 1 {
		t.Errorf("the server answers %d to the cookie", got)
	}
	if got := setUp(t, socket, "not the cookie.."); got != 0 {
		t.Errorf("the server answers %d to a wrong cookie", got)
	}

	f.Caller.Env = session.Environ{}
	if found := listDisplays(f.Caller); !strings.Contains(fmt.Sprint(found), strconv.Itoa(n)) {
		t.Errorf("display %d is not among %v", n, found)
	}
}

// A server with its number on the command line is found through its lock file.
func TestXvfbLock(t *testing.T) {
	d := newDesk(t)
	const cookie = "sixteen bytes ok"
	n := 20000 + rand.IntN(20000)
	auth := d.writeAuthority("other/auth", "myhost", n, cookie)
	// With -displayfd, as headless.Xvfb starts it, a server makes no lock file.
	cmd := exec.Command("Xvfb", fmt.Sprintf(":%d", n), "-auth", auth, "-noreset", "-nolisten", "tcp", "-screen", "0", "64x64x24")
	headless.Must(t, "desktop", cmd.Start())
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
	socket := session.HostPath(fmt.Sprintf("%s/X%d", x11.SocketDir, n))
	for end := time.Now().Add(20 * time.Second); !session.ReadListeners().IsLive(socket); {
		if time.Now().After(end) {
			t.Fatal("Xvfb did not start")
		}
		time.Sleep(10 * time.Millisecond)
	}
	server, ok := x11.FindServerByLock("/tmp", "/proc", n, os.Getuid())
	if want := (x11.Server{Owner: os.Getuid(), Number: n, Auth: session.HostPath(auth)}); !ok || server != want {
		t.Errorf("got %+v, %v, want %+v", server, ok, want)
	}
}
