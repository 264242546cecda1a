#include "textflag.h"

// func clone3(args unsafe.Pointer, size uintptr) (pid uintptr, errno syscall.Errno)
TEXT ·clone3(SB),NOSPLIT,$0-32
	MOVQ	args+0(FP), DI
	MOVQ	size+8(FP), SI
	MOVQ	$435, AX // clone3
	SYSCALL
	TESTQ	AX, AX
	JZ	child
	CMPQ	AX, $-4095
	JCC	error
	MOVQ	AX, pid+16(FP)
	MOVQ	$0, errno+24(FP)
	RET
error:
	NEGQ	AX
	MOVQ	$0, pid+16(FP)
	MOVQ	AX, errno+24(FP)
	RET
child: // runs on the stack that args names
	CALL	·childMain(SB)
	INT	$3
