package launch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"chrun/session"
)

// interpreter returns the interpreter that the kernel did not find: that of the
// "#!" line or of the ELF file (PT_INTERP). head is the beginning of the file.
func interpreter(head []byte) string {
	if line, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		line, _, _ = bytes.Cut(bytes.TrimSpace(bytes.TrimRight(line, "\x00")), []byte(" "))
		if len(line) > 0 {
			return string(line)
		}
	}
	if p := programInterpreter(head); p != "" {
		return p
	}
	return "(unknown)"
}

// From the ELF specification. Package debug/elf would double the size of chrun.
const (
	elfMagic = "\x7fELF"
	ptInterp = 3
)

// machines returns the names of common values of e_machine.
func machines() map[uint16]string {
	return map[uint16]string{3: "i386", 8: "MIPS", 20: "PowerPC", 21: "PowerPC 64", 22: "S/390", 40: "ARM", 62: "x86-64",
		183: "ARM 64", 243: "RISC-V", 258: "LoongArch"}
}

// programInterpreter returns the content of PT_INTERP, or "" if head does not
// contain it (ELF specification, "Program Header").
func programInterpreter(head []byte) string {
	if len(head) < 64 || string(head[:4]) != elfMagic {
		return ""
	}
	order := byteOrder(head)
	wide := head[4] == 2 // e_ident[EI_CLASS] is ELFCLASS64
	var off, size, count uint64
	if wide {
		off, size, count = order.Uint64(head[32:]), uint64(order.Uint16(head[54:])), uint64(order.Uint16(head[56:]))
	} else {
		off, size, count = uint64(order.Uint32(head[28:])), uint64(order.Uint16(head[42:])), uint64(order.Uint16(head[44:]))
	}
	for i := range count {
		p := off + i*size
		if p >= uint64(len(head)) || uint64(len(head))-p < 56 {
			return ""
		}
		h := head[p:]
		if order.Uint32(h) != ptInterp {
			continue
		}
		var at, n uint64
		if wide {
			at, n = order.Uint64(h[8:]), order.Uint64(h[32:])
		} else {
			at, n = uint64(order.Uint32(h[4:])), uint64(order.Uint32(h[16:]))
		}
		if at >= uint64(len(head)) || n > uint64(len(head))-at {
			return ""
		}
		return strings.TrimRight(string(head[at:at+n]), "\x00")
	}
	return ""
}

// byteOrder returns the byte order of an ELF file.
func byteOrder(head []byte) binary.ByteOrder {
	if head[5] == 2 { // e_ident[EI_DATA] is ELFDATA2MSB
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// badFormat explains ENOEXEC. tried tells whether it is text that the shell should have read.
func badFormat(path session.Path, head []byte, tried bool) (Reason, string) {
	if len(head) > 20 && string(head[:4]) == elfMagic {
		n := byteOrder(head).Uint16(head[18:])
		machine, ok := machines()[n]
		if !ok {
			machine = fmt.Sprintf("ELF machine %d", n)
		}
		return ReasonWrongMachine, fmt.Sprintf("%s is a program for another machine (%s)", path, machine)
	}
	if tried {
		return ReasonScript, fmt.Sprintf("%s is a text file without an interpreter line, and /bin/sh cannot be executed", path)
	}
	return ReasonNotProgram, fmt.Sprintf("%s is not a program", path)
}
