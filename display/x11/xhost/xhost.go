// Package xhost changes an X server's host list, which says who may connect
// without a cookie (X11 protocol, ChangeHosts and ListHosts; xserver,
// os/access.c), and checks whether a cookie opens a display.
//
// It speaks the protocol with github.com/jezek/xgb, in which a malicious reply
// causes a panic that cannot be recovered. So every request is one short-lived
// helper process with the rights of the server's owner: a Client starts it, and
// Serve is what it runs. A crash of that process is an error of the request.
package xhost

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
)

// HelperFD is the descriptor on which a helper process finds its socket.
const HelperFD = 3

// Env is the whole environment of a helper process. With an empty authority
// file xgb finds no cookie when it is to connect without one.
var Env = []string{"XAUTHORITY=/dev/null"}

// defaultLimit is how long a request may take if the Client has no Limit.
const defaultLimit = 3 * time.Second

// A StartFunc starts a process with the user ID uid and the environment Env
// that calls Serve on HelperFD, which is a duplicate of socket. The Client waits
// for the process and kills it if it takes too long.
//
// Its user must not be able to trace the process with ptrace(2), because the
// Client trusts its answers. It should be killed when the calling thread ends
// (PR_SET_PDEATHSIG), so that no change is made later.
type StartFunc func(uid, socket int) (pid int, err error)

// A Client makes requests of one X server.
type Client struct {
	Display x11.Display
	Cookie  []byte        // a MIT-MAGIC-COOKIE-1; nil to connect without a cookie
	UID     int           // the user to connect as
	Limit   time.Duration // for a whole request, including the start of its process; 0 means 3 s
	Start   StartFunc
}

var (
	// ErrEnded means that the intended X server has ended, even if another one
	// listens in its place.
	ErrEnded = errors.New("the X server has ended")

	errTimeout   = errors.New("the X server does not answer")
	errMalformed = errors.New("the X server sent an invalid answer")
)

// RefusedError means that the server did not accept the connection.
type RefusedError struct {
	Reason string // what the server gave as its reason, in printable ASCII
}

func (e *RefusedError) Error() string {
	return "the X server refused the connection: " + e.Reason
}

// A Conn is a connection that is only kept open. An X server that runs without
// -noreset forgets its host list when its last client disconnects.
type Conn struct {
	File   *os.File
	Server Server
}

// Close closes the connection.
func (c *Conn) Close() error { return c.File.Close() }

// Connect connects to the display. The caller closes the result.
func (c *Client) Connect() (*Conn, error) {
	_, file, err := c.do(request{Operation: opConnect})
	if err == nil && file == nil {
		err = errors.New("the helper process returned no connection")
	}
	if err != nil {
		return nil, c.fail("connect to", err)
	}
	conn := &Conn{File: file}
	if conn.Server, err = serverOf(file); err != nil {
		file.Close()
		return nil, c.fail("connect to", err)
	}
	return conn, nil
}

// Opens reports whether the server accepts a client with the cookie. It does so
// with any cookie if its host list already admits the user. An error means that
// there was no answer to that question.
func (c *Client) Opens() (bool, error) {
	_, _, err := c.do(request{Operation: opOpen})
	if _, refused := errors.AsType[*RefusedError](err); refused {
		return false, nil
	}
	if err != nil {
		return false, c.fail("connect to", err)
	}
	return true, nil
}

// HasUser reports whether the host list admits the local user uid. It is also
// true if access control is disabled (xhost +).
func (c *Client) HasUser(s Server, uid int) (bool, error) {
	has, _, err := c.do(request{Operation: opHas, Server: s, UID: uid})
	if err != nil {
		return false, c.fail("read the host list of", err)
	}
	return has, nil
}

// AddUser adds the local user uid to the host list. Adding a user who is already
// on the list changes nothing.
func (c *Client) AddUser(s Server, uid int) error {
	_, _, err := c.do(request{Operation: opAdd, Server: s, UID: uid})
	if err != nil {
		return c.fail("change the host list of", err)
	}
	return nil
}

// RemoveUser removes the local user uid from the host list. It is not an error if
// the user is not on the list. Clients that are connected stay connected.
func (c *Client) RemoveUser(s Server, uid int) error {
	_, _, err := c.do(request{Operation: opRemove, Server: s, UID: uid})
	if err != nil {
		return c.fail("change the host list of", err)
	}
	return nil
}

func (c *Client) fail(verb string, err error) error {
	return fmt.Errorf("cannot %s display %s: %w", verb, c.Display, err)
}

// do has one request carried out by a helper process.
func (c *Client) do(r request) (has bool, file *os.File, err error) {
	limit := c.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	deadline := time.Now().Add(limit)
	runtime.LockOSThread() // its end would kill the helper process
	defer runtime.UnlockOSThread()
	r.Display, r.Cookie, r.Limit = c.Display, c.Cookie, limit
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, nil, os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[0])
	err = send(pair[0], r, nil)
	var pid int
	if err == nil {
		if pid, err = c.Start(c.UID, pair[1]); err != nil {
			err = fmt.Errorf("cannot start a helper process: %w", err)
		}
	}
	unix.Close(pair[1])
	if err != nil {
		return false, nil, err
	}
	a, file, err := receiveAnswer(pair[0], deadline)
	status := reap(pid)
	if err == errEndOfFile {
		return false, nil, fmt.Errorf("the helper process that talks to the X server crashed (%s)", status)
	}
	if err == nil {
		err = a.err()
	}
	if err != nil && file != nil {
		file.Close()
		file = nil
	}
	return a.Has, file, err
}

// reap waits for a helper process, which has answered, ended or timed out.
func reap(pid int) string {
	var status unix.WaitStatus
	// One that has crashed has its own status, which SIGKILL would not change.
	unix.Kill(pid, unix.SIGKILL)
	for {
		if _, err := unix.Wait4(pid, &status, 0, nil); err != unix.EINTR {
			break
		}
	}
	if status.Signaled() {
		return "signal: " + status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// printable returns a server's text in a form that is safe for a terminal.
func printable(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text))
}
