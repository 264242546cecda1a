#include "textflag.h"

TEXT ·entry(SB),NOSPLIT|NOFRAME,$0
	MOVD	$233, R8 // madvise
	MOVD	$runtime·text(SB), R0
	AND	$~4095, R0
	MOVD	$runtime·etext(SB), R1
	SUB	R0, R1
	MOVD	$22, R2 // MADV_POPULATE_READ
	SVC
	MOVD	$233, R8
	MOVD	$runtime·noptrdata(SB), R0
	AND	$~4095, R0
	MOVD	$runtime·edata(SB), R1
	ADD	$20480, R1
	SUB	R0, R1
	MOVD	$23, R2 // MADV_POPULATE_WRITE
	SVC
	MOVD	$233, R8
	MOVD	$runtime·ebss(SB), R0
	SUB	$28672, R0
	AND	$~4095, R0
	MOVD	$49152, R1
	MOVD	$23, R2
	SVC
	MOVD	·memProfileRate(SB), R0
	MOVD	ZR, (R0)

	MOVD	$167, R8 // prctl
	MOVD	$30, R0 // PR_GET_TIMERSLACK
	SVC
	CMP	$0, R0
	BLE	files // refused, or a real-time policy
	MOVD	R0, ·slack(SB)
	MOVD	$50000000, R1 // ns
	MOVD	8(RSP), R0 // argv[0], nil without arguments
	CBZ	R0, set
	MOVD	(R0), R0
	MOVD	·helper(SB), R2
	CMP	R0, R2
	BNE	set
	MOVD	$1000000, R1
set:
	MOVD	$167, R8
	MOVD	$29, R0 // PR_SET_TIMERSLACK
	SVC
files:
	MOVD	$261, R8 // prlimit64
	MOVD	ZR, R0
	MOVD	$7, R1 // RLIMIT_NOFILE
	MOVD	ZR, R2
	MOVD	$chrun∕session∕start∕early·NoFile(SB), R3
	SVC
	MOVD	$chrun∕session∕start∕early·low(SB), R2
	MOVD	$chrun∕session∕start∕early·NoFile(SB), R3
	MOVD	8(R3), R0 // the hard limit
	MOVD	R0, 8(R2)
	MOVD	ZR, R0 // R1 and R8 are the same
	MOVD	ZR, R3
	SVC

	MOVD	0(RSP), R0 // argc
	ADD	$2, R0 // with argc itself, and the nil after argv
	MOVD	RSP, R1
	SUB	$16, R1, R2
	MOVD	R2, RSP
move:
	MOVD.P	8(R1), R3
	MOVD.P	R3, 8(R2)
	SUBS	$1, R0
	BNE	move
	MOVD	$·oneProcessor(SB), R3
	MOVD	R3, 0(R2)
	MOVD	R3, 8(R2)
	ADD	$16, R2
	MOVD	R2, ·environment(SB)
	JMP	_rt0_arm64_linux(SB)
