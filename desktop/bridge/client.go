package bridge

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// Client opens targets on the host.
type Client struct {
	Bus    string          // the socket of the session bus; "" if there is none
	Socket string          // the socket of chrun's server; "" if there is none
	Paths  session.PathMap // where the host has what the program sees
	Token  string          // XDG_ACTIVATION_TOKEN
	// Patience is how long the user may take to choose a program; 0 is ten minutes.
	Patience time.Duration
	// OpenAt opens the file at inside so that the kernel names the descriptor
	// host: see Namesake. The caller calls release when the file has been opened.
	OpenAt func(inside, host string) (fd int, release func(), err error)
	Note   func(text string) // receives what was opened differently; may be nil
}

// ErrNoOpener means that there is neither a portal nor chrun's server.
var ErrNoOpener = errors.New("the desktop has no portal for it, and this launch has no server of chrun's own")

// ErrCancelled means that the user cancelled it.
var ErrCancelled = errors.New("it was cancelled")

// ErrBusStalls means that the session bus accepts connections and does not answer.
var ErrBusStalls = errors.New("the session bus does not answer")

const (
	connectTime = 2 * time.Second  // for a server to accept a connection, and a bus to say hello
	callTime    = 30 * time.Second // for a call; the bus may have to start the portal
	patience    = 10 * time.Minute
)

// Open opens a target. It returns when the host's program has been started.
func (c *Client) Open(t Target) error {
	host := ""
	if t.Path != "" {
		if host = string(c.Paths.FindOnHost(session.Path(t.Path))); host == "" {
			return &RefusedError{t.Path, "it exists only inside this launch, so the host has no path to it"}
		}
	}
	err := c.openByPortal(t, host)
	if errors.Is(err, ErrNoOpener) && c.Socket != "" {
		return c.openByServer(t, host)
	}
	return err
}

// openByServer asks chrun's own server. The question is "uri" or "file", the URI
// or path, the token, and the part of a file, each followed by a NUL byte; the
// descriptor of a file is sent with it. The answer is a status byte and a text.
func (c *Client) openByServer(t Target, host string) error {
	fd, err := session.Connect(c.Socket, time.Now().Add(connectTime))
	if err != nil {
		return fmt.Errorf("%w (%v)", ErrNoOpener, err)
	}
	defer unix.Close(fd)
	kind, what, rights := kindURI, t.URI, []byte(nil)
	if t.Path != "" {
		kind, what = kindFile, host
		file, err := unix.Open(t.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: t.Path, Err: err}
		}
		defer unix.Close(file)
		rights = unix.UnixRights(file)
	}
	question := []byte(strings.Join([]string{kind, what, checkToken(c.Token), t.Part, ""}, "\x00"))
	if _, err := unix.SendmsgN(fd, question, rights, nil, unix.MSG_NOSIGNAL); err != nil {
		return os.NewSyscallError("sendmsg", err)
	}
	unix.Shutdown(fd, unix.SHUT_WR)
	answer := readAnswer(fd)
	switch {
	case len(answer) == 0:
		return errors.New("chrun's server closed the connection")
	case answer[0] != 0:
		return errors.New(strings.TrimSpace(string(answer[1:])))
	}
	return nil
}

func readAnswer(fd int) (answer []byte) {
	for b := make([]byte, 4096); len(answer) < maxURI; {
		n, err := unix.Read(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			break
		}
		answer = append(answer, b[:n]...)
	}
	return answer
}
