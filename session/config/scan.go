package config

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A node is an item of a file: a [header], KEY = VALUE, or an element of a list.
// The key of an element ends in its index. Positions are byte offsets.
type node struct {
	kind      unstable.Kind // Table, ArrayTable, or the kind of the value
	key       []string      // from the top of the file
	headerLen int           // the number of keys in the [header] of its section
	parent    int           // the index of the inline table or list around it, or -1
	start     int           // start of the key, or of the element
	value     int           // start of VALUE; 0 in a header
	end       int           // end of VALUE; in a header the end of the key
	text      string        // VALUE, if it is a string
}

// isHeader reports whether n is a [header].
func (n node) isHeader() bool { return n.value == 0 }

// scan finds all nodes of a file of valid TOML, in the order of the file.
func scan(data []byte) []node {
	s := scanner{data: data}
	var p unstable.Parser
	p.Reset(data)
	var head []string
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind == unstable.KeyValue {
			s.keyValue(head, len(head), -1, e)
			continue
		}
		n := node{kind: e.Kind, parent: -1}
		n.key, n.start, n.end = appendKey(nil, e)
		n.headerLen, head = len(n.key), n.key
		s.nodes = append(s.nodes, n)
	}
	return s.nodes
}

type scanner struct {
	data  []byte
	nodes []node
}

// appendKey appends the key of e to prefix, and returns the start and the end of
// the key in the file.
func appendKey(prefix []string, e *unstable.Node) (full []string, start, end int) {
	full = slices.Clone(prefix)
	for it := e.Key(); it.Next(); {
		raw := it.Node().Raw
		if len(full) == len(prefix) {
			start = int(raw.Offset)
		}
		end = int(raw.Offset + raw.Length)
		full = append(full, string(it.Node().Data))
	}
	return full, start, end
}

func (s *scanner) keyValue(prefix []string, head, parent int, e *unstable.Node) {
	v := e.Value()
	n := node{kind: v.Kind, headerLen: head, parent: parent}
	n.key, n.start, n.value = appendKey(prefix, e)
	n.value = s.skip(n.value, " \t=")
	n.end = int(e.Raw.Offset + e.Raw.Length)
	if v.Kind == unstable.String {
		n.text = string(v.Data)
	}
	s.nodes = append(s.nodes, n)
	index := len(s.nodes) - 1
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			s.keyValue(n.key, head, index, it.Node())
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); i++ {
			if c := it.Node(); c.Raw.Length > 0 { // the parser gives no position for a list in a list
				start := int(c.Raw.Offset)
				s.nodes = append(s.nodes, node{kind: c.Kind, key: append(slices.Clone(n.key), strconv.Itoa(i)), headerLen: head,
					parent: index, start: start, value: start, end: start + int(c.Raw.Length), text: string(c.Data)})
			}
		}
	}
}

func (s *scanner) skip(at int, chars string) int {
	for at < len(s.data) && strings.IndexByte(chars, s.data[at]) >= 0 {
		at++
	}
	return at
}

// A lineCounter finds the lines of ascending offsets.
type lineCounter struct {
	data   []byte
	offset int
	line   int // of offset
}

func (c *lineCounter) at(offset int) int {
	c.line += bytes.Count(c.data[c.offset:offset], []byte{'\n'})
	c.offset = offset
	return c.line
}

// lineIndex maps a key, joined with NULs, to its line.
type lineIndex map[string]int

const maxDepth = 4 // app.COMMAND.env.NAME

func indexLines(data []byte) lineIndex {
	l := lineIndex{}
	count := lineCounter{data: data, line: 1}
	for _, n := range scan(data) {
		line := count.at(n.start)
		for k := 1; k <= min(len(n.key), maxDepth); k++ {
			if name := strings.Join(n.key[:k], "\x00"); l[name] == 0 {
				l[name] = line
			}
		}
	}
	return l
}

// find returns the line of key, or of the innermost table or list around it; 0
// if there is none.
func (l lineIndex) find(key []string) int {
	for k := len(key); k > 0; k-- {
		if line := l[strings.Join(key[:k], "\x00")]; line > 0 {
			return line
		}
	}
	return 0
}
