package helper

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"chrun/desktop/bridge"
	"chrun/session"
	"chrun/session/launch"
	"chrun/session/relay"
)

// serveRelays serves buses until the launch has ended. Its words are the uid that
// clients claim, the one that they have, and where each bus listens; its
// descriptors are the launch's end, chrun's pipe and the listening sockets.
func serveRelays(words []string, env session.Environ) int {
	inside, err1 := strconv.Atoi(words[0])
	peer, err2 := strconv.Atoi(words[1])
	if errors.Join(err1, err2) != nil {
		return 125
	}
	listens := func() bool {
		on, err := unix.GetsockoptInt(firstFile+2, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		return err == nil && on == 1
	}
	if !listens() { // root is not inside yet
		begins := []unix.PollFd{{Fd: firstFile + 1}}
		for _, err := unix.Poll(begins, -1); err == unix.EINTR; {
			_, err = unix.Poll(begins, -1)
		}
		if !listens() {
			return 0
		}
	}
	stop := make(chan struct{})
	var relays sync.WaitGroup
	for i, bus := range words[2:] {
		if bus == opensWord {
			b := &bridge.Server{Listener: firstFile + 2 + i, Peer: peer, Env: env}
			go b.Serve(stop) // what it has started need not end with the launch
			continue
		}
		r := &relay.Relay{Listener: firstFile + 2 + i, Peer: peer, Inside: inside, Outside: os.Getuid()}
		var plain bool
		if r.Bus, plain = strings.CutPrefix(bus, plainWord); plain {
			r.Inside = r.Outside // nothing is rewritten
		}
		relays.Go(func() { r.Serve(stop) })
	}
	launch.WaitEnd(firstFile, firstFile+1, -1, nil)
	close(stop)
	relays.Wait()
	return 0
}

// plainWord marks a server that is not a bus; opensWord is chrun's own server.
const (
	plainWord = "plain:"
	opensWord = "opens"
)
