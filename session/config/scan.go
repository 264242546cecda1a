package config

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A node is where something is said in a file: a [header], KEY = VALUE, or an
// element of a list, whose key ends in its index.
type node struct {
	kind   unstable.Kind // Table, ArrayTable, or that of the value
	key    []string      // in full
	head   int           // how many of key the [header] above has
	parent int           // the inline table or list that it is in; -1
	start  int           // of the key (of the element)
	value  int           // of VALUE
	end    int           // behind VALUE; in a header behind the key
	text   string        // VALUE, if it is a string
}

// scan finds all nodes, in the order of the file, which is known to be TOML.
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
		n.key, n.start, n.end = keys(nil, e)
		n.head, head = len(n.key), n.key
		s.nodes = append(s.nodes, n)
	}
	return s.nodes
}

type scanner struct {
	data  []byte
	nodes []node
}

// keys appends the key of e to prefix, and says where it starts and ends.
func keys(prefix []string, e *unstable.Node) (full []string, start, end int) {
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
	n := node{kind: v.Kind, head: head, parent: parent}
	n.key, n.start, n.value = keys(prefix, e)
	n.value = s.skip(n.value, " \t=")
	n.end = int(e.Raw.Offset + e.Raw.Length)
	if v.Kind == unstable.String {
		n.text = string(v.Data)
	}
	s.nodes = append(s.nodes, n)
	me := len(s.nodes) - 1
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			s.keyValue(n.key, head, me, it.Node())
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); i++ {
			if c := it.Node(); c.Raw.Length > 0 { // a list in a list has none
				at := int(c.Raw.Offset)
				s.nodes = append(s.nodes, node{kind: c.Kind, key: append(slices.Clone(n.key), strconv.Itoa(i)), head: head,
					parent: me, start: at, value: at, end: at + int(c.Raw.Length), text: string(c.Data)})
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

// lines knows the line of each key.
type lines map[string]int

const deepest = 4 // app.COMMAND.env.NAME

func newLines(data []byte) lines {
	l := lines{}
	count := lineCounter{data: data, line: 1}
	for _, n := range scan(data) {
		line := count.at(n.start)
		for k := 1; k <= min(len(n.key), deepest); k++ {
			if name := strings.Join(n.key[:k], "\x00"); l[name] == 0 {
				l[name] = line
			}
		}
	}
	return l
}

// of is the line where the key at where is set, or what it is in; 0 if
// neither is.
func (l lines) of(where []string) int {
	for k := len(where); k > 0; k-- {
		if line := l[strings.Join(where[:k], "\x00")]; line > 0 {
			return line
		}
	}
	return 0
}
