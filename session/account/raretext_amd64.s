#include "textflag.h"

TEXT ·skipBlocks(SB),NOSPLIT,$0-56
	MOVQ	data_base+0(FP), SI
	MOVQ	data_len+8(FP), DX
	SUBQ	$17, DX // blocks begin before this
	MOVQ	text_base+24(FP), DI
	MOVQ	text_len+32(FP), CX
	MOVBLZX	(DI), AX
	MOVBLZX	1(DI), BX
	MOVBLZX	-1(DI)(CX*1), R8 // of two bytes, the second again
	LEAQ	-1(SI)(CX*1), DI
	MOVQ	$0x0101010101010101, R9
	IMULQ	R9, AX
	IMULQ	R9, BX
	IMULQ	R9, R8
	MOVQ	AX, X0
	MOVQ	BX, X1
	MOVQ	R8, X2
	PUNPCKLQDQ	X0, X0
	PUNPCKLQDQ	X1, X1
	PUNPCKLQDQ	X2, X2
	XORL	AX, AX
	JMP	next
block:
	MOVOU	(SI)(AX*1), X3
	MOVOU	1(SI)(AX*1), X4
	MOVOU	(DI)(AX*1), X5
	PCMPEQB	X0, X3
	PCMPEQB	X1, X4
	PCMPEQB	X2, X5
	PAND	X4, X3
	PAND	X5, X3
	PMOVMSKB	X3, BX
	TESTL	BX, BX
	JNZ	done
	ADDQ	$16, AX
next:
	CMPQ	AX, DX
	JLT	block
done:
	MOVQ	AX, ret+48(FP)
	RET
