#include "textflag.h"

TEXT ·entry(SB),NOSPLIT|NOFRAME,$0
	MOVQ	$28, AX // madvise
	LEAQ	runtime·text(SB), DI
	ANDQ	$~4095, DI
	LEAQ	runtime·erodata(SB), SI
	SUBQ	DI, SI
	MOVQ	$22, DX // MADV_POPULATE_READ
	SYSCALL
	MOVQ	$28, AX
	LEAQ	runtime·noptrdata(SB), DI
	ANDQ	$~4095, DI
	LEAQ	runtime·edata(SB), SI
	SUBQ	DI, SI
	MOVQ	$23, DX // MADV_POPULATE_WRITE
	SYSCALL
	MOVQ	$157, AX // prctl
	MOVQ	$30, DI // PR_GET_TIMERSLACK
	SYSCALL
	MOVQ	AX, ·slack(SB)
	MOVQ	$157, AX
	MOVQ	$29, DI // PR_SET_TIMERSLACK
	MOVQ	$1000000, SI // ns
	SYSCALL
	JMP	_rt0_amd64_linux(SB)
