#include "textflag.h"

// func clone3(args unsafe.Pointer, size uintptr) (pid uintptr, errno syscall.Errno)
TEXT ·clone3(SB),NOSPLIT,$0-32
	MOVD	args+0(FP), R0
	MOVD	size+8(FP), R1
	MOVD	$435, R8 // clone3
	SVC
	CBZ	R0, child
	CMN	$4095, R0
	BCC	ok
	NEG	R0, R0
	MOVD	ZR, pid+16(FP)
	MOVD	R0, errno+24(FP)
	RET
ok:
	MOVD	R0, pid+16(FP)
	MOVD	ZR, errno+24(FP)
	RET
child: // runs on the stack that args names
	BL	·childMain(SB)
	BRK
