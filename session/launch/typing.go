package launch

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A program that root has started has root's terminal. By TIOCSTI it could type
// commands there, which root's shell would execute, and by TIOCLINUX paste them on
// a console (tty_ioctl(4), ioctl_console(2)). So a seccomp filter refuses both
// requests with EPERM, as the kernel itself does where they need privileges. The
// switch dev.tty.legacy_tiocsti exists from Linux 6.2 on, and is on in many kernels.
//
// Root loads the filter without no_new_privs, which would disable sudo inside.

// callTable is one of the tables of system calls of a machine.
type callTable struct {
	arch    uint32   // AUDIT_ARCH_* in <linux/audit.h>
	variant uint32   // a bit of the number that only selects a variant of the table
	ioctl   []uint32 // the numbers of ioctl(2)
}

// callTables returns them by GOARCH. Before Linux 5.4, both numbers of amd64 worked with and
// without the bit of x32 (arch/x86/entry/syscalls/syscall_64.tbl).
func callTables() map[string][]callTable {
	return map[string][]callTable{
		"amd64": {{unix.AUDIT_ARCH_X86_64, 0x40000000, []uint32{16, 514}}, {unix.AUDIT_ARCH_I386, 0, []uint32{54}}},
		"arm64": {{unix.AUDIT_ARCH_AARCH64, 0, []uint32{29}}, {unix.AUDIT_ARCH_ARM, 0, []uint32{54}}},
	}
}

const tioclinux = 0x541c // <asm-generic/ioctls.h>

// typingFilter returns the filter. Only ioctl(2) makes it look at an argument: for
// all other calls the kernel knows in advance that they are allowed (Linux 5.11).
func typingFilter(tables []callTable) (f []unix.SockFilter) {
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		and   = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
		ret   = unix.BPF_RET | unix.BPF_K
	)
	// struct seccomp_data in <linux/seccomp.h>. The request is an unsigned int, the
	// low half of the second argument on these little-endian machines.
	const number, arch, request = 0, 4, 24
	allow := unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW}
	isRequest := []unix.SockFilter{
		{Code: load, K: request},
		{Code: equal, K: unix.TIOCSTI, Jt: 2},
		{Code: equal, K: tioclinux, Jt: 1},
		allow,
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
	}
	f = append(f, unix.SockFilter{Code: load, K: arch})
	for _, t := range tables {
		isCall := []unix.SockFilter{{Code: load, K: number}, {Code: and, K: ^t.variant}}
		for i, nr := range t.ioctl {
			isCall = append(isCall, unix.SockFilter{Code: equal, K: nr, Jt: uint8(len(t.ioctl) - i)})
		}
		block := append(append(isCall, allow), isRequest...)
		f = append(append(f, unix.SockFilter{Code: equal, K: t.arch, Jf: uint8(len(block))}), block...)
	}
	return append(f, allow) // the kernel has no other tables
}

// typingProgram returns the arguments of seccomp(2). SPEC_ALLOW keeps kernels before
// 5.16 from slowing the program down (Linux, Documentation/admin-guide/hw-vuln/spectre.rst).
func typingProgram() (args [3]uintptr, prog *unix.SockFprog) {
	filter := typingFilter(callTables()[runtime.GOARCH])
	prog = &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return [3]uintptr{unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, uintptr(unsafe.Pointer(prog))}, prog
}

// RefuseTyping keeps this thread and all that it executes from typing into its
// terminal. It requires CAP_SYS_ADMIN. The calling goroutine must be locked to its
// thread.
func RefuseTyping() error {
	args, prog := typingProgram()
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, args[0], args[1], args[2])
	runtime.KeepAlive(prog)
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}

// refuseTyping is RefuseTyping for the program.
func (c *compiled) refuseTyping() {
	args, prog := typingProgram()
	c.keep = append(c.keep, prog)
	c.add("keep the program from typing into root's terminal", unix.SYS_SECCOMP, word(args[0]), word(args[1]), word(args[2]))
}
