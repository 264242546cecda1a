package desktop

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Limits of the tables of a locale archive, ten times what all locales of glibc
// need.
const (
	maxLocaleNames   = 1 << 14
	maxLocaleStrings = 1 << 20
)

// readLocaleArchive returns the names in a locale-archive, whose codesets are
// normalized ("de_DE.utf8"). The format is that of glibc (locale/locarchive.h,
// magic 0xde020109): a header of 14 words, which include the offset and size of
// a hash table and of the strings that it refers to. The file belongs to a
// chroot, so it may be hostile.
func readLocaleArchive(r io.ReaderAt) map[string]bool {
	const (
		magic     = 0xde020109
		headSize  = 14 * 4
		entrySize = 3 * 4 // hash value, offset of the name, offset of the record
	)
	head := make([]byte, headSize)
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	if order.Uint32(head) != magic {
		order = binary.BigEndian
	}
	word := func(i int) int64 { return int64(order.Uint32(head[4*i:])) }
	tableAt, tableLen := word(2), word(4)
	stringsAt, stringsLen := word(5), word(6)
	if word(0) != magic || tableLen > maxLocaleNames || stringsLen > maxLocaleStrings {
		return nil
	}
	table, text := make([]byte, tableLen*entrySize), make([]byte, stringsLen)
	if _, err := r.ReadAt(table, tableAt); err != nil {
		return nil
	}
	if _, err := r.ReadAt(text, stringsAt); err != nil {
		return nil
	}
	names := map[string]bool{}
	for ; len(table) >= entrySize; table = table[entrySize:] {
		name, record := int64(order.Uint32(table[4:]))-stringsAt, order.Uint32(table[8:])
		if record == 0 || name < 0 || name >= stringsLen {
			continue // free, or deleted
		}
		if end := bytes.IndexByte(text[name:], 0); end > 0 {
			names[string(text[name:name+int64(end)])] = true
		}
	}
	return names
}
