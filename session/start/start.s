#include "textflag.h"

DATA	·oneProcessor+0(SB)/8, $"GOMAXPRO"
DATA	·oneProcessor+8(SB)/8, $"CS=1\x00\x00\x00\x00"
GLOBL	·oneProcessor(SB), RODATA, $16

// the beginning of the name of a helper process
DATA	·helper+0(SB)/8, $"chrun-he"
GLOBL	·helper(SB), RODATA, $8
