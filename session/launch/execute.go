package launch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// ExecError reports that a program could not be executed.
type ExecError struct {
	Name   string           // COMMAND as typed
	Path   session.Path     // the file that could not be executed; "" if none was found
	Tree   session.HostPath // the chroot tree
	Reason Reason
	Why    string // the reason in words, naming the file
}

func (e *ExecError) Error() string { return fmt.Sprintf("cannot run %q: %s", e.Name, e.Why) }

// Status is the exit status that shells use for the failure: 127 if the program
// was not found, otherwise 126.
func (e *ExecError) Status() int {
	if e.Reason == ReasonNotFound {
		return 127
	}
	return 126
}

// Reason is why a program could not be executed.
type Reason uint8

const (
	ReasonOther         Reason = iota // an errno that execve(2) returns rarely
	ReasonNotFound                    // no file of that name, along PATH or at the path
	ReasonIsDirectory                 // the name is a directory's
	ReasonNotExecutable               // no execute permission
	ReasonNoexec                      // the chroot is on a file system mounted noexec
	ReasonNoInterpreter               // the file's interpreter ("#!" line, PT_INTERP) is missing
	ReasonWrongMachine                // an ELF file for another machine
	ReasonScript                      // text without a "#!" line, which execvp(3) gives to the shell
	ReasonNotProgram                  // neither an ELF file nor text
)

// execError finds the reason among the candidates: the first that is there but
// cannot be executed, else that there is none.
func (c *compiled) execError() error {
	e := &ExecError{Name: c.plan.Command(), Tree: c.plan.Tree, Reason: ReasonNotFound, Why: fmt.Sprintf("not found in the chroot %q", c.plan.Name)}
	if i := c.failed(); i < len(c.ops) { // an unusual errno
		e.Reason, e.Why = ReasonOther, c.errno(i).Error()
		for _, t := range c.tries {
			if t.exec == i {
				e.Path = t.path
			}
		}
		return e
	}
	for _, t := range c.tries {
		errno := c.errno(t.exec)
		there := c.errno(t.open) == 0 || c.errno(t.open) == unix.EACCES && errno == unix.EACCES
		if errno == 0 || !there {
			continue
		}
		e.Path = t.path
		switch errno {
		case unix.ENOENT:
			e.Reason = ReasonNoInterpreter
			e.Why = fmt.Sprintf("%s is there, but its interpreter %s is not in the chroot", t.path, interpreter(t.head))
		case unix.ENOEXEC:
			e.Reason, e.Why = badFormat(t.path, t.head)
		case unix.EACCES:
			e.Reason, e.Why = c.notExecutable(t)
		default:
			e.Reason, e.Why = ReasonOther, fmt.Sprintf("%s: %v", t.path, errno)
		}
		return e
	}
	return e
}

// notExecutable explains EACCES.
func (c *compiled) notExecutable(t try) (Reason, string) {
	if c.errno(t.open+1) != 0 { // it could be opened but not read
		return ReasonIsDirectory, fmt.Sprintf("%s is a directory", t.path)
	}
	why := fmt.Sprintf("%s: %v", t.path, unix.EACCES)
	var fs unix.Statfs_t
	if unix.Statfs(string(c.plan.Tree), &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0 {
		return ReasonNoexec, why
	}
	return ReasonNotExecutable, why
}

// interpreter names what the kernel looked for: the "#!" line's or the ELF
// file's interpreter (PT_INTERP).
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

// Of the ELF specification: e_ident[EI_CLASS] is 2 for 64 bits, [EI_DATA] is 2
// for big-endian. Package debug/elf would double the launcher's size.
const (
	elfMagic = "\x7fELF"
	ptInterp = 3
)

// machines are the values of e_machine that people meet.
var machines = map[uint16]string{3: "i386", 8: "MIPS", 20: "PowerPC", 21: "PowerPC 64", 22: "S/390", 40: "ARM", 62: "x86-64",
	183: "ARM 64", 243: "RISC-V", 258: "LoongArch"}

// programInterpreter reads PT_INTERP of a 64- or 32-bit ELF file's beginning
// (ELF specification, "Program Header").
func programInterpreter(head []byte) string {
	if len(head) < 64 || string(head[:4]) != elfMagic {
		return ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[5] == 2 {
		order = binary.BigEndian
	}
	wide := head[4] == 2
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

// badFormat explains ENOEXEC: another machine's program, or text for the shell.
func badFormat(path session.Path, head []byte) (Reason, string) {
	if len(head) > 20 && string(head[:4]) == elfMagic {
		var order binary.ByteOrder = binary.LittleEndian
		if head[5] == 2 {
			order = binary.BigEndian
		}
		n := order.Uint16(head[18:])
		machine, ok := machines[n]
		if !ok {
			machine = fmt.Sprintf("ELF machine %d", n)
		}
		return ReasonWrongMachine, fmt.Sprintf("%s is a program for another machine (%s)", path, machine)
	}
	text := bytes.TrimRight(head, "\x00")
	if bytes.IndexByte(text, 0) < 0 && (utf8.Valid(text) || utf8.Valid(text[:len(text)-min(3, len(text))])) {
		return ReasonScript, fmt.Sprintf("%s is a text without an interpreter line", path)
	}
	return ReasonNotProgram, fmt.Sprintf("%s is not a program", path)
}
