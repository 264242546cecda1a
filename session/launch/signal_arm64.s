#include "textflag.h"

// onSignal is a signal handler. It writes the signal number as one byte to the
// descriptor signalPipe. It runs on the alternate stack of any thread and uses
// nothing of the Go runtime.
TEXT ·onSignal(SB),NOSPLIT|NOFRAME,$0
	SUB	$16, RSP
	MOVB	R0, 8(RSP)
	MOVW	·signalPipe(SB), R0
	ADD	$8, RSP, R1
	MOVD	$1, R2
	MOVD	$64, R8 // write
	SVC
	ADD	$16, RSP
	RET

DATA	·handler+0(SB)/8, $·onSignal(SB)
GLOBL	·handler(SB), RODATA, $8
DATA	·restorer+0(SB)/8, $0
GLOBL	·restorer(SB), RODATA, $8
