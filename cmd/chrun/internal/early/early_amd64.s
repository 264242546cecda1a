#include "funcdata.h"
#include "textflag.h"

TEXT ·code(SB),NOSPLIT,$0-16
	LEAQ	runtime·text(SB), AX
	MOVQ	AX, start+0(FP)
	LEAQ	runtime·etext(SB), AX
	MOVQ	AX, end+8(FP)
	RET

TEXT ·data(SB),NOSPLIT,$0-16
	LEAQ	runtime·noptrdata(SB), AX
	MOVQ	AX, start+0(FP)
	LEAQ	runtime·edata(SB), AX
	MOVQ	AX, end+8(FP)
	RET

TEXT ·growStack(SB),0,$24576-0
	NO_LOCAL_POINTERS
	RET
