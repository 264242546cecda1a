package main

import (
	"runtime/debug"
	"syscall"
)

var ways = []way{
	{"native", number(16)},
	{"x32", number(0x40000000 + 514)},       // __X32_SYSCALL_BIT
	{"x32-native", number(0x40000000 + 16)}, // before Linux 5.4
	{"compat", number(514)},                 // before Linux 5.4
	{"i386", i386},
}

// i386 is ioctl(2) as 32-bit programs call it. Where the host of a virtual machine has
// no such calls, the instruction faults, which is as good as refused.
func i386(request, pointer uintptr) (errno syscall.Errno) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			errno = syscall.EPERM
		}
	}()
	return syscall.Errno(-int32(int80(54, 0, request, pointer)))
}

// int80 makes a system call of 32-bit programs.
func int80(nr, a, b, c uintptr) uintptr
