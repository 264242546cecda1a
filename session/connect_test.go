package session

import (
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fullServer listens at name with a queue of one connection that is full.
func fullServer(t *testing.T) (name string, listener int) {
	name = filepath.Join(t.TempDir(), "s")
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(listener) })
	if err := errors.Join(unix.Bind(listener, &unix.SockaddrUnix{Name: name}), unix.Listen(listener, 0)); err != nil {
		t.Fatal(err)
	}
	fd, err := Connect(name, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return name, listener
}

// connectWithSignals connects while the thread gets signals, as the Go runtime
// sends them to preempt it, and calls then after some.
func connectWithSignals(name string, limit time.Duration, then func()) (fd int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	end, ended, tid := make(chan bool), make(chan bool), unix.Gettid()
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)
			if i == 100 {
				then()
			}
			select {
			case <-end:
				return
			case <-time.After(100 * time.Microsecond):
			}
		}
	}()
	fd, err = Connect(name, time.Now().Add(limit))
	close(end)
	<-ended
	return fd, err
}

func TestConnectFullQueue(t *testing.T) {
	name, _ := fullServer(t)
	const limit = 50 * time.Millisecond
	begin := time.Now()
	_, err := connectWithSignals(name, limit, func() {})
	if took := time.Since(begin); !errors.Is(err, unix.EAGAIN) || took < limit || took > limit+5*time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

func TestConnectLateAccept(t *testing.T) {
	name, listener := fullServer(t)
	fd, err := connectWithSignals(name, time.Minute, func() {
		if first, _, err := unix.Accept(listener); err == nil {
			unix.Close(first)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	second, _, err := unix.Accept(listener)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(second)
}

func TestConnectNobody(t *testing.T) {
	if fd, err := Connect(filepath.Join(t.TempDir(), "s"), time.Now().Add(time.Minute)); fd != -1 || !errors.Is(err, unix.ENOENT) {
		t.Error(fd, err)
	}
}
