// Package relay lets a program that has another uid number than its desktop's
// user reach that user's session bus. libdbus tells the bus which uid it has
// (AUTH EXTERNAL), and the bus refuses every other than its own: the one that a
// user namespace shows, and that of another account, alike. A relay runs as the
// bus's user, takes connections of one uid on a socket, connects each to the
// bus and passes bytes and descriptors on untouched, except for that claim,
// which it rewrites when it is the one that is expected.
//
// With nothing to rewrite it carries Wayland, PipeWire, PulseAudio or X to
// another uid where a file system refuses access control lists.
//
// It is no filter and no barrier: who may connect has all the rights of the
// relay's user there, and servers that ask the kernel (SO_PEERCRED, SO_PEERPIDFD,
// SO_PEERSEC) see the relay's process. It does not understand messages. It is
// not for servers that want SCM_CREDENTIALS from their clients.
//
// Sources: D-Bus Specification, "Authentication Protocol"; unix(7); Linux,
// net/unix/af_unix.c.
package relay

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Relay says who is connected to what.
type Relay struct {
	// Listener is a listening stream socket of AF_UNIX. Serve owns it.
	Listener int
	// Bus is the path of the server's socket, or "@" and its abstract name. It
	// is dialled anew for each client: a server that has restarted is found.
	Bus string
	// Peer is the uid, as the relay's user namespace has it, that clients run
	// under. Others are hung up on before anything is dialled.
	Peer int
	// Inside is the uid that clients claim to have, Outside the one that the
	// bus knows. Where they are equal nothing is parsed and nothing rewritten.
	Inside, Outside int
}

// Serve accepts clients until stop is closed, or the listener fails, which is
// the error. Then it hangs up on everybody; when it returns, no descriptor and
// no goroutine of it is left.
func (r *Relay) Serve(stop <-chan struct{}) error {
	// Before NewFile, which asks the poller to wait only for what does not block.
	if err := unix.SetNonblock(r.Listener, true); err != nil {
		unix.Close(r.Listener)
		return os.NewSyscallError("fcntl", err)
	}
	listener := os.NewFile(uintptr(r.Listener), "listener")
	defer listener.Close()
	var clients sync.WaitGroup
	defer clients.Wait()
	ended := make(chan struct{})
	defer close(ended)
	clients.Go(func() {
		select {
		case <-stop:
			listener.Close()
		case <-ended:
		}
	})
	for {
		fd, err := accept(listener)
		switch {
		case err == nil:
			clients.Go(func() { r.client(fd, ended) })
		case err == unix.ECONNABORTED:
		case err == unix.EMFILE, err == unix.ENFILE, err == unix.ENOBUFS, err == unix.ENOMEM:
			// The client waits in the listener's queue until another has gone.
			pause(stop, 100*time.Millisecond)
		default:
			select {
			case <-stop: // the listener is closed
				return nil
			default:
				return os.NewSyscallError("accept4", err)
			}
		}
	}
}

// client serves one client until one side has hung up, or Serve ends.
func (r *Relay) client(fd int, ended <-chan struct{}) {
	client := os.NewFile(uintptr(fd), "client")
	defer client.Close()
	if cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED); err != nil || int(cred.Uid) != r.Peer {
		return
	}
	bus, err := dial(r.Bus, ended)
	if err != nil {
		return
	}
	defer bus.Close()
	up, down := newPipe(client, bus), newPipe(bus, client)
	if r.Inside != r.Outside {
		up.auth = newAuth(r.Inside, r.Outside)
	}
	done := make(chan struct{}, 2)
	var pipes sync.WaitGroup
	defer pipes.Wait()
	for _, p := range []*pipe{up, down} {
		pipes.Go(func() { p.run(); done <- struct{}{} })
	}
	select {
	case <-done:
	case <-ended:
	}
	client.Close() // wakes the other pipe
	bus.Close()
}

// accept waits for a client.
func accept(listener *os.File) (fd int, err error) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return -1, err
	}
	if closed := raw.Read(func(l uintptr) bool {
		fd, _, err = unix.Accept4(int(l), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		return err != unix.EAGAIN
	}); closed != nil {
		return -1, closed
	}
	return fd, err
}

// dial connects to a server. connect(2) of a Unix socket does not say when
// there is room again in the queue of a server that is slow to accept (it is
// EAGAIN, and poll(2) knows nothing of it), so it is tried again.
func dial(to string, ended <-chan struct{}) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	for {
		switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: to}); {
		case err == nil:
			return os.NewFile(uintptr(fd), "bus"), nil
		case err == unix.EAGAIN && pause(ended, 5*time.Millisecond):
		default:
			unix.Close(fd)
			return nil, os.NewSyscallError("connect", err)
		}
	}
}

// pause waits, and says whether it did so to the end.
func pause(stop <-chan struct{}, d time.Duration) bool {
	select {
	case <-stop:
		return false
	case <-time.After(d):
		return true
	}
}
