#include "textflag.h"

TEXT ·entry(SB),NOSPLIT|NOFRAME,$0
	MOVQ	$28, AX // madvise
	LEAQ	runtime·text(SB), DI
	ANDQ	$~4095, DI
	LEAQ	runtime·etext(SB), SI
	SUBQ	DI, SI
	MOVQ	$22, DX // MADV_POPULATE_READ
	SYSCALL
	MOVQ	$28, AX
	LEAQ	runtime·noptrdata(SB), DI
	ANDQ	$~4095, DI
	LEAQ	runtime·edata+20480(SB), SI
	SUBQ	DI, SI
	MOVQ	$23, DX // MADV_POPULATE_WRITE
	SYSCALL
	MOVQ	$28, AX
	LEAQ	runtime·ebss-28672(SB), DI
	ANDQ	$~4095, DI
	MOVQ	$49152, SI
	MOVQ	$23, DX
	SYSCALL
	MOVQ	·memProfileRate(SB), AX
	MOVQ	$0, (AX)

	MOVQ	$157, AX // prctl
	MOVQ	$30, DI // PR_GET_TIMERSLACK
	SYSCALL
	TESTQ	AX, AX
	JLE	files // refused, or a real-time policy
	MOVQ	AX, ·slack(SB)
	MOVQ	$50000000, SI // ns
	MOVQ	8(SP), AX // argv[0], nil without arguments
	TESTQ	AX, AX
	JZ	set
	MOVQ	·helper(SB), CX
	CMPQ	CX, (AX)
	JNE	set
	MOVQ	$1000000, SI
set:
	MOVQ	$157, AX
	MOVQ	$29, DI // PR_SET_TIMERSLACK
	SYSCALL
files:
	MOVQ	$302, AX // prlimit64
	XORL	DI, DI
	MOVQ	$7, SI // RLIMIT_NOFILE
	XORL	DX, DX
	LEAQ	chrun∕session∕start∕early·NoFile(SB), R10
	SYSCALL
	MOVQ	chrun∕session∕start∕early·NoFile+8(SB), AX // the hard limit
	MOVQ	AX, chrun∕session∕start∕early·low+8(SB)
	MOVQ	$302, AX // the first two arguments are the same
	LEAQ	chrun∕session∕start∕early·low(SB), DX
	XORL	R10, R10
	SYSCALL

	MOVQ	0(SP), CX // argc
	ADDQ	$2, CX // with argc itself, and the nil after argv
	MOVQ	SP, SI
	LEAQ	-16(SP), DI
	MOVQ	DI, SP
	CLD
	REP; MOVSQ
	LEAQ	·oneProcessor(SB), AX
	MOVQ	AX, 0(DI)
	MOVQ	AX, 8(DI)
	ADDQ	$16, DI
	MOVQ	DI, ·environment(SB)
	JMP	_rt0_amd64_linux(SB)
