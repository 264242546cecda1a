#include "textflag.h"

// onSignal is a signal handler. It writes the beginning of the siginfo_t to the
// descriptor signalPipe. It runs on the alternate stack of any thread and uses
// nothing of the Go runtime.
TEXT ·onSignal(SB),NOSPLIT|NOFRAME,$0
	MOVLQSX	·signalPipe(SB), DI
	MOVL	$32, DX // unsafe.Sizeof(siginfo{})
	MOVL	$1, AX // write
	SYSCALL
	RET

// onFault is the handler of signals that are faults of this process if the kernel
// sends them: si_code > 0. Go's handler gets those.
TEXT ·onFault(SB),NOSPLIT|NOFRAME,$0
	CMPL	8(SI), $0 // si_code
	JLE	sent
	MOVQ	·goHandler(SB), AX
	JMP	AX
sent:
	JMP	·onSignal(SB)

// afterSignal is the sa_restorer of these handlers.
TEXT ·afterSignal(SB),NOSPLIT|NOFRAME,$0
	MOVL	$15, AX // rt_sigreturn
	SYSCALL
	INT	$3

DATA	·handler+0(SB)/8, $·onSignal(SB)
GLOBL	·handler(SB), RODATA, $8
DATA	·faultHandler+0(SB)/8, $·onFault(SB)
GLOBL	·faultHandler(SB), RODATA, $8
DATA	·restorer+0(SB)/8, $·afterSignal(SB)
GLOBL	·restorer(SB), RODATA, $8
