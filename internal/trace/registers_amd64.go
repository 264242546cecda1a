package trace

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// skipCall keeps the kernel from making the call that a thread is about to make.
func skipCall(tid int) { change(tid, func(r *unix.PtraceRegs) { r.Orig_rax = ^uint64(0) }) }

func setResult(tid int, errno syscall.Errno) {
	change(tid, func(r *unix.PtraceRegs) { r.Rax = -uint64(errno) })
}

func setFirstArgument(tid int, value uint64) {
	change(tid, func(r *unix.PtraceRegs) { r.Rdi = value })
}

func change(tid int, do func(r *unix.PtraceRegs)) {
	var r unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &r) == nil {
		do(&r)
		unix.PtraceSetRegs(tid, &r)
	}
}
