package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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
	var room sync.WaitGroup
	places := make(chan struct{}, 32) // clients at once
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
		places <- struct{}{}
		room.Go(func() {
			s.client(fd)
			<-places
		})
	}
}

// client serves one client.
func (s *Server) client(fd int) {
	client := os.NewFile(uintptr(fd), "client")
	defer client.Close()
	if cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED); err != nil || int(cred.Uid) != s.Peer {
		return
	}
	client.SetReadDeadline(time.Now().Add(slow))
	err := s.serve(client)
	client.SetWriteDeadline(time.Now().Add(slow))
	if err != nil {
		client.Write([]byte("\x01" + err.Error()))
		return
	}
	client.Write([]byte{0})
}

func (s *Server) serve(client *os.File) error {
	words, file, err := receive(client)
	if file >= 0 {
		defer unix.Close(file)
	}
	if err != nil {
		return err
	}
	kind, what, token := words[0], words[1], words[2]
	if err := CheckText(what); err != nil {
		return err
	}
	switch kind {
	case "uri":
		if strings.HasPrefix(strings.ToLower(what), "file:") {
			return &RefusedError{what, "a file comes with its descriptor"}
		}
		if err := CheckURI(what); err != nil {
			return err
		}
	case "file":
		// What the client has opened, the host must have under that name.
		var mine, theirs unix.Stat_t
		if file < 0 || !filepath.IsAbs(what) || unix.Fstat(file, &theirs) != nil || unix.Stat(what, &mine) != nil ||
			mine.Dev != theirs.Dev || mine.Ino != theirs.Ino {
			return &RefusedError{what, "the host has another file there, or none"}
		}
	default:
		return errors.New("cannot read the question")
	}
	return s.start(what, token)
}

// receive reads the three words and the descriptor of a question.
func receive(client *os.File) (words []string, file int, err error) {
	file = -1
	conn, err := client.SyscallConn()
	if err != nil {
		return nil, -1, err
	}
	var data []byte
	for bytes.Count(data, []byte{0}) < 3 {
		b, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*4))
		var n, oobn int
		var failed error
		if err := conn.Read(func(fd uintptr) bool {
			n, oobn, _, _, failed = unix.Recvmsg(int(fd), b, oob, unix.MSG_CMSG_CLOEXEC)
			return failed != unix.EAGAIN
		}); err != nil {
			return nil, file, errors.New("the question took too long")
		}
		for _, fd := range rights(oob[:oobn]) {
			if file >= 0 {
				unix.Close(fd)
			} else {
				file = fd
			}
		}
		if data = append(data, b[:n]...); failed != nil || n == 0 || len(data) > maxURI+8192 {
			return nil, file, errors.New("cannot read the question")
		}
	}
	return strings.Split(string(data), "\x00"), file, nil
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

// start runs the desktop's opener and waits for its answer; it may be the opened
// program itself.
func (s *Server) start(what, token string) error {
	for _, words := range [][]string{{"xdg-open"}, {"gio", "open"}} {
		program := ""
		for _, dir := range filepath.SplitList(s.Env.Get("PATH")) {
			if p, err := exec.LookPath(filepath.Join(dir, words[0])); err == nil && filepath.IsAbs(p) {
				program = p
				break
			}
		}
		if program == "" {
			continue
		}
		c := exec.Command(program, append(words[1:], what)...)
		c.Env = s.Env
		if token != "" && CheckText(token) == nil {
			c.Env = append(append(session.Environ{}, s.Env...), "XDG_ACTIVATION_TOKEN="+token, "DESKTOP_STARTUP_ID="+token)
		}
		out, err := c.CombinedOutput()
		if err != nil {
			return fmt.Errorf("cannot open %q: the host's %s: %v %s", what, words[0], err, bytes.TrimSpace(out[:min(len(out), 2000)]))
		}
		return nil
	}
	return errors.New("the host has neither a portal nor xdg-open: install xdg-desktop-portal or xdg-utils there")
}
