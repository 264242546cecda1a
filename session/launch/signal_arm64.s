#include "textflag.h"

// onSignal is a signal handler. It writes the beginning of the siginfo_t to the
// descriptor signalPipe. It runs on the alternate stack of any thread and uses
// nothing of the Go runtime.
TEXT ·onSignal(SB),NOSPLIT|NOFRAME,$0
	MOVW	·signalPipe(SB), R0
	MOVD	$32, R2 // unsafe.Sizeof(siginfo{})
	MOVD	$64, R8 // write
	SVC
	RET

// onFault is the handler of signals that are faults of this process if the kernel
// sends them: si_code > 0. Go's handler gets those.
TEXT ·onFault(SB),NOSPLIT|NOFRAME,$0
	MOVW	8(R1), R3 // si_code
	CMPW	$0, R3
	BLE	sent
	MOVD	·goHandler(SB), R3
	JMP	(R3)
sent:
	JMP	·onSignal(SB)

DATA	·handler+0(SB)/8, $·onSignal(SB)
GLOBL	·handler(SB), RODATA, $8
DATA	·faultHandler+0(SB)/8, $·onFault(SB)
GLOBL	·faultHandler(SB), RODATA, $8
DATA	·restorer+0(SB)/8, $0
GLOBL	·restorer(SB), RODATA, $8
