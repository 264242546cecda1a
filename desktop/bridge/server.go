package bridge

import (
	"bytes"
	"errors"
	"net/url"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// Server opens, outside, what the clients of a launch request.
type Server struct {
	Listener int             // a listening Unix socket; Serve closes it
	Peer     int             // the uid of the clients; others are refused
	Env      session.Environ // of the desktop
}

const (
	// ioTime is how long a client may take to send its request, and to take the
	// answer.
	ioTime = 10 * time.Second
	// maxReading is how many requests are read at the same time.
	maxReading = 32
)

// Serve answers clients until stop is closed. Programs that it started keep
// running.
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
	reading := make(chan struct{}, maxReading)
	for {
		var fd int
		var failed error
		err := conn.Read(func(l uintptr) bool {
			fd, _, failed = unix.Accept4(int(l), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			return failed != unix.EAGAIN
		})
		switch {
		case err != nil:
			return nil // the listener was closed
		case failed != nil:
			time.Sleep(100 * time.Millisecond) // no descriptors left: the client waits
			continue
		}
		reading <- struct{}{}
		go s.serveClient(os.NewFile(uintptr(fd), "client"), func() { <-reading })
	}
}

// serveClient serves one client. It calls received after reading the request.
func (s *Server) serveClient(client *os.File, received func()) {
	defer client.Close()
	conn, err := client.SyscallConn()
	if err == nil {
		err = checkPeer(conn, s.Peer)
	}
	if err != nil {
		received()
		return
	}
	client.SetReadDeadline(time.Now().Add(ioTime))
	r, err := receiveRequest(conn)
	received()
	if err == nil {
		err = s.open(r)
	}
	client.SetWriteDeadline(time.Now().Add(ioTime))
	if err != nil {
		client.Write([]byte("\x01" + err.Error()))
		return
	}
	client.Write([]byte{0})
}

// checkPeer returns an error unless the peer has the uid.
func checkPeer(conn syscall.RawConn, uid int) (err error) {
	conn.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil && int(cred.Uid) != uid {
			err = unix.EACCES
		}
	})
	return err
}

// Kinds of requests.
const (
	kindURI  = "uri"
	kindFile = "file"
)

// request is what a client wants opened.
type request struct {
	kind, what, token string
	part              string // of a file URI, see Target
	file              int    // a descriptor, or -1
}

// open opens what a client requested.
func (s *Server) open(r request) error {
	defer unix.Close(r.file)
	what, err := r.check()
	if err != nil {
		return err
	}
	return s.runOpener(what, r.token)
}

// check returns the argument for the host's opener. The descriptor proves that the
// client itself can reach the file that it names.
func (r *request) check() (what string, err error) {
	switch r.kind {
	case kindURI:
		if strings.HasPrefix(strings.ToLower(r.what), "file:") {
			return "", &RefusedError{shorten(r.what), "a file must be sent with its descriptor"}
		}
		return r.what, CheckURI(r.what)
	case kindFile:
		var ours, theirs unix.Stat_t
		if r.file < 0 || !path.IsAbs(r.what) || unix.Fstat(r.file, &theirs) != nil || unix.Stat(r.what, &ours) != nil ||
			ours.Dev != theirs.Dev || ours.Ino != theirs.Ino || !canOpen(&ours) {
			return "", &RefusedError{shorten(r.what), "the host has another file at this path, or none that you can read"}
		}
		switch {
		case r.part == "":
			return r.what, nil
		case (r.part[0] == '?' || r.part[0] == '#') && isVisibleASCII(r.part):
			return (&url.URL{Scheme: "file", Path: r.what}).String() + r.part, nil
		}
	}
	return "", errRequest
}

var (
	errRequest = errors.New("cannot read the request")
	errSlow    = errors.New("cannot read the request: it took too long")
)

// receiveRequest reads a request: four words, each followed by a NUL byte, and
// perhaps a descriptor.
func receiveRequest(conn syscall.RawConn) (r request, err error) {
	r.file = -1
	defer func() {
		if err != nil && r.file >= 0 {
			unix.Close(r.file)
		}
	}()
	var data []byte
	for bytes.Count(data, []byte{0}) < 4 {
		b, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*4))
		var n, oobn int
		var failed error
		if err := conn.Read(func(fd uintptr) bool {
			n, oobn, _, _, failed = unix.Recvmsg(int(fd), b, oob, unix.MSG_CMSG_CLOEXEC)
			return failed != unix.EAGAIN
		}); err != nil {
			return r, errSlow
		}
		if failed != nil || n == 0 {
			return r, errRequest
		}
		for _, fd := range parseRights(oob[:oobn]) {
			if r.file >= 0 {
				unix.Close(fd)
			} else {
				r.file = fd
			}
		}
		if data = append(data, b[:n]...); len(data) > maxURI+8192 {
			return r, errRequest
		}
	}
	words := strings.SplitN(string(data), "\x00", 5)
	r.kind, r.what, r.token, r.part = words[0], words[1], checkToken(words[2]), words[3]
	return r, nil
}

// parseRights returns the descriptors in a control message.
func parseRights(oob []byte) (fds []int) {
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
