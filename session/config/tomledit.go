package config

import (
	"bytes"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A document is a TOML file whose text is edited in place. Its methods return
// the new content and leave the document as it is.
type document struct {
	data  []byte
	nodes []node
	eol   string // the line ending of the file
}

func parseDocument(data []byte) *document {
	d := &document{data: data, nodes: scan(data), eol: "\n"}
	if i := bytes.IndexByte(data, '\n'); i > 0 && data[i-1] == '\r' {
		d.eol = "\r\n"
	}
	return d
}

// candidates returns contents with the edit made, the best one first. Not all
// of them need be valid TOML.
func (e *Edit) candidates(data []byte) [][]byte {
	d := parseDocument(data)
	if e.Op == Unset {
		return [][]byte{removeKey(data, e.Key)}
	}
	i := slices.IndexFunc(d.nodes, func(n node) bool { return !n.isHeader() && slices.Equal(n.key, e.Key) })
	switch {
	case e.Op == Remove:
		return [][]byte{removeElements(data, e), removeKey(data, e.Key)}
	case i >= 0 && e.Op == Add && d.nodes[i].kind == unstable.Array:
		return [][]byte{d.extendList(i, e)}
	case i >= 0:
		n := d.nodes[i]
		return [][]byte{d.replace(n.value, n.end, formatValue(e.Value))}
	}
	var all [][]byte
	for depth := len(e.Key) - 1; depth > 0; depth-- {
		if content := d.insertIntoTable(e.Key[:depth], e); content != nil {
			all = append(all, content)
		}
	}
	if e.Key[0] != "app" {
		all = append(all, d.insertTop(e))
	}
	// The section of the key is [env] or [app.COMMAND].
	return append(all, d.appendSection(e.Key[:max(1, min(2, len(e.Key)-1))], e))
}

// replace replaces the bytes between from and to with text.
func (d *document) replace(from, to int, text string) []byte {
	return slices.Concat(d.data[:from], []byte(text), d.data[to:])
}

// assignment returns the edit as KEY = VALUE, where KEY is relative to the table
// with the first depth names of the key.
func (e *Edit) assignment(depth int) string {
	return quoteKey(e.Key[depth:]) + " = " + formatValue(e.Value)
}

// insertIntoTable inserts the edit into table: its inline table, else the
// section with its header, else after the last dotted key. It returns nil if
// the file has nothing of table.
func (d *document) insertIntoTable(table []string, e *Edit) []byte {
	lastDotted := -1
	for i, n := range d.nodes {
		if !hasPrefix(n.key, table) {
			continue
		}
		isTable := len(n.key) == len(table)
		switch {
		case isTable && n.kind == unstable.InlineTable:
			return d.insertIntoInlineTable(i, e)
		case isTable && n.kind == unstable.Table:
			return d.insertLineAfter(d.lastOfSection(i), e.assignment(len(table)))
		case n.parent < 0 && !n.isHeader() && n.headerLen < len(table):
			lastDotted = i
		}
	}
	if lastDotted < 0 {
		return nil
	}
	return d.insertLineAfter(lastDotted, e.assignment(d.nodes[lastDotted].headerLen))
}

func hasPrefix(key, prefix []string) bool {
	return len(key) >= len(prefix) && slices.Equal(key[:len(prefix)], prefix)
}

// lastOfSection returns the last node of the section that begins with node i.
func (d *document) lastOfSection(i int) int {
	for j := i + 1; j < len(d.nodes) && !d.nodes[j].isHeader(); j++ {
		if d.nodes[j].parent < 0 {
			i = j
		}
	}
	return i
}

// insertLineAfter inserts a line after the last line of node i, with the same
// indentation.
func (d *document) insertLineAfter(i int, text string) []byte {
	n := d.nodes[i]
	begin := lineStart(d.data, n.start)
	indent := d.data[begin : begin+countBlanks(d.data[begin:])]
	return d.insertLineAt(nextLine(d.data, n.end), string(indent)+text)
}

// insertLineAt inserts a line at offset, which is the start of a line or the end
// of the file.
func (d *document) insertLineAt(offset int, text string) []byte {
	if offset > 0 && d.data[offset-1] != '\n' {
		text = d.eol + text
	}
	return d.replace(offset, offset, text+d.eol)
}

// insertTop inserts the edit before the first header and the comment above it.
func (d *document) insertTop(e *Edit) []byte {
	header := slices.IndexFunc(d.nodes, node.isHeader)
	switch {
	case len(d.nodes) == 0:
		return d.insertLineAt(len(d.data), e.assignment(0))
	case header != 0:
		return d.insertLineAfter(d.lastOfSection(0), e.assignment(0))
	}
	offset := lineStart(d.data, d.nodes[0].start)
	for offset > 0 {
		above := lineStart(d.data, offset-1)
		if d.data[above+countBlanks(d.data[above:])] != '#' {
			break
		}
		offset = above
	}
	return d.insertLineAt(offset, e.assignment(0))
}

// appendSection appends a section for table with the edit to the file.
func (d *document) appendSection(table []string, e *Edit) []byte {
	header := "[" + quoteKey(table) + "]" + d.eol
	if len(d.data) > 0 {
		header = d.eol + header
	}
	return d.insertLineAt(len(d.data), header+e.assignment(len(table)))
}

// insertIntoInlineTable appends the edit to the inline table i.
func (d *document) insertIntoInlineTable(i int, e *Edit) []byte {
	n := d.nodes[i]
	text := e.assignment(len(n.key))
	children := d.children(i)
	if len(children) == 0 {
		return d.replace(n.value+1, n.value+1, " "+text+" ")
	}
	end := children[len(children)-1].end
	return d.replace(end, end, ", "+text)
}

// children returns the elements of the list or inline table i.
func (d *document) children(i int) (list []node) {
	for _, n := range d.nodes {
		if n.parent == i {
			list = append(list, n)
		}
	}
	return list
}

// extendList appends the elements of the edit to the list i, each on a line of
// its own if that is the style of the list.
func (d *document) extendList(i int, e *Edit) []byte {
	n, elements := d.nodes[i], d.children(i)
	var current []any
	for _, c := range elements {
		current = append(current, c.text)
	}
	var added []string
	for _, v := range e.missingFrom(current) {
		added = append(added, formatValue(v))
	}
	if len(elements) == 0 {
		return d.replace(n.value+1, n.value+1, strings.Join(added, ", "))
	}
	last := elements[len(elements)-1]
	begin := lineStart(d.data, last.start)
	indent := d.data[begin:last.start]
	if begin <= n.value || countBlanks(indent) < len(indent) { // other text is on the line
		return d.replace(last.end, last.end, ", "+strings.Join(added, ", "))
	}
	lines := d.eol + string(indent) + strings.Join(added, ","+d.eol+string(indent))
	if comma := d.findComma(last.end, n.end); comma >= 0 { // keep the trailing comma
		end := skipComment(d.data, comma+1)
		return d.replace(end, end, lines+",")
	}
	end := skipComment(d.data, last.end)
	return d.replace(last.end, end, ","+string(d.data[last.end:end])+lines)
}

// findComma returns the offset of the comma between from and to that follows
// only blanks and comments, or -1.
func (d *document) findComma(from, to int) int {
	for i := from; i < to; i++ {
		switch d.data[i] {
		case ',':
			return i
		case '#':
			i = nextLine(d.data, i) - 1
		case ' ', '\t', '\r', '\n':
		default:
			return -1
		}
	}
	return -1
}

// removeKey removes key and everything below it. Outside of inline tables it
// removes whole lines.
func removeKey(data []byte, key []string) []byte {
	for {
		d := parseDocument(data)
		last := -1
		for i, n := range d.nodes {
			if hasPrefix(n.key, key) && !d.isPartOf(n, key) {
				last = i
			}
		}
		if last < 0 {
			return data
		}
		if n := d.nodes[last]; n.parent < 0 {
			data = d.replace(lineStart(data, n.start), nextLine(data, n.end), "")
		} else {
			data = d.removeWithComma(n)
		}
	}
}

// isPartOf reports whether n goes when the node around it goes: it is an element
// of a list, or in an inline table that belongs to key itself.
func (d *document) isPartOf(n node, key []string) bool {
	if n.parent < 0 {
		return false
	}
	parent := d.nodes[n.parent]
	return parent.kind == unstable.Array || hasPrefix(parent.key, key)
}

// removeElements removes the elements of the edit from its list.
func removeElements(data []byte, e *Edit) []byte {
	for {
		d := parseDocument(data)
		i := slices.IndexFunc(d.nodes, func(n node) bool {
			return n.parent >= 0 && slices.Equal(d.nodes[n.parent].key, e.Key) && slices.Contains(e.Value.([]any), any(n.text))
		})
		if i < 0 {
			return data
		}
		data = d.removeElement(d.nodes[i])
	}
}

// removeElement removes an element of a list, with its line and the comment there
// if nothing else is on the line.
func (d *document) removeElement(n node) []byte {
	start, end := lineStart(d.data, n.start), n.end
	if comma := d.findComma(n.end, nextLine(d.data, n.end)); comma >= 0 {
		end = comma + 1
	}
	end = skipComment(d.data, end)
	end += countBlanks(d.data[end:])
	next := nextLine(d.data, end)
	if len(bytes.TrimSpace(d.data[start:n.start])) == 0 && len(bytes.TrimSpace(d.data[end:next])) == 0 {
		return d.replace(start, next, "")
	}
	return d.removeWithComma(n)
}

// removeWithComma removes an element of an inline table or list and one comma.
func (d *document) removeWithComma(n node) []byte {
	if comma := d.findComma(n.end, d.nodes[n.parent].end); comma >= 0 {
		return d.replace(n.start, comma+1+countBlanks(d.data[comma+1:]), "")
	}
	// n is the last element: remove the comma before it, if there is one.
	siblings := d.children(n.parent)
	if len(siblings) == 1 {
		return d.replace(n.start, n.end, "")
	}
	comma, start := d.findComma(siblings[len(siblings)-2].end, n.start), n.start
	for start > comma+1 && countBlanks(d.data[start-1:start]) > 0 {
		start--
	}
	return slices.Concat(d.data[:comma], d.data[comma+1:start], d.data[n.end:])
}

// countBlanks counts the blanks at the start of b.
func countBlanks(b []byte) int { return len(b) - len(bytes.TrimLeft(b, " \t")) }

func lineStart(data []byte, offset int) int { return bytes.LastIndexByte(data[:offset], '\n') + 1 }

// nextLine returns the start of the next line.
func nextLine(data []byte, offset int) int {
	if i := bytes.IndexByte(data[offset:], '\n'); i >= 0 {
		return offset + i + 1
	}
	return len(data)
}

// skipComment returns the end of the comment that follows offset, or offset if
// there is no comment.
func skipComment(data []byte, offset int) int {
	start := offset + countBlanks(data[offset:])
	if start == len(data) || data[start] != '#' {
		return offset
	}
	line := data[start:nextLine(data, start)]
	return start + len(bytes.TrimRight(line, "\r\n"))
}
