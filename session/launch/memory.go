package launch

import (
	"encoding/binary"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// giveBackText gives the pages with chrun's code and constants back to the page
// cache, from which the few that waiting needs return by themselves: chrun stays
// beside its program for hours, and they are four fifths of its memory.
func giveBackText() {
	maps, err := rootfs.ReadHost("/proc/self/maps", 0, 0)
	if err != nil {
		return
	}
	for _, m := range textMappings(string(maps), isRelocated()) {
		unix.RawSyscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

// mapping is a part of the address space.
type mapping struct{ start, end uintptr }

// textMappings returns the mappings of a file that cannot have been written to, from
// the lines of /proc/PID/maps (proc(5)). If the program was relocated, or has
// libraries, constants have been written to: then only code counts.
func textMappings(maps string, relocated bool) []mapping {
	var code, constants []mapping
	program := ""
	for line := range strings.Lines(maps) {
		f := strings.Fields(line) // start-end permissions offset device inode path
		if len(f) < 6 || f[4] == "0" {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		m := mapping{uintptr(start), uintptr(end)}
		switch {
		case err1 != nil || err2 != nil:
		case f[1] == "r-xp":
			relocated = relocated || program != "" && program != f[4]
			program = f[4]
			code = append(code, m)
		case f[1] == "r--p":
			constants = append(constants, m)
		}
	}
	if relocated {
		return code
	}
	return append(code, constants...)
}

const typeExec = 2 // ET_EXEC

// isRelocated reports whether this program is position-independent (ELF
// specification, e_type), or cannot tell.
func isRelocated() bool {
	fd, err := unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	head := make([]byte, 18)
	n, _ := unix.Read(fd, head)
	return n < len(head) || binary.NativeEndian.Uint16(head[16:]) != typeExec
}
