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

// ExecError says why a program could not be executed. Status is 127 when it
// was not found, else 126.
type ExecError struct {
	Path   session.Path // the file it is about; "" if none was found
	Name   string       // COMMAND as typed
	Status int
	Why    string
	Noexec session.HostPath // the chroot, if its file system is mounted noexec
	script bool             // text without "#!": to be given to the shell
}

func (e *ExecError) Error() string { return fmt.Sprintf("cannot run %q: %s", e.Name, e.Why) }

// execError finds the reason among the candidates: the first that is there but
// cannot be executed, else that there is none.
func (c *compiled) execError() error {
	e := &ExecError{Name: c.plan.Command(), Status: 127, Why: fmt.Sprintf("not found in the chroot %q", c.plan.Name)}
	if i := c.failed(); i < len(c.ops) { // an unusual errno
		e.Status, e.Why = 126, c.errno(i).Error()
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
		e.Path, e.Status = t.path, 126
		head := t.head
		switch errno {
		case unix.ENOENT:
			e.Why = fmt.Sprintf("%s is there, but its interpreter %s is not in the chroot", t.path, interpreter(head))
		case unix.ENOEXEC:
			e.Why, e.script = badFormat(t.path, head)
		default:
			e.Why = fmt.Sprintf("%s: %v", t.path, errno)
			var fs unix.Statfs_t
			if errno == unix.EACCES && unix.Statfs(string(c.plan.Tree), &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0 {
				e.Noexec = c.plan.Tree
			}
			if errno == unix.EACCES && c.errno(t.open+1) != 0 {
				e.Why = fmt.Sprintf("%s is a directory", t.path)
			}
		}
		return e
	}
	return e
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
func badFormat(path session.Path, head []byte) (why string, script bool) {
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
		return fmt.Sprintf("%s is a program for another machine (%s)", path, machine), false
	}
	text := bytes.TrimRight(head, "\x00")
	if bytes.IndexByte(text, 0) < 0 && (utf8.Valid(text) || utf8.Valid(text[:len(text)-min(3, len(text))])) {
		return fmt.Sprintf("%s is a text without an interpreter line", path), true
	}
	return fmt.Sprintf("%s is not a program", path), false
}
