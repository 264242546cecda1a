#include "funcdata.h"
#include "textflag.h"

DATA ·code+0(SB)/8, $runtime·text(SB)
DATA ·code+8(SB)/8, $runtime·etext(SB)
GLOBL ·code(SB), NOPTR, $16

DATA ·data+0(SB)/8, $runtime·noptrdata(SB)
DATA ·data+8(SB)/8, $runtime·edata(SB)
GLOBL ·data(SB), NOPTR, $16

TEXT ·growStack(SB),0,$24576-0
	NO_LOCAL_POINTERS
	RET
