// Package limit remembers the caller's open-file limit before the Go runtime
// raises it. Package os does that in its initialisation (os/rlimit.go, Go 1.19
// and later); this package imports nothing but unsafe, so that it is
// initialised earlier (Go 1.21: packages are initialised in the order of their
// import paths as soon as what they import is).
package limit

import "unsafe"

//go:linkname rawSyscall6 syscall.RawSyscall6
func rawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)

// Rlimit is struct rlimit64 of prlimit(2).
type Rlimit struct{ Cur, Max uint64 }

// NoFile is RLIMIT_NOFILE as the caller had it; zero if it could not be read.
var NoFile = read()

func read() (l Rlimit) {
	const nofile = 7
	rawSyscall6(sysPrlimit64, 0, nofile, 0, uintptr(unsafe.Pointer(&l)), 0, 0)
	return l
}
