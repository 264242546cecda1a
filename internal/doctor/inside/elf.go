package inside

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// openRegular opens a regular file of the chroot. It does not open a device or a FIFO,
// which could wait or have an effect.
func openRegular(name string) (*os.File, error) {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errors.New("not a regular file")
	}
	return os.OpenFile("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
}

// readRegular reads the beginning of a regular file of the chroot.
func readRegular(name string, limit int64) ([]byte, error) {
	f, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// listDirectory returns the names in a directory of the chroot, at most limit.
func listDirectory(name string, limit int) []string {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	names, _ := f.Readdirnames(limit)
	return names
}

// elfFile is what the loader reads of a program or library. Package debug/elf reads
// more than that, and as much as the file claims to have.
type elfFile struct {
	class       elf.Class
	machine     elf.Machine
	interpreter string
	needed      []string // libraries
	search      []string // where they are, before the usual directories
}

// errNotELF means that a file is something else.
var errNotELF = errors.New("not an ELF file")

// readELF reads an ELF file (ELF specification, "Program Header", "Dynamic Section").
func readELF(name string) (*elfFile, error) {
	file, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	head := make([]byte, 64)
	if _, err := file.ReadAt(head, 0); err != nil || string(head[:4]) != elf.ELFMAG {
		return nil, errNotELF
	}
	r := elfReader{file: file, order: binary.LittleEndian, wide: elf.Class(head[4]) == elf.ELFCLASS64}
	if elf.Data(head[5]) == elf.ELFDATA2MSB {
		r.order = binary.BigEndian
	}
	f := &elfFile{class: elf.Class(head[4]), machine: elf.Machine(r.order.Uint16(head[18:]))}
	r.readSegments(head)
	f.interpreter = r.text(r.interpOffset, min(r.interpSize, unix.PathMax))
	r.readDynamic(f, path.Dir(name))
	return f, nil
}

// elfReader reads an ELF file that cannot be trusted.
type elfReader struct {
	file                     *os.File
	order                    binary.ByteOrder
	wide                     bool
	loads                    []elf.ProgHeader
	dynOffset, dynSize       uint64
	interpOffset, interpSize uint64
}

// read returns n bytes at an offset, fewer at the file's end.
func (r *elfReader) read(offset, n uint64) []byte {
	if offset > 1<<40 {
		return nil
	}
	data := make([]byte, n)
	got, _ := r.file.ReadAt(data, int64(offset))
	return data[:got]
}

// text returns the text at an offset up to a NUL.
func (r *elfReader) text(offset, n uint64) string {
	text, _, _ := bytes.Cut(r.read(offset, n), []byte{0})
	return string(text)
}

// word reads a word of the class at data[at].
func (r *elfReader) word(data []byte, narrow, wide int) uint64 {
	if r.wide {
		return r.order.Uint64(data[wide:])
	}
	return uint64(r.order.Uint32(data[narrow:]))
}

// readSegments reads the program headers.
func (r *elfReader) readSegments(head []byte) {
	size, count := uint64(r.order.Uint16(head[42:])), uint64(r.order.Uint16(head[44:]))
	least := uint64(32)
	if r.wide {
		size, count, least = uint64(r.order.Uint16(head[54:])), uint64(r.order.Uint16(head[56:])), 56
	}
	if size < least || size > 256 {
		return
	}
	table := r.read(r.word(head, 28, 32), size*min(count, 128))
	for ; uint64(len(table)) >= size; table = table[size:] {
		h := elf.ProgHeader{Type: elf.ProgType(r.order.Uint32(table)), Off: r.word(table, 4, 8), Vaddr: r.word(table, 8, 16), Filesz: r.word(table, 16, 32)}
		switch h.Type {
		case elf.PT_LOAD:
			r.loads = append(r.loads, h)
		case elf.PT_DYNAMIC:
			r.dynOffset, r.dynSize = h.Off, h.Filesz
		case elf.PT_INTERP:
			r.interpOffset, r.interpSize = h.Off, h.Filesz
		}
	}
}

// readDynamic reads which libraries a file needs. dir is where the file is.
func (r *elfReader) readDynamic(f *elfFile, dir string) {
	var names, search []uint64
	var table uint64
	entry := uint64(8)
	if r.wide {
		entry = 16
	}
	data := r.read(r.dynOffset, min(r.dynSize, 1<<16))
	for ; uint64(len(data)) >= entry; data = data[entry:] {
		switch value := r.word(data, 4, 8); elf.DynTag(r.word(data, 0, 0)) {
		case elf.DT_NEEDED:
			names = append(names, value)
		case elf.DT_RPATH, elf.DT_RUNPATH:
			search = append(search, value)
		case elf.DT_STRTAB:
			table = value
		}
	}
	for _, l := range r.loads {
		if table < l.Vaddr || table-l.Vaddr >= l.Filesz {
			continue
		}
		at := table - l.Vaddr + l.Off
		for _, n := range names[:min(len(names), 500)] {
			f.needed = append(f.needed, r.text(at+n, 256))
		}
		for _, s := range search[:min(len(search), 2)] {
			for _, d := range strings.Split(r.text(at+s, unix.PathMax), ":") {
				f.search = append(f.search, strings.NewReplacer("$ORIGIN", dir, "${ORIGIN}", dir).Replace(d))
			}
		}
		return
	}
}
