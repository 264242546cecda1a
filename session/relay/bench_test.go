package relay

import (
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// connections are made without the relay and with it.
var connections = []struct {
	name string
	pair func(testing.TB) (client, bus *net.UnixConn)
}{
	{"direct", func(t testing.TB) (client, bus *net.UnixConn) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return closeAtEnd(t, newConn(t, pair[0])), closeAtEnd(t, newConn(t, pair[1]))
	}},
	{"relayed", func(t testing.TB) (client, bus *net.UnixConn) { return start(t, plain).pair(t) }},
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, e := range connections {
		b.Run(e.name, func(b *testing.B) {
			client, bus := e.pair(b)
			go io.Copy(struct{ io.Writer }{bus}, struct{ io.Reader }{bus})
			message := make([]byte, 200)
			for b.Loop() {
				if _, err := client.Write(message); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(client, message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkThroughput(b *testing.B) {
	for _, e := range connections {
		b.Run(e.name, func(b *testing.B) {
			client, bus := e.pair(b)
			got := make(chan int64)
			go func() {
				n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{bus}, make([]byte, 1<<16))
				got <- n
			}()
			block := make([]byte, 1<<16)
			b.SetBytes(int64(len(block)))
			sent := int64(0)
			for b.Loop() {
				n, err := client.Write(block)
				if err != nil {
					b.Fatal(err)
				}
				sent += int64(n)
			}
			client.CloseWrite()
			if n := <-got; n != sent {
				b.Fatalf("%d bytes of %d", n, sent)
			}
		})
	}
}
