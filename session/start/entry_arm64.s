#include "textflag.h"

TEXT ·entry(SB),NOSPLIT|NOFRAME,$0
	MOVD	$233, R8 // madvise
	MOVD	$runtime·text(SB), R0
	AND	$~4095, R0
	MOVD	$runtime·erodata(SB), R1
	SUB	R0, R1
	MOVD	$22, R2 // MADV_POPULATE_READ
	SVC
	MOVD	$233, R8
	MOVD	$runtime·noptrdata(SB), R0
	AND	$~4095, R0
	MOVD	$runtime·edata(SB), R1
	SUB	R0, R1
	MOVD	$23, R2 // MADV_POPULATE_WRITE
	SVC
	MOVD	$167, R8 // prctl
	MOVD	$30, R0 // PR_GET_TIMERSLACK
	SVC
	MOVD	R0, ·slack(SB)
	MOVD	$167, R8
	MOVD	$29, R0 // PR_SET_TIMERSLACK
	MOVD	$1000000, R1 // ns
	SVC
	JMP	_rt0_arm64_linux(SB)
