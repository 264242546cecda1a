package relay

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxRights is SCM_MAX_FD, the most descriptors that one message can have.
const maxRights = 253

// errTruncated means that this process could not receive all descriptors of a
// message, so the rest of the stream would not make sense.
var errTruncated = errors.New("descriptors were lost")

// pipe is one direction of a connection. It reads only after it has written, so a
// fast writer waits for a slow reader.
type pipe struct {
	from, to syscall.RawConn
	auth     *auth // nil: nothing is rewritten
	data     []byte
	control  []byte
	rights   []int // received and not yet sent
}

func newPipe(src, dst *os.File) *pipe {
	from, _ := src.SyscallConn() // fails only for a nil file
	to, _ := dst.SyscallConn()
	return &pipe{from: from, to: to, data: make([]byte, 64<<10), control: make([]byte, unix.CmsgSpace(4*maxRights))}
}

// run copies until the source has disconnected or failed. If only this direction
// ends, it shuts that down on both sides, and the other direction continues.
func (p *pipe) run() {
	err := p.copy()
	p.closeRights()
	if err != nil {
		return
	}
	shutdown(p.to, unix.SHUT_WR)
	shutdown(p.from, unix.SHUT_RD)
	p.from.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd)}}
		_, err := unix.Poll(poll, 0)
		return err == nil && poll[0].Revents&unix.POLLHUP != 0
	})
}

// copy copies until the source ends or the destination accepts no more. It returns
// only errors of the source.
func (p *pipe) copy() error {
	for {
		n, err := p.receive()
		if err == errTruncated {
			return err
		}
		ended := err != nil || n == 0
		data := p.data[:n]
		if p.auth != nil {
			if ended {
				data = p.auth.rest()
			} else if data, err = p.auth.rewrite(data); err != nil {
				return err
			}
			if p.auth.done {
				p.auth = nil
			}
		}
		if err := p.send(data); err != nil || ended {
			return nil
		}
	}
}

// receive waits for bytes; 0 bytes mean the end.
func (p *pipe) receive() (n int, err error) {
	closed := p.from.Read(func(fd uintptr) bool {
		n, err = p.read(int(fd))
		return err != unix.EAGAIN
	})
	if closed != nil {
		err = closed
	}
	return n, err
}

// read reads up to the next byte that has descriptors, or from that byte as far as
// the kernel returns data.
//
// recvmsg(2) returns descriptors together with bytes that were sent before them.
// If both were passed on in one write, programs that read one message at a time
// (GDBus, sd-bus, PulseAudio) would get the descriptors with an earlier message.
// So the position of that byte is found first.
func (p *pipe) read(fd int) (int, error) {
	n, rights, err := peek(fd, p.data)
	switch {
	case err == unix.EFAULT: // a write larger than our buffer; descriptors are at its first byte
		n = len(p.data)
	case err != nil || n == 0:
		return 0, err
	case rights: // the last write has them: find where it begins
		if before, _, _ := peek(fd, p.data[:n-1]); before > 0 {
			n = before
		}
	}
	n, oobn, flags, _, err := unix.Recvmsg(fd, p.data[:n], p.control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(p.control[:oobn])
	for _, m := range messages {
		if rights, err := unix.ParseUnixRights(&m); err == nil {
			p.rights = append(p.rights, rights...)
		}
	}
	if err != nil || flags&unix.MSG_CTRUNC != 0 {
		return 0, errTruncated
	}
	return n, nil
}

// unwritable is memory that cannot be written.
var unwritable = sync.OnceValue(func() []byte {
	page, _ := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	return page
})

// peek returns the size of the waiting writes that fit into data as a whole, up to
// and including the first with descriptors, and whether one has descriptors. The
// kernel copies write by write and stops before the one that would reach the
// unwritable memory (EFAULT if it is the first). Without room for descriptors it
// creates none and sets MSG_CTRUNC.
func peek(fd int, data []byte) (n int, rights bool, err error) {
	var control [1]byte
	n, _, flags, _, err := unix.RecvmsgBuffers(fd, [][]byte{data, unwritable()}, control[:], unix.MSG_PEEK)
	return n, flags&unix.MSG_CTRUNC != 0, err
}

// send writes data, with the descriptors at its first byte.
func (p *pipe) send(data []byte) (err error) {
	for len(data) > 0 {
		var control []byte
		if len(p.rights) > 0 {
			control = unix.UnixRights(p.rights...)
		}
		var n int
		closed := p.to.Write(func(fd uintptr) bool {
			n, err = unix.SendmsgN(int(fd), data, control, nil, unix.MSG_NOSIGNAL)
			return err != unix.EAGAIN
		})
		if closed != nil {
			return closed
		}
		if err != nil {
			return err
		}
		p.closeRights()
		data = data[n:]
	}
	return nil
}

// closeRights closes the received descriptors.
func (p *pipe) closeRights() {
	for _, fd := range p.rights {
		unix.Close(fd)
	}
	p.rights = p.rights[:0]
}

func shutdown(c syscall.RawConn, how int) {
	c.Control(func(fd uintptr) { unix.Shutdown(int(fd), how) })
}
