package trees

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// The Go runtime interrupts threads with signals. create said that chrunctl had ended.
func TestIsHungUp(t *testing.T) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread, stop, stopped := unix.Gettid(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				unix.Tgkill(unix.Getpid(), thread, unix.SIGURG)
			}
		}
	}()
	for i := range 50_000 {
		if isHungUp(pipe[0]) {
			t.Errorf("call %d: the other end seems to be closed", i)
			break
		}
	}
	close(stop)
	<-stopped
	unix.Close(pipe[1])
	if !isHungUp(pipe[0]) {
		t.Error("the other end seems to be open")
	}
}
