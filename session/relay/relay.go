// Package relay connects a program to the session bus of a desktop user with
// another uid. libdbus tells the bus its uid (AUTH EXTERNAL), and the bus refuses
// every uid except its own, whether it comes from a user namespace or from another
// account. A relay runs as the user of the bus. It accepts clients with one uid
// and connects each to the bus. It passes bytes and descriptors on unchanged,
// except the expected uid in AUTH EXTERNAL, which it replaces.
//
// Without that replacement it also serves Wayland, PipeWire, PulseAudio and X11,
// where a file system does not support access control lists.
//
// It is not a security boundary: a client has all the rights of the relay's user
// on that bus, and servers that ask the kernel (SO_PEERCRED, SO_PEERPIDFD,
// SO_PEERSEC) see the relay's process. It does not parse messages. It does not
// work for servers that require SCM_CREDENTIALS.
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

// Relay connects clients to one server.
type Relay struct {
	// Listener is a listening stream socket of AF_UNIX. Serve owns it.
	Listener int
	// Bus is the path of the server's socket, or "@" and its abstract name. Each
	// client gets a new connection, so a server may restart.
	Bus string
	// Peer is the uid of clients, as seen in the relay's user namespace. Other
	// clients are disconnected before the server is dialled.
	Peer int
	// Inside is the uid that clients claim, Outside the one that the bus expects.
	// If they are equal, nothing is parsed or replaced.
	Inside, Outside int
}

// Serve accepts clients until stop is closed or the listener fails; only the
// latter is an error. Before it returns it disconnects all clients, closes its
// descriptors and waits for its goroutines.
func (r *Relay) Serve(stop <-chan struct{}) error {
	// Before NewFile, which uses the poller only for nonblocking descriptors.
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
			clients.Go(func() { r.serveClient(fd, ended) })
		case err == unix.ECONNABORTED:
		case err == unix.EMFILE, err == unix.ENFILE, err == unix.ENOBUFS, err == unix.ENOMEM:
			// The client waits in the listener's queue until another has left.
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

// serveClient serves one client until one side has disconnected, or Serve ends.
func (r *Relay) serveClient(fd int, ended <-chan struct{}) {
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

// dial connects to a server. While the server's queue is full, connect(2) fails
// with EAGAIN and poll(2) does not help, so it retries.
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

// pause waits for d and reports whether stop stayed open.
func pause(stop <-chan struct{}, d time.Duration) bool {
	select {
	case <-stop:
		return false
	case <-time.After(d):
		return true
	}
}
