// Package start makes the start of chrun faster. It works only if the program is
// linked with -E chrun/session/start.entry, as in the Makefile: then the program begins
// there, before the Go runtime. Otherwise nothing is changed.
//
// This package imports little, so that it is initialised among the first: since Go
// 1.21 that is in the order of the import paths, each package as soon as its imports are.
package start

import (
	"runtime"
	"syscall"
	"unsafe"

	_ "chrun/session/start/early"
)

// entry changes these things before the Go runtime starts:
//
//   - Code and data get all their pages (madvise(2), Linux 5.14). A page fault brings 16
//     pages of code or one of data, and a launch would have nearly all of these faults.
//     So do the runtime's variables in .bss, which are at its beginning and around the
//     end of its part with pointers.
//   - The runtime makes no memory profile, for which it would take a stack trace at once.
//   - GOMAXPROCS=1 is the first variable of the environment. Goroutines of chrun hardly
//     ever run side by side, and the runtime keeps memory and threads for each processor.
//   - Timers of the runtime's own threads may be late (prctl(2), PR_SET_TIMERSLACK).
//     Otherwise the thread that watches the others wakes up some 60 times in a launch,
//     and interrupts them as often where it shares their processor; where many start at
//     once that is a seventh of the time. What that thread does here is to let another
//     goroutine run while one waits in a system call. That may take 0.1 s, because no
//     launch depends on it. A helper process does when it begins to serve: its timers
//     are late by 1 ms.
//   - The limit of open files is 3, up to the initialisation of package early. Otherwise
//     the runtime would read all mounts, to find its cgroup, which limits the processors,
//     and the size of a huge page.
//
//lint:ignore U1000 the linker uses it
func entry()

var (
	// environment is where the caller's environment begins: pointers to C strings, up to
	// nil. It is nil if the program did not begin at entry.
	environment unsafe.Pointer
	// slack is the caller's timer slack, in ns. It is 0 if it was not changed: where the
	// call is refused, and where the thread has none, as with a real-time policy.
	slack uintptr
	//lint:ignore U1000 the assembly uses it
	memProfileRate = &runtime.MemProfileRate
)

func init() {
	if environment == nil {
		return
	}
	RestoreSlack() // most of what is started before LockOSThread is called has it, too
	restoreEnvironment()
	// The heap grows upwards, and little of it is above the stack yet. A launch needs more of it.
	const page, populateWrite = 4096, 23 // MADV_POPULATE_WRITE; if pages are larger, it can fail
	stack := uintptr(unsafe.Pointer(new(int))) &^ (page - 1)
	syscall.RawSyscall(syscall.SYS_MADVISE, stack, 256<<10, populateWrite)
}

// restoreEnvironment removes the variable that entry has added, which hides the caller's.
func restoreEnvironment() {
	const name, prefix = "GOMAXPROCS", "GOMAXPROCS="
	syscall.Unsetenv(name)
	for p := (**byte)(environment); *p != nil; p = (**byte)(unsafe.Add(unsafe.Pointer(p), unsafe.Sizeof(p))) {
		if s := goString(*p); len(s) >= len(prefix) && s[:len(prefix)] == prefix {
			syscall.Setenv(name, s[len(prefix):])
			return
		}
	}
}

// goString returns a C string, without copying it.
func goString(p *byte) string {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return unsafe.String(p, n)
}

// LockOSThread is runtime.LockOSThread, and gives the thread the caller's timer slack:
// a program inherits that of the thread that starts it. The first call makes the
// runtime start one more thread, so that what starts no program is faster without.
func LockOSThread() {
	runtime.LockOSThread()
	RestoreSlack()
}

// RestoreSlack gives this thread the caller's timer slack.
//
//go:nosplit
//go:norace
func RestoreSlack() {
	const setTimerSlack = 29 // PR_SET_TIMERSLACK
	if slack != 0 {
		syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, slack, 0)
	}
}
