package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// Server opens, outside, what clients of a launch ask for.
type Server struct {
	Listener int             // a listening Unix socket; Serve closes it
	Peer     int             // the uid that clients have
	Env      session.Environ // of the desktop
}

// slow is how long a client may take to say what it wants.
const slow = 10 * time.Second

// Serve answers clients until stop is closed. What it has started goes on.
func (s *Server) Serve(stop <-chan struct{}) error {
	if err := unix.SetNonblock(s.Listener, true); err != nil {
		unix.Close(s.Listener)
		return os.NewSyscallError("fcntl", err)
	}
	listener := os.NewFile(uintptr(s.Listener), "listener")
	defer listener.Close()
	go func() {
		<-stop
		listener.Close()
	}()
	conn, err := listener.SyscallConn()
	if err != nil {
		return err
	}
	asking := make(chan struct{}, maxAsking)
	for {
		var fd int
		var failed error
		err := conn.Read(func(l uintptr) bool {
			fd, _, failed = unix.Accept4(int(l), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			return failed != unix.EAGAIN
		})
		switch {
		case err != nil:
			return nil // closed
		case failed != nil:
			time.Sleep(100 * time.Millisecond) // no descriptors: the client waits
			continue
		}
		asking <- struct{}{}
		go s.client(os.NewFile(uintptr(fd), "client"), func() { <-asking })
	}
}

// maxAsking is how many clients may be saying what they want at once.
const maxAsking = 32

// client serves one client. asked is called when it has said what it wants.
func (s *Server) client(client *os.File, asked func()) {
	defer client.Close()
	conn, err := client.SyscallConn()
	if err == nil {
		conn.Control(func(fd uintptr) {
			var cred *unix.Ucred
			if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil && int(cred.Uid) != s.Peer {
				err = unix.EACCES
			}
		})
	}
	if err != nil {
		asked()
		return
	}
	client.SetReadDeadline(time.Now().Add(slow))
	q, err := receive(conn)
	asked()
	if err == nil {
		err = s.answer(q)
	}
	client.SetWriteDeadline(time.Now().Add(slow))
	if err != nil {
		client.Write([]byte("\x01" + err.Error()))
		return
	}
	client.Write([]byte{0})
}

// question is what a client wants opened.
type question struct {
	kind, what, token string
	file              int // or -1
}

// answer opens it. The descriptor shows that the client itself can reach the
// file that it names.
func (s *Server) answer(q question) error {
	defer unix.Close(q.file)
	switch q.kind {
	case "uri":
		if strings.HasPrefix(strings.ToLower(q.what), "file:") {
			return &RefusedError{cut(q.what), "a file comes with its descriptor"}
		}
		if err := CheckURI(q.what); err != nil {
			return err
		}
	case "file":
		var mine, theirs unix.Stat_t
		if q.file < 0 || !path.IsAbs(q.what) || unix.Fstat(q.file, &theirs) != nil || unix.Stat(q.what, &mine) != nil ||
			mine.Dev != theirs.Dev || mine.Ino != theirs.Ino || !openable(&mine) {
			return &RefusedError{cut(q.what), "the host has another file there, or none that you can read"}
		}
	default:
		return errQuestion
	}
	return s.start(q.what, q.token)
}

var errQuestion = errors.New("cannot read the question")

// receive reads a question: three words, each with a NUL behind it, and perhaps a
// descriptor.
func receive(conn syscall.RawConn) (q question, err error) {
	q.file = -1
	defer func() {
		if err != nil && q.file >= 0 {
			unix.Close(q.file)
		}
	}()
	var data []byte
	for bytes.Count(data, []byte{0}) < 3 {
		b, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*4))
		var n, oobn int
		var failed error
		if err := conn.Read(func(fd uintptr) bool {
			n, oobn, _, _, failed = unix.Recvmsg(int(fd), b, oob, unix.MSG_CMSG_CLOEXEC)
			return failed != unix.EAGAIN
		}); err != nil {
			return q, errors.New("the question took too long")
		}
		if failed != nil || n == 0 {
			return q, errQuestion
		}
		for _, fd := range rights(oob[:oobn]) {
			if q.file >= 0 {
				unix.Close(fd)
			} else {
				q.file = fd
			}
		}
		if data = append(data, b[:n]...); len(data) > maxURI+8192 {
			return q, errQuestion
		}
	}
	words := strings.SplitN(string(data), "\x00", 4)
	q.kind, q.what, q.token = words[0], words[1], words[2]
	return q, nil
}

func rights(oob []byte) (fds []int) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for i := range messages {
		some, _ := unix.ParseUnixRights(&messages[i])
		fds = append(fds, some...)
	}
	return fds
}

// openers are the programs of a host that open what they are given, in the order
// in which they are looked for.
var openers = [][]string{{"xdg-open"}, {"gio", "open"}}

// start runs the desktop's opener and waits for its answer. That may be the
// opened program itself, or leave one behind that has its output.
func (s *Server) start(what, token string) error {
	program, words := s.opener()
	if program == "" {
		return errors.New("the host has neither a portal nor xdg-open: install xdg-desktop-portal or xdg-utils there")
	}
	said, err := sealed()
	if err != nil {
		return err
	}
	defer said.Close()
	// A token is for one program: those that chrun itself has were for others.
	env := slices.DeleteFunc(slices.Clone(s.Env), func(kv string) bool {
		return strings.HasPrefix(kv, "XDG_ACTIVATION_TOKEN=") || strings.HasPrefix(kv, "DESKTOP_STARTUP_ID=")
	})
	if token != "" {
		env = append(env, "XDG_ACTIVATION_TOKEN="+token, "DESKTOP_STARTUP_ID="+token)
	}
	c := exec.Command(program, append(slices.Clone(words[1:]), what)...)
	c.Env, c.Stdout, c.Stderr = env, said, said
	if home := s.Env.Get("HOME"); path.IsAbs(home) {
		c.Dir = home
	}
	if err := c.Run(); err != nil {
		text := make([]byte, maxSaid)
		n, _ := said.ReadAt(text, 0)
		text, _, _ = bytes.Cut(text[:n], []byte{0})
		return fmt.Errorf("cannot open %q: the host's %s: %w: %s", cut(what), words[0], err, bytes.TrimSpace(text))
	}
	return nil
}

func (s *Server) opener() (program string, words []string) {
	for _, words := range openers {
		for _, dir := range strings.Split(s.Env.Get("PATH"), ":") {
			p := path.Join(dir, words[0])
			var st unix.Stat_t
			if path.IsAbs(dir) && unix.Stat(p, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && unix.Access(p, unix.X_OK) == nil {
				return p, words
			}
		}
	}
	return "", nil
}

// maxSaid is how many bytes are kept of what an opener says.
const maxSaid = 4096

// sealed is a file of maxSaid bytes that cannot grow: what an opener leaves behind
// may write to it for days, and neither fill the memory nor find a closed pipe.
func sealed() (*os.File, error) {
	fd, err := unix.MemfdCreate("said", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "said")
	if err = unix.Ftruncate(fd, maxSaid); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_GROW|unix.F_SEAL_SHRINK)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
