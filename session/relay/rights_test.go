package relay

import (
	"bytes"
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// memfds returns sixteen files, and their indexes by inode.
func memfds(t testing.TB) (fds []int, inodes map[uint64]int) {
	t.Helper()
	inodes = map[uint64]int{}
	for i := range 16 {
		fd, err := unix.MemfdCreate(fmt.Sprint(i), unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			t.Fatal(err)
		}
		fds, inodes[st.Ino] = append(fds, fd), i
	}
	return fds, inodes
}

// message returns the body of message i and the indexes of its descriptors.
func message(i int) (body []byte, kinds []int) {
	n := [...]int{0, 1, 0, 0, 3, 0, 16, 0}[i%8]
	if i%100 == 99 {
		n = maxRights
	}
	for k := range n {
		kinds = append(kinds, (i+k*k)%16)
	}
	size := 1 + i*7919%300
	if i%50 == 0 {
		size = 150000
	}
	return bytes.Repeat([]byte{byte(i)}, size), kinds
}

// Descriptors arrive with the byte that they were sent with, for a reader that
// reads one message at a time, as GDBus and sd-bus do.
func TestRights(t *testing.T) {
	const count = 10000
	for _, r := range []Relay{plain, mapped} {
		files := descriptors(t)
		client, bus := start(t, r).pair(t)
		if r.Inside != r.Outside {
			send(t, client, nul+"BEGIN\r\n")
			receive(t, bus, nul+"BEGIN\r\n")
		}
		fds, inodes := memfds(t)
		for _, direction := range [][2]*net.UnixConn{{client, bus}, {bus, client}} {
			sent := make(chan error, 1)
			go func() { sent <- sendAll(direction[0], count, fds) }()
			for i := range count {
				body, kinds := message(i)
				got, rights := receiveMessage(t, direction[1], len(body), inodes)
				if !bytes.Equal(got, body) || fmt.Sprint(rights) != fmt.Sprint(kinds) {
					t.Fatalf("message %d has %d bytes of %d and descriptors %v, want %v", i, len(got), len(body), rights, kinds)
				}
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
		waitFor(t, "the relay has closed the descriptors", func() bool { return descriptors(t) <= files+len(fds)+10 })
	}
}

func sendAll(to *net.UnixConn, count int, fds []int) error {
	for i := range count {
		body, kinds := message(i)
		var list []int
		for _, k := range kinds {
			list = append(list, fds[k])
		}
		var control []byte
		if list != nil {
			control = unix.UnixRights(list...)
		}
		n, _, err := to.WriteMsgUnix(body, control, nil)
		if err == nil {
			_, err = to.Write(body[n:])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// receiveMessage reads size bytes and the kinds of the descriptors that came with
// the first byte. No other byte may have any.
func receiveMessage(t *testing.T, from *net.UnixConn, size int, inodes map[uint64]int) (body []byte, kinds []int) {
	t.Helper()
	control := make([]byte, unix.CmsgSpace(4*maxRights))
	body = make([]byte, size)
	n, oobn, flags, _, err := from.ReadMsgUnix(body[:1], control)
	if err != nil || n != 1 || flags&unix.MSG_CTRUNC != 0 {
		t.Fatalf("%d bytes, flags %#x, %v", n, flags, err)
	}
	messages, _ := unix.ParseSocketControlMessage(control[:oobn])
	for _, m := range messages {
		rights, err := unix.ParseUnixRights(&m)
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range rights {
			var st unix.Stat_t
			unix.Fstat(fd, &st)
			kind, ok := inodes[st.Ino]
			if !ok {
				t.Fatalf("descriptor of inode %d", st.Ino)
			}
			kinds = append(kinds, kind)
			unix.Close(fd)
		}
	}
	for n := 1; n < size; {
		m, oobn, flags, _, err := from.ReadMsgUnix(body[n:], control)
		if err != nil || oobn != 0 || flags&unix.MSG_CTRUNC != 0 {
			t.Fatalf("descriptors in the middle of a message (%d), or %v", oobn, err)
		}
		n += m
	}
	return body, kinds
}
