// Package slack keeps the thread with which the Go runtime watches the others from
// waking up 60 times in a launch. Where it shares their processor, it interrupts
// them as often.
//
// If the program is linked with -E chrun/session/slack.entry, it begins there and lets
// its timers be late by a millisecond before the runtime starts. The main thread gets
// the caller's timer slack (prctl(2), PR_SET_TIMERSLACK, Linux 2.6.28) back before
// other packages are initialised, and the main goroutine stays on it: a program
// inherits the slack of the thread that starts it. Otherwise nothing is changed.
//
// This package imports only runtime and unsafe, so that it is initialised before os:
// since Go 1.21 packages are initialised in the order of their import paths, each as
// soon as its imports are.
package slack

import (
	"runtime"
	_ "unsafe" // for go:linkname
)

func entry()

// callers is the caller's timer slack, in ns, if the program began at entry.
var callers uintptr

func init() {
	if callers != 0 {
		runtime.LockOSThread()
		Restore()
	}
}

// Restore gives the calling thread the caller's timer slack. A goroutine that starts
// a program and may not be the main one calls it after runtime.LockOSThread.
func Restore() {
	const setTimerSlack = 29
	if callers != 0 {
		rawSyscall6(sysPrctl, setTimerSlack, callers, 0, 0, 0, 0)
	}
}

//go:linkname rawSyscall6 syscall.RawSyscall6
func rawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)
