// Package early does what makes the start of chrun faster and must happen before
// other packages are initialised. It imports only runtime and unsafe, so that it is
// initialised among the first: since Go 1.21 that is in the order of the import
// paths, each package as soon as its imports are. (See also session/slack.)
package early

import (
	"runtime"
	"unsafe"
)

func init() {
	growStack()
	// Goroutines of chrun hardly ever run side by side, and the Go runtime keeps memory
	// for each processor, whose pages are most of what a launch touches first. One that
	// waits in a system call does not keep the others from running.
	runtime.GOMAXPROCS(1)
	// Nearly all of the code is needed, and half of the data is written to: a system
	// call for all pages is faster than a fault for each 16 of code and each of others.
	populate(code, populateRead)
	populate(data, populateWrite)
	// The stack is the newest piece of the heap, which grows upwards. A launch needs more.
	stack := uintptr(unsafe.Pointer(new(int)))
	populate(section{stack, stack + 384<<10}, populateWrite)
}

// growStack lets the main goroutine have all the stack that a launch needs. Growing
// step by step, each size takes another piece of memory, and all of that is touched.
func growStack()

// section is a part of the program in memory.
type section struct{ start, end uintptr }

// code and data are filled in by the linker.
var code, data section

// MADV_POPULATE_READ and MADV_POPULATE_WRITE, of Linux 5.14.
const populateRead, populateWrite = 22, 23

// populate lets a section have all its pages. If it cannot, they come one by one.
func populate(s section, advice uintptr) {
	const page = 4096 // if pages are larger, the call can fail
	start := s.start &^ (page - 1)
	rawSyscall6(sysMadvise, start, s.end-start, advice, 0, 0, 0)
}

//go:linkname rawSyscall6 syscall.RawSyscall6
func rawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)
