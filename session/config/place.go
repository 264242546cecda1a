package config

import (
	"bytes"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A layout is the content of a file and where things are in it.
type layout struct {
	data  []byte
	nodes []node
	eol   string
}

func newLayout(data []byte) *layout {
	l := &layout{data: data, nodes: scan(data), eol: "\n"}
	if i := bytes.IndexByte(data, '\n'); i > 0 && data[i-1] == '\r' {
		l.eol = "\r\n"
	}
	return l
}

// ways are contents with the edit made, the first the one that fits best.
func (e *Edit) ways(data []byte) [][]byte {
	l := newLayout(data)
	if e.Op == Unset {
		return [][]byte{remove(data, e.Key)}
	}
	i := slices.IndexFunc(l.nodes, func(n node) bool { return n.value > 0 && slices.Equal(n.key, e.Key) })
	switch {
	case i >= 0 && e.Op == Add && l.nodes[i].kind == unstable.Array:
		return [][]byte{l.extend(i, e)}
	case i >= 0:
		n := l.nodes[i]
		return [][]byte{l.replace(n.value, n.end, format(e.Value))}
	}
	var all [][]byte
	for k := len(e.Key) - 1; k > 0; k-- {
		all = append(all, l.insert(e.Key[:k], e)...)
	}
	if top := e.Key[0]; top != "app" {
		all = append(all, l.insertTop(e))
	}
	return append(all, l.section(e.Key[:max(1, min(2, len(e.Key)-1))], e))
}

// replace is the content with text in the place of what is between from and to.
func (l *layout) replace(from, to int, text string) []byte {
	return slices.Concat(l.data[:from], []byte(text), l.data[to:])
}

// say is the edit as a line in the table that has the first n words of its key.
func (e *Edit) say(n int) string { return quoteKey(e.Key[n:]) + " = " + format(e.Value) }

// insert puts the edit where table is already said something of.
func (l *layout) insert(table []string, e *Edit) (all [][]byte) {
	after := -1
	for i, n := range l.nodes {
		has := len(n.key) >= len(table) && slices.Equal(n.key[:len(table)], table)
		switch {
		case !has:
		case len(n.key) == len(table) && n.kind == unstable.InlineTable:
			return [][]byte{l.inline(i, e)}
		case len(n.key) == len(table) && n.kind == unstable.Table:
			return [][]byte{l.line(l.lastOf(i), e.say(len(table)))}
		case n.parent < 0 && n.value > 0 && n.head < len(table):
			after = i
		}
	}
	if after >= 0 {
		all = [][]byte{l.line(after, e.say(l.nodes[after].head))}
	}
	return all
}

// lastOf is the last node of the section with the header i, or i.
func (l *layout) lastOf(i int) int {
	for j := i + 1; j < len(l.nodes) && l.nodes[j].value > 0; j++ {
		if l.nodes[j].parent < 0 {
			i = j
		}
	}
	return i
}

// line puts a line of its own behind that of node i, with its indentation.
func (l *layout) line(i int, text string) []byte {
	n := l.nodes[i]
	begin := lineStart(l.data, n.start)
	indent := l.data[begin : begin+blank(l.data[begin:])]
	at := lineEnd(l.data, n.end)
	return l.lineAt(at, string(indent)+text)
}

// lineAt puts a line of its own at the start of a line, or at the end.
func (l *layout) lineAt(at int, text string) []byte {
	if at > 0 && l.data[at-1] != '\n' {
		text = l.eol + text
	}
	return l.replace(at, at, text+l.eol)
}

// insertTop puts the edit at the end of what is before the first header, and
// of the comment that belongs to it.
func (l *layout) insertTop(e *Edit) []byte {
	header := slices.IndexFunc(l.nodes, func(n node) bool { return n.value == 0 })
	switch {
	case len(l.nodes) == 0:
		return l.lineAt(len(l.data), e.say(0))
	case header != 0:
		return l.line(l.lastOf(0), e.say(0))
	}
	at := lineStart(l.data, l.nodes[0].start)
	for at > 0 {
		above := lineStart(l.data, at-1)
		if l.data[above+blank(l.data[above:])] != '#' {
			break
		}
		at = above
	}
	return l.lineAt(at, e.say(0))
}

// section puts the edit into a new section at the end.
func (l *layout) section(table []string, e *Edit) []byte {
	head := "[" + quoteKey(table) + "]" + l.eol
	if len(l.data) > 0 {
		head = l.eol + head
	}
	return l.lineAt(len(l.data), head+e.say(len(table)))
}

// inline puts the edit into the inline table i.
func (l *layout) inline(i int, e *Edit) []byte {
	n, last := l.nodes[i], -1
	for j, c := range l.nodes {
		if c.parent == i {
			last = j
		}
	}
	text := e.say(len(n.key))
	if last < 0 {
		return l.replace(n.value+1, n.value+1, " "+text+" ")
	}
	end := l.nodes[last].end
	return l.replace(end, end, ", "+text)
}

// extend puts the edit's elements into the list i, a line each if its elements
// have lines of their own.
func (l *layout) extend(i int, e *Edit) []byte {
	n, last := l.nodes[i], -1
	var have []any
	for j, c := range l.nodes {
		if c.parent == i {
			last = j
			have = append(have, c.text)
		}
	}
	list := format(e.missing(have))
	list = list[1 : len(list)-1]
	if last < 0 {
		return l.replace(n.value+1, n.value+1, list)
	}
	c := l.nodes[last]
	begin := lineStart(l.data, c.start)
	indent := l.data[begin:c.start]
	if begin <= n.value || blank(indent) < len(indent) {
		return l.replace(c.end, c.end, ", "+list)
	}
	sep := "," + l.eol + string(indent)
	var words []string
	for _, v := range e.missing(have) {
		words = append(words, format(v))
	}
	list = l.eol + string(indent) + strings.Join(words, sep)
	comma := l.comma(c.end, n.end)
	if comma >= 0 { // one at the end stays one at the end
		at := lineTail(l.data, comma+1)
		return l.replace(at, at, list+",")
	}
	at := lineTail(l.data, c.end)
	return l.replace(c.end, at, ","+string(l.data[c.end:at])+list)
}

// comma finds the comma between at and end, but for comments; -1 if there is
// none.
func (l *layout) comma(at, end int) int {
	for ; at < end; at++ {
		switch l.data[at] {
		case ',':
			return at
		case '#':
			at = lineEnd(l.data, at) - 1
		case ' ', '\t', '\r', '\n':
		default:
			return -1
		}
	}
	return -1
}

// remove takes away what is at key and below: lines as a whole.
func remove(data []byte, key []string) []byte {
	for {
		l := newLayout(data)
		last := -1
		for i, n := range l.nodes {
			element := n.parent >= 0 && l.nodes[n.parent].kind == unstable.Array
			inside := n.parent >= 0 && len(l.nodes[n.parent].key) >= len(key) && slices.Equal(l.nodes[n.parent].key[:len(key)], key)
			if len(n.key) >= len(key) && slices.Equal(n.key[:len(key)], key) && !element && !inside {
				last = i
			}
		}
		if last < 0 {
			return data
		}
		if n := l.nodes[last]; n.parent < 0 {
			data = l.replace(lineStart(data, n.start), lineEnd(data, n.end), "")
		} else {
			data = l.cut(n)
		}
	}
}

// cut takes an element of an inline table away, with one comma.
func (l *layout) cut(n node) []byte {
	end := l.nodes[n.parent].end
	if comma := l.comma(n.end, end); comma >= 0 {
		return l.replace(n.start, comma+1+blank(l.data[comma+1:]), "")
	}
	// It is the last one: the comma is behind that before it, if any.
	before := -1
	for i, c := range l.nodes {
		if c.parent == n.parent && c.end < n.start {
			before = i
		}
	}
	if before < 0 {
		return l.replace(n.start, n.end, "")
	}
	comma, start := l.comma(l.nodes[before].end, n.start), n.start
	for start > comma+1 && blank(l.data[start-1:start]) > 0 {
		start--
	}
	return slices.Concat(l.data[:comma], l.data[comma+1:start], l.data[n.end:])
}

// blank counts the blanks at the start of b.
func blank(b []byte) int { return len(b) - len(bytes.TrimLeft(b, " \t")) }

func lineStart(data []byte, at int) int { return bytes.LastIndexByte(data[:at], '\n') + 1 }

// lineEnd is the start of the next line.
func lineEnd(data []byte, at int) int {
	if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(data)
}

// lineTail is the end of a comment at at, else at.
func lineTail(data []byte, at int) int {
	c := at + blank(data[at:])
	if c == len(data) || data[c] != '#' {
		return at
	}
	end := lineEnd(data, c)
	return c + len(bytes.TrimRight(data[c:end], "\r\n"))
}
