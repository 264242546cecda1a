#include "textflag.h"

TEXT ·skipBlocks(SB),NOSPLIT,$0-56
	MOVD	data_base+0(FP), R0
	MOVD	data_len+8(FP), R1
	SUB	$17, R1 // blocks begin before this
	MOVD	text_base+24(FP), R2
	MOVD	text_len+32(FP), R3
	SUB	$1, R3
	MOVBU	(R2), R4
	MOVBU	1(R2), R5
	MOVBU	(R2)(R3), R6 // of two bytes, the second again
	VDUP	R4, V0.B16
	VDUP	R5, V1.B16
	VDUP	R6, V2.B16
	ADD	$1, R0, R2
	ADD	R3, R0, R3
	MOVD	ZR, R7
	B	next
block:
	VLD1.P	16(R0), [V3.B16]
	VLD1.P	16(R2), [V4.B16]
	VLD1.P	16(R3), [V5.B16]
	VCMEQ	V0.B16, V3.B16, V3.B16
	VCMEQ	V1.B16, V4.B16, V4.B16
	VCMEQ	V2.B16, V5.B16, V5.B16
	VAND	V4.B16, V3.B16, V3.B16
	VAND	V5.B16, V3.B16, V3.B16
	VMOV	V3.D[0], R4
	VMOV	V3.D[1], R5
	ORR	R4, R5
	CBNZ	R5, done
	ADD	$16, R7
next:
	CMP	R1, R7
	BLT	block
done:
	MOVD	R7, ret+48(FP)
	RET
