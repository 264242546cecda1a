package main

import "syscall"

var ways = []way{
	{"native", number(16)},
	{"x32", number(0x40000000 + 514)},       // __X32_SYSCALL_BIT
	{"x32-native", number(0x40000000 + 16)}, // before Linux 5.4
	{"compat", number(514)},                 // before Linux 5.4
	{"i386", func(request, pointer uintptr) syscall.Errno {
		return syscall.Errno(-int32(int80(54, 0, request, pointer)))
	}},
}

// int80 makes a system call of 32-bit programs.
func int80(nr, a, b, c uintptr) uintptr
