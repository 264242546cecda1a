package account

import (
	"bytes"
	"io"
	"iter"
	"os"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// File is a passwd(5) or group(5) file of a tree. A large one is read in chunks, since
// memory that is new to the process costs more than that. The caller closes it.
type File struct {
	data  []byte
	large *os.File // or nil
	size  int64
	hints []string    // of the last search,
	found []foundLine // and what it has found
}

// foundLine is a line of a file, at an offset.
type foundLine struct {
	offset int64
	text   []byte
}

// maxSmall is how many bytes of a file are kept in memory.
const maxSmall = 64 << 10

// MaxSize is how many bytes a file may have: it is copied for the launch.
const MaxSize = 256 << 20

// Open opens the file p of a tree. Errors are those of rootfs.Root.Read, and
// rootfs.ErrTooLarge is for files of more than MaxSize bytes.
func Open(root *rootfs.Root, p rootfs.Path) (*File, error) {
	large := false
	data, err := root.ReadIf(p, func(st *unix.Stat_t) bool { large = st.Size > maxSmall; return !large })
	if !large {
		return &File{data: data, size: int64(len(data))}, err
	}
	f, err := root.Open(p)
	if err != nil {
		return &File{}, err
	}
	st, err := f.Stat()
	if err == nil && st.Size() > MaxSize {
		err = &os.PathError{Op: "read", Path: string(p), Err: rootfs.ErrTooLarge}
	}
	if err != nil {
		f.Close()
		return &File{}, err
	}
	return &File{large: f, size: st.Size()}, nil
}

// Close closes the file.
func (f *File) Close() {
	if f.large != nil {
		f.large.Close()
	}
}

// Piece is a part of a changed file: Data, or Length bytes of the original from
// Offset on.
type Piece struct {
	Data           []byte `json:",omitempty"`
	Offset, Length int64
}

// Size returns the number of bytes.
func (p *Piece) Size() int64 { return int64(len(p.Data)) + p.Length }

// All yields the accounts in the order of the file.
func (f *File) All() iter.Seq[Account] {
	if f.large == nil {
		return Table(f.data).All()
	}
	return func(yield func(Account) bool) {
		for _, chunk := range f.chunks() {
			for a := range Table(chunk).All() {
				if !yield(a) {
					return
				}
			}
		}
	}
}

// Accounts returns a table in which the account user, a name or a number, and the uid
// of caller are found as in the whole file.
func (f *File) Accounts(user string, caller Account) Table {
	if f.large == nil {
		return f.data
	}
	hints := []string{":" + strconv.Itoa(caller.UID) + ":"}
	for _, name := range []string{user, caller.Name} { // the latter for PatchPasswd
		if hint := name + ":"; name != "" && !slices.Contains(hints, hint) {
			hints = append(hints, hint) // user can be a number, too
		}
	}
	var table Table
	for _, line := range f.find(hints...) {
		if a, ok := Parse(string(line)); ok && (a.Name == user || a.UID == caller.UID || strconv.Itoa(a.UID) == user) {
			table = append(append(table, line...), '\n')
		}
	}
	if _, known := table.lookUp(user, caller); !known && user != "" {
		table = append(f.beginning(), table...) // for the message that names some people
	}
	return table
}

// beginning returns the first lines.
func (f *File) beginning() Table {
	data := make([]byte, usualBuffer)
	n, _ := f.large.ReadAt(data, 0)
	return data[:bytes.LastIndexByte(data[:n], '\n')+1]
}

// PatchPasswd is like the function of that name.
func (f *File) PatchPasswd(a Account) (pieces []Piece, changed bool) {
	if f.large == nil {
		data, changed := PatchPasswd(f.data, a)
		return []Piece{{Data: data}}, changed
	}
	want, name := a.String(), []byte(cleanField(a.Name))
	var table Table
	pieces = []Piece{{Data: []byte(want + "\n")}}
	at := int64(0)
	for offset, line := range f.find(string(name)+":", ":"+strconv.Itoa(a.UID)+":") {
		if p, ok := Parse(string(line)); ok && (p.Name == a.Name || p.UID == a.UID) {
			table = append(append(table, line...), '\n')
		}
		if bytes.Equal(firstField(line), name) {
			pieces = appendRange(pieces, at, offset)
			at = offset + int64(len(line)) + 1
		}
	}
	_, changed = PatchPasswd(table, a)
	return appendRange(pieces, at, f.size), changed
}

// PatchGroup is like the function of that name.
func (f *File) PatchGroup(gid int, name string) (pieces []Piece, changed bool) {
	if f.large == nil {
		data, changed := PatchGroup(f.data, gid, name)
		return []Piece{{Data: data}}, changed
	}
	var table []byte
	for _, line := range f.find(":"+strconv.Itoa(gid), groupName(name, gid)) {
		table = append(append(table, line...), '\n')
	}
	data, changed := PatchGroup(table, gid, name)
	own := data[len(table):]
	if last := make([]byte, 1); changed {
		if _, err := f.large.ReadAt(last, f.size-1); err == nil && last[0] != '\n' {
			own = slices.Concat([]byte("\n"), own)
		}
	}
	return []Piece{{Length: f.size}, {Data: own}}, changed
}

func appendRange(pieces []Piece, from, to int64) []Piece {
	if from >= to {
		return pieces
	}
	return append(pieces, Piece{Offset: from, Length: to - from})
}

// find yields the lines that contain one of the hints, with their offsets. It reads
// the file only if the last search was for others.
func (f *File) find(hints ...string) iter.Seq2[int64, []byte] {
	if slices.ContainsFunc(hints, func(h string) bool { return !slices.Contains(f.hints, h) }) {
		f.search(hints)
	}
	return func(yield func(int64, []byte) bool) {
		for _, l := range f.found {
			has := func(h string) bool { return bytes.Contains(l.text, []byte(h)) }
			if slices.ContainsFunc(hints, has) && !yield(l.offset, l.text) {
				return
			}
		}
	}
}

// search finds the lines that contain one of the hints. Most chunks contain none.
func (f *File) search(hints []string) {
	f.hints, f.found = hints, nil
	var texts []rareText
	isIn := func(data []byte) bool {
		return slices.ContainsFunc(texts, func(t rareText) bool { return t.isIn(data) })
	}
	for offset, chunk := range f.chunks() {
		if texts == nil {
			for _, h := range hints {
				texts = append(texts, newRareText(h, chunk))
			}
		}
		if !isIn(chunk) {
			continue
		}
		for line := range splitLines(chunk) {
			if isIn(line) {
				f.found = append(f.found, foundLine{offset, bytes.Clone(line)})
			}
			offset += int64(len(line)) + 1
		}
	}
}

// maxLine is the length of the longest line that is looked at. Lines of usual length
// need only usualBuffer. A smaller one would save pages, but the calls cost more.
const maxLine, usualBuffer = 256 << 10, 32 << 10

// buffers are for chunks. The next file needs no new memory.
var buffers = sync.Pool{New: func() any { return new(make([]byte, usualBuffer)) }}

// chunks yields the file in chunks of whole lines, with their offsets. A chunk is
// valid until the next. Longer lines than maxLine are left out, and what cannot be
// read.
func (f *File) chunks() iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		r := io.NewSectionReader(f.large, 0, f.size)
		buf := *buffers.Get().(*[]byte)
		defer func() { buffers.Put(&buf) }()
		n, skipping := 0, false
		for offset := int64(0); ; {
			read, err := r.Read(buf[n:])
			n += read
			end := bytes.LastIndexByte(buf[:n], '\n') + 1
			if err != nil {
				end = n
			}
			if end == 0 && n == len(buf) && n < maxLine {
				buf = append(buf, make([]byte, maxLine-n)...)
			}
			if end == 0 && n < len(buf) && err == nil {
				continue
			}
			chunk := buf[:end]
			if skipping { // the rest of a long line
				_, chunk, _ = bytes.Cut(chunk, []byte("\n"))
			}
			if len(chunk) > 0 && !yield(offset+int64(end-len(chunk)), chunk) || err != nil {
				return
			}
			if skipping = end == 0; skipping {
				end = n
			}
			offset += int64(end)
			n = copy(buf, buf[end:n])
		}
	}
}
