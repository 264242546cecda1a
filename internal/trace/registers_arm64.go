package trace

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	generalRegisters = 1     // NT_PRSTATUS
	callRegister     = 0x404 // NT_ARM_SYSTEM_CALL
)

// skipCall keeps the kernel from making the call that a thread is about to make.
func skipCall(tid int) {
	none := int32(-1)
	set := unix.Iovec{Base: (*byte)(unsafe.Pointer(&none)), Len: uint64(unsafe.Sizeof(none))}
	unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SETREGSET, uintptr(tid), callRegister, uintptr(unsafe.Pointer(&set)), 0, 0)
}

func setResult(tid int, errno syscall.Errno) { setFirstArgument(tid, -uint64(errno)) }

// setFirstArgument sets the register that also holds the result.
func setFirstArgument(tid int, value uint64) {
	var r unix.PtraceRegsArm64
	if unix.PtraceGetRegSetArm64(tid, generalRegisters, &r) == nil {
		r.Regs[0] = value
		unix.PtraceSetRegSetArm64(tid, generalRegisters, &r)
	}
}
