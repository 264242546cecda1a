package xhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"golang.org/x/sys/unix"
)

// Serve is the main function of a helper process: it carries out the request
// in the socket and returns the exit status. It may crash.
func Serve(socket int) (status int) {
	var r request
	if _, err := receive(socket, &r); err != nil {
		return 1
	}
	done := make(chan error, 1)
	var has bool
	var file *os.File
	go func() {
		var err error
		has, file, err = r.run(socket)
		done <- err
	}()
	var a answer
	var fds []int
	select {
	case err := <-done:
		a = answerTo(has, err)
		if err == nil && file != nil {
			defer file.Close()
			fds = append(fds, int(file.Fd()))
		}
	case <-time.After(r.Limit): // xgb may wait forever
		a = answerTo(false, errTimeout)
	}
	if send(socket, a, fds) != nil {
		return 1
	}
	return 0
}

// run carries out the request of the process at the other end of client. The file
// is the connection of opConnect.
func (r *request) run(client int) (has bool, file *os.File, err error) {
	checked := r.Operation == opHas || r.Operation == opAdd || r.Operation == opRemove
	if checked {
		start, err := startTime(r.Server.PID)
		switch {
		case r.Server.PID <= 0, errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH), err == nil && start != r.Server.Start:
			return false, nil, ErrEnded
		case err != nil: // it may be running still, with what was granted
			return false, nil, err
		}
	}
	c, err := connect(r.Display, time.Now().Add(r.Limit))
	if err != nil {
		return false, nil, err
	}
	if checked {
		server, err := serverOf(c.file)
		if err == nil && server != r.Server {
			err = ErrEnded
		}
		if err != nil {
			return false, nil, err
		}
	}
	if err := c.setUp(r.Cookie); err != nil {
		return false, nil, err
	}
	if hasEnded(client) {
		return false, nil, errEndOfFile
	}
	switch r.Operation {
	case opOpen:
	case opConnect:
		file = c.file
	case opHas:
		has, err = c.hasUser(r.UID)
	case opAdd:
		err = c.change(xproto.HostModeInsert, r.UID)
	case opRemove:
		err = c.change(xproto.HostModeDelete, r.UID)
	default:
		err = fmt.Errorf("unknown operation %q", r.Operation)
	}
	return has, file, err
}

// hasEnded reports whether the process at the other end of the socket has ended.
// Then nobody expects the change any more, and another process may already have
// revoked it.
func hasEnded(socket int) bool {
	fds := []unix.PollFd{{Fd: int32(socket)}} // POLLHUP is always reported
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

// localUser returns the address that admits a user of this machine (xserver,
// os/access.c: a type, a NUL and a value).
func localUser(uid int) string { return "localuser\x00#" + strconv.Itoa(uid) }

func (c *connection) hasUser(uid int) (has bool, err error) {
	defer recoverMalformed(&err)
	reply, err := xproto.ListHosts(c.x).Reply()
	if err != nil {
		return false, c.explain(err)
	}
	has = reply.Mode == xproto.AccessControlDisable
	for _, h := range reply.Hosts {
		has = has || h.Family == xproto.FamilyServerInterpreted && string(h.Address) == localUser(uid)
	}
	return has, nil
}

func (c *connection) change(mode byte, uid int) (err error) {
	defer recoverMalformed(&err)
	address := []byte(localUser(uid))
	err = xproto.ChangeHostsChecked(c.x, mode, xproto.FamilyServerInterpreted, uint16(len(address)), address).Check()
	return c.explain(err)
}

// recoverMalformed turns a panic on this goroutine into an error: xgb does not
// check lengths when it decodes a reply.
func recoverMalformed(err *error) {
	if recover() != nil {
		*err = errMalformed
	}
}

// explain returns the error that a request failed with, in words.
func (c *connection) explain(err error) error {
	if err == nil {
		return nil
	}
	if _, denied := err.(xproto.AccessError); denied {
		return errors.New("BadAccess: it requires a local, trusted client")
	}
	if x, ok := err.(xgb.Error); ok {
		name, _, _ := strings.Cut(x.Error(), " ")
		return errors.New(name)
	}
	// xgb returns io.EOF when it stops reading, for whatever reason.
	if _, failure := c.state(); failure != nil {
		return failure
	}
	return errMalformed // it is about to crash
}
