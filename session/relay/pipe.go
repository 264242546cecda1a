package relay

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxRights is SCM_MAX_FD: the kernel passes no more descriptors at once.
const maxRights = 253

// errTruncated is a message of which descriptors were lost, because this
// process may not have so many: what follows would make no sense.
var errTruncated = errors.New("descriptors were lost")

// pipe is one direction of a connection. It has no buffer beyond what it just
// read: who writes faster than the other side reads has to wait.
type pipe struct {
	from, to syscall.RawConn
	auth     *auth // nil: nothing is rewritten
	data     []byte
	control  []byte
	rights   []int // received, not yet sent
}

func newPipe(src, dst *os.File) *pipe {
	from, _ := src.SyscallConn() // an error is a file that is nil
	to, _ := dst.SyscallConn()
	return &pipe{from: from, to: to, data: make([]byte, 64<<10), control: make([]byte, unix.CmsgSpace(4*maxRights))}
}

// run copies until the source has hung up, or something is wrong with it. Half
// of a connection can end alone: then the destination is told so, or the source
// that nobody reads any more, and the other direction goes on.
func (p *pipe) run() {
	err := p.copy()
	p.drop()
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

// copy copies until the source ends or the destination takes no more. An error
// is a fault of the source.
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
			if p.auth.over {
				p.auth = nil
			}
		}
		if err := p.send(data); err != nil || ended {
			return nil
		}
	}
}

// receive waits for bytes; none is the end.
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

// read reads up to the next byte that has descriptors with it, or from there
// as far as the kernel goes.
//
// The kernel hands descriptors out with the first byte that they were sent
// with, but in one call with bytes that were sent before it. Passed on together,
// they would be found with an earlier message by those who read one message at
// a time: GDBus, sd-bus, PulseAudio. So the place of that byte is found first.
func (p *pipe) read(fd int) (int, error) {
	n, rights, err := peek(fd, p.data)
	switch {
	case err == unix.EFAULT: // a write larger than our buffer; what it has is with its first byte
		n = len(p.data)
	case err != nil || n == 0:
		return 0, err
	case rights: // with the last write; where does it begin?
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

// wall is memory that cannot be written.
var wall = sync.OnceValue(func() []byte {
	page, _ := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	return page
})

// peek returns how much of what waits to be read are whole writes that fit into
// data, up to and with the first that has descriptors, and whether one has:
// the kernel copies write by write, and stops before the one for which it runs
// into the wall (EFAULT when it is the first). There is no room for
// descriptors, so it makes none and says MSG_CTRUNC.
func peek(fd int, data []byte) (n int, rights bool, err error) {
	var control [1]byte
	n, _, flags, _, err := unix.RecvmsgBuffers(fd, [][]byte{data, wall()}, control[:], unix.MSG_PEEK)
	return n, flags&unix.MSG_CTRUNC != 0, err
}

// send writes data, the descriptors with its first byte.
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
		p.drop()
		data = data[n:]
	}
	return nil
}

// drop closes the descriptors that were received.
func (p *pipe) drop() {
	for _, fd := range p.rights {
		unix.Close(fd)
	}
	p.rights = p.rights[:0]
}

func shutdown(c syscall.RawConn, how int) {
	c.Control(func(fd uintptr) { unix.Shutdown(int(fd), how) })
}
