// Package start makes the start of chrun faster. It works only if the program is
// linked with -E chrun/session/start.entry, as in the Makefile: then the program begins
// there, before the Go runtime. Otherwise nothing is changed.
//
// This package imports only runtime and unsafe, so that it is initialised among the
// first: since Go 1.21 that is in the order of the import paths, each package as soon
// as its imports are.
package start

import (
	"runtime"
	"unsafe"
)

// entry lets code, constants and data have all their pages (madvise(2), Linux 5.14),
// since nearly all are needed: two system calls are faster than a page fault for each
// 16 pages of code and each page of data.
//
// It also lets timers be late by a millisecond (prctl(2), PR_SET_TIMERSLACK). Otherwise
// the thread with which the runtime watches the others wakes up 60 times in a launch,
// and interrupts them as often where it shares their processor.
//
//lint:ignore U1000 the linker uses it
func entry()

// slack is the caller's timer slack, in ns, if the program began at entry.
var slack uintptr

func init() {
	if slack == 0 {
		return
	}
	restoreSlack() // most of what is started before LockOSThread is called has it, too
	growStack()
	// Goroutines of chrun hardly ever run side by side, and the runtime keeps memory
	// for each processor, whose pages are most of what a launch touches first. One that
	// waits in a system call does not keep the others from running.
	runtime.GOMAXPROCS(1)
	// The stack is the newest piece of the heap, which grows upwards. A launch needs more.
	const page, populateWrite = 4096, 23 // MADV_POPULATE_WRITE; if pages are larger, it can fail
	stack := uintptr(unsafe.Pointer(new(int))) &^ (page - 1)
	rawSyscall6(sysMadvise, stack, 256<<10, populateWrite, 0, 0, 0)
}

// LockOSThread is runtime.LockOSThread, and gives the thread the caller's timer slack:
// a program inherits that of the thread that starts it. The first call makes the
// runtime start one more thread, so that what starts no program is faster without.
func LockOSThread() {
	runtime.LockOSThread()
	restoreSlack()
}

func restoreSlack() {
	const setTimerSlack = 29 // PR_SET_TIMERSLACK
	if slack != 0 {
		rawSyscall6(sysPrctl, setTimerSlack, slack, 0, 0, 0, 0)
	}
}

// growStack lets the main goroutine have all the stack that a launch needs. Growing
// step by step, each size takes another piece of memory, and all of that is touched.
func growStack()

//go:linkname rawSyscall6 syscall.RawSyscall6
func rawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)
