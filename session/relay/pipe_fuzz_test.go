package relay

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A pipe without a bus passes on all bytes, in whatever pieces they come, and with
// each descriptor once.
func FuzzPipe(f *testing.F) {
	f.Add([]byte("hello"), uint8(2), uint8(1))
	f.Add(bytes.Repeat([]byte("0123456789"), 20000), uint8(200), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, size, every uint8) {
		pair := func() (a, b *os.File) {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			return os.NewFile(uintptr(fds[0]), "a"), os.NewFile(uintptr(fds[1]), "b")
		}
		client, from := pair()
		to, server := pair()
		defer server.Close()
		server.SetDeadline(time.Now().Add(20 * time.Second))
		go func() {
			newPipe(from, to).run()
			from.Close()
			to.Close()
		}()
		sent := make(chan int)
		go func() { sent <- sendPieces(client, data, max(int(size)+1, len(data)/500), int(every)+1) }()
		got, received := receiveAll(t, server)
		if !bytes.Equal(got, data) {
			t.Errorf("%d bytes became %d", len(data), len(got))
		}
		if n := <-sent; received != n {
			t.Errorf("%d descriptors became %d", n, received)
		}
	})
}

// sendPieces sends a descriptor with every so many pieces, and returns how many.
func sendPieces(to *os.File, data []byte, size, every int) (rights int) {
	defer to.Close()
	conn, _ := to.SyscallConn()
	for i := 0; len(data) > 0; i++ {
		var control []byte
		if i%every == 0 && rights < 50 {
			control = unix.UnixRights(0)
			rights++
		}
		piece := data[:min(size, len(data))]
		var n int
		var err error
		conn.Write(func(fd uintptr) bool {
			n, err = unix.SendmsgN(int(fd), piece, control, nil, unix.MSG_NOSIGNAL)
			return err != unix.EAGAIN
		})
		if err != nil {
			return rights
		}
		data = data[n:]
	}
	return rights
}

func receiveAll(t *testing.T, from *os.File) (data []byte, rights int) {
	conn, _ := from.SyscallConn()
	buf, control := make([]byte, 64<<10), make([]byte, 4096)
	for {
		var n, size int
		var err error
		if failed := conn.Read(func(fd uintptr) bool {
			n, size, _, _, err = unix.Recvmsg(int(fd), buf, control, unix.MSG_CMSG_CLOEXEC)
			return err != unix.EAGAIN
		}); failed != nil {
			t.Fatal(failed)
		}
		if err == io.EOF || err != nil || n == 0 {
			return data, rights
		}
		messages, _ := unix.ParseSocketControlMessage(control[:size])
		for _, m := range messages {
			fds, _ := unix.ParseUnixRights(&m)
			for _, fd := range fds {
				unix.Close(fd)
				rights++
			}
		}
		data = append(data, buf[:n]...)
	}
}
