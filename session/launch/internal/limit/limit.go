// Package limit remembers the caller's open-file limit, which package os raises
// in its initialisation (os/rlimit.go, Go 1.19 and later). This package imports
// only unsafe, so that it is initialised before os: since Go 1.21 packages are
// initialised in the order of their import paths, each as soon as its imports
// are.
package limit

import "unsafe"

//go:linkname rawSyscall6 syscall.RawSyscall6
func rawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)

// Rlimit is struct rlimit64 of prlimit(2).
type Rlimit struct{ Cur, Max uint64 }

// NoFile is the caller's RLIMIT_NOFILE, or zero if it could not be read.
var NoFile = read()

func read() (l Rlimit) {
	const nofile = 7
	rawSyscall6(sysPrlimit64, 0, nofile, 0, uintptr(unsafe.Pointer(&l)), 0, 0)
	return l
}
