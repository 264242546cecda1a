#include "textflag.h"

// onSignal is a signal handler. It writes the signal number as one byte to the
// descriptor signalPipe. It runs on the alternate stack of any thread and uses
// nothing of the Go runtime.
TEXT ·onSignal(SB),NOSPLIT|NOFRAME,$0
	SUBQ	$24, SP
	MOVB	DI, 8(SP)
	MOVLQSX	·signalPipe(SB), DI
	LEAQ	8(SP), SI
	MOVL	$1, DX
	MOVL	$1, AX // write
	SYSCALL
	ADDQ	$24, SP
	RET

// afterSignal is the sa_restorer of onSignal.
TEXT ·afterSignal(SB),NOSPLIT|NOFRAME,$0
	MOVL	$15, AX // rt_sigreturn
	SYSCALL
	INT	$3

DATA	·handler+0(SB)/8, $·onSignal(SB)
GLOBL	·handler(SB), RODATA, $8
DATA	·restorer+0(SB)/8, $·afterSignal(SB)
GLOBL	·restorer(SB), RODATA, $8
