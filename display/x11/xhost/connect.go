package xhost

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jezek/xgb"
	"golang.org/x/sys/unix"

	"chrun/display/x11"
	"chrun/session"
)

// maxBytes is how much a helper process reads from a server in total. xgb reads
// as much as a reply announces, which may be 4 GiB.
const maxBytes = 4 << 20

// connection is a connection to an X server. It is never closed: the helper
// process ends.
type connection struct {
	net.Conn          // what xgb reads and writes
	file     *os.File // the same connection
	x        *xgb.Conn

	mu   sync.Mutex
	left int    // of maxBytes
	head []byte // the first bytes that the server sent
	err  error  // the first error while reading or writing
}

// connect connects to the abstract socket of d or, if no server listens there,
// to the one in the file system, as libxcb does.
func connect(d x11.Display, deadline time.Time) (*connection, error) {
	if d.Socket() == "" {
		return nil, errors.New("it is not on this machine")
	}
	fd, err := -1, error(unix.ENOENT)
	for _, name := range []string{d.AbstractName(), string(d.Socket())} {
		if name != "" && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED)) {
			fd, err = session.Connect(name, deadline)
		}
	}
	if err != nil {
		return nil, plain(err)
	}
	c := &connection{file: os.NewFile(uintptr(fd), "display "+d.String()), left: maxBytes}
	if c.Conn, err = net.FileConn(c.file); err == nil { // it duplicates the descriptor
		err = c.SetDeadline(deadline)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// setUp introduces us to the server (X11 protocol, section 8).
func (c *connection) setUp(cookie []byte) error {
	if cookie != nil && len(cookie) != 16 {
		return fmt.Errorf("a cookie has 16 bytes, not %d", len(cookie))
	}
	xgb.Logger = log.New(io.Discard, "", 0)
	err := c.introduce(cookie)
	head, failure := c.state()
	isX := len(head) == 8 && head[2] == 11
	switch {
	case isX && head[0] == 1 && err == nil:
		return nil
	case isX && head[0] == 2 && (err == nil || err == errMalformed):
		return &RefusedError{"it requires an authentication protocol that chrun does not support"}
	case failure != nil:
		return failure
	case isX && head[0] == 0 && err != errMalformed:
		return &RefusedError{printable(strings.TrimPrefix(err.Error(), "x protocol authentication refused: "))}
	case isX:
		return errMalformed
	}
	return errors.New("the server is not an X server")
}

// introduce sends the cookie and reads the answer. xgb does not check the
// lengths in it, takes "authenticate" for success, and returns errors that
// differ only in their text: the caller looks at the answer itself.
func (c *connection) introduce(cookie []byte) (err error) {
	defer recoverMalformed(&err)
	if cookie == nil {
		c.x, err = xgb.NewConnNet(c) // XAUTHORITY is empty, see Env
		return err
	}
	c.x, err = xgb.NewConnNetWithCookieHex(c, hex.EncodeToString(cookie))
	return err
}

// Read reads at most maxBytes in total and records the first error.
func (c *connection) Read(p []byte) (int, error) {
	c.mu.Lock()
	left := c.left
	c.mu.Unlock()
	if left == 0 {
		return 0, c.record(errors.New("the X server's answer is too long"))
	}
	n, err := c.Conn.Read(p[:min(len(p), left)])
	c.mu.Lock()
	c.left -= n
	if missing := 8 - len(c.head); missing > 0 {
		c.head = append(c.head, p[:min(n, missing)]...)
	}
	c.mu.Unlock()
	return n, c.record(err)
}

// Write records the first error.
func (c *connection) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.record(err)
}

func (c *connection) record(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && err != nil {
		c.err = plain(err)
	}
	return err
}

// state returns the first bytes that the server sent and the first error while
// reading or writing.
func (c *connection) state() (head []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.head, c.err
}

// plain describes the usual errors of a connection in words.
func plain(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, unix.EAGAIN):
		return errTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
		return errors.New("the X server closed the connection")
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ECONNREFUSED):
		return errors.New("no X server listens there")
	}
	return err
}
