#include "funcdata.h"
#include "textflag.h"

TEXT ·code(SB),NOSPLIT,$0-16
	MOVD	$runtime·text(SB), R0
	MOVD	R0, start+0(FP)
	MOVD	$runtime·etext(SB), R0
	MOVD	R0, end+8(FP)
	RET

TEXT ·data(SB),NOSPLIT,$0-16
	MOVD	$runtime·noptrdata(SB), R0
	MOVD	R0, start+0(FP)
	MOVD	$runtime·edata(SB), R0
	MOVD	R0, end+8(FP)
	RET

TEXT ·growStack(SB),0,$24576-0
	NO_LOCAL_POINTERS
	RET
