#include "funcdata.h"
#include "textflag.h"

TEXT ·growStack(SB),0,$24576-0
	NO_LOCAL_POINTERS
	RET
