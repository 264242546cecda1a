// Package early is initialised before all packages but the Go runtime's: it imports only
// unsafe, and since Go 1.21 packages are initialised in the order of their import paths,
// each as soon as its imports are. No other that imports nothing has an earlier path.
//
// It keeps the caller's open-file limit, which package syscall raises in its
// initialisation (syscall/rlimit.go, Go 1.19 and later), and gives it back if package
// start has lowered it. In that case it also makes the stack of the main goroutine larger.
package early

import "unsafe"

//go:linkname rawSyscall6 syscall.RawSyscall6
func rawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)

// Rlimit is struct rlimit64 of prlimit(2).
type Rlimit struct{ Cur, Max uint64 }

var (
	// NoFile is the caller's RLIMIT_NOFILE, or zero if it could not be read.
	NoFile Rlimit
	// low is what start.entry sets meanwhile, with the caller's hard limit. 3 lets the
	// runtime open /dev/null in place of a standard file that is closed.
	//
	//lint:ignore U1000 the assembly of package start uses it
	low = Rlimit{Cur: 3}
)

func init() {
	const nofile = 7
	caller := uintptr(unsafe.Pointer(&NoFile))
	if NoFile.Max != 0 { // start.entry has read it
		rawSyscall6(sysPrlimit64, 0, nofile, caller, 0, 0, 0)
		growStack()
	} else {
		rawSyscall6(sysPrlimit64, 0, nofile, 0, caller, 0, 0)
	}
}

// growStack lets the main goroutine have all the stack that a launch needs. Growing
// step by step, each size takes another piece of memory, and all of that is touched.
// The first time is the slowest: the runtime looks for each function that is on the
// stack in tables that nothing has read yet. Here they are five, and later twice as many.
func growStack()
