package xhost

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
)

// A request and its answer are one JSON message each on a SOCK_SEQPACKET
// socket. The connection that opConnect returns is attached to the answer.

// maxMessage is the maximum size of a message in bytes.
const maxMessage = 16 << 10

type operation string

const (
	opOpen    operation = "open"    // connect and disconnect
	opConnect operation = "connect" // and return the connection
	opHas     operation = "has"
	opAdd     operation = "add"
	opRemove  operation = "remove"
)

// request is what a helper process is to do.
type request struct {
	Operation operation
	Display   x11.Display
	Cookie    []byte
	Limit     time.Duration
	Server    Server // for opHas, opAdd and opRemove
	UID       int    // for opHas, opAdd and opRemove
}

// answer is the result of a request.
type answer struct {
	Has     bool
	Problem problem
	Reason  string
}

// problem is the kind of an error that a Client's caller distinguishes.
type problem string

const (
	noProblem problem = ""
	refused   problem = "refused"
	ended     problem = "ended"
	failed    problem = "failed"
)

// answerTo describes the result of a request.
func answerTo(has bool, err error) answer {
	if r, ok := errors.AsType[*RefusedError](err); ok {
		return answer{Problem: refused, Reason: r.Reason}
	}
	switch {
	case err == nil:
		return answer{Has: has}
	case errors.Is(err, ErrEnded):
		return answer{Problem: ended}
	}
	return answer{Problem: failed, Reason: err.Error()}
}

func (a answer) err() error {
	switch a.Problem {
	case noProblem:
		return nil
	case refused:
		return &RefusedError{printable(a.Reason)}
	case ended:
		return ErrEnded
	}
	return errors.New(printable(a.Reason))
}

var errEndOfFile = errors.New("the other side closed the socket")

// send sends a message with the descriptors fds attached.
func send(socket int, message any, fds []int) error {
	data, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(data) > maxMessage {
		return errors.New("the message to the helper process is too long")
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	err = unix.Sendmsg(socket, data, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	return os.NewSyscallError("sendmsg", err)
}

// receive decodes a message that is already in the socket and returns the file
// attached to it, or nil.
func receive(socket int, message any) (*os.File, error) {
	data := make([]byte, maxMessage+1)
	rights := make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := unix.Recvmsg(socket, data, rights, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err == unix.ECONNRESET { // the other side has not read our message
		return nil, errEndOfFile
	}
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	file := attached(rights[:m])
	err = errEndOfFile
	if n > maxMessage {
		err = errors.New("the helper process sent too long a message")
	} else if n > 0 {
		err = json.Unmarshal(data[:n], message)
	}
	if err != nil && file != nil {
		file.Close()
		file = nil
	}
	return file, err
}

// attached returns the file of a control message. There is room only for one:
// the kernel closes others.
func attached(rights []byte) *os.File {
	list, _ := unix.ParseSocketControlMessage(rights)
	for _, m := range list {
		if fds, err := unix.ParseUnixRights(&m); err == nil && len(fds) > 0 {
			return os.NewFile(uintptr(fds[0]), "display")
		}
	}
	return nil
}

// receiveAnswer waits for a helper process until the deadline.
func receiveAnswer(socket int, deadline time.Time) (a answer, file *os.File, err error) {
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return a, nil, errTimeout
		}
		fds := []unix.PollFd{{Fd: int32(socket), Events: unix.POLLIN}}
		// Rounded up, so that the last millisecond is not a busy loop.
		n, err := unix.Poll(fds, int(left/time.Millisecond)+1)
		if err != nil && err != unix.EINTR {
			return a, nil, os.NewSyscallError("poll", err)
		}
		if err == nil && n > 0 {
			file, err := receive(socket, &a)
			return a, file, err
		}
	}
}
