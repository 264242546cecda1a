package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Origin is where a value is written in the configuration. The zero value says
// that no file has it.
type Origin struct {
	File string
	Line int // 0 if only the file is known
}

// String returns "FILE:LINE", "FILE" or "".
func (o Origin) String() string {
	if o.Line == 0 {
		return o.File
	}
	return o.File + ":" + strconv.Itoa(o.Line)
}

// A Setting is one value in the file of a chroot.
type Setting struct {
	Key     string // in the form that ParseEdit reads
	Value   string // as written: ~ is not expanded
	Element bool   // an element of a list
	Origin
}

// Origin returns where the file of the chroot gives key, in the form that
// ParseEdit reads, the value that it has in Settings; "" matches any value. For
// a chroot that For returned, the section of the command comes first.
func (c *Chroot) Origin(key, value string) Origin {
	if c.File == "" {
		return Origin{}
	}
	list := listSettings(c.File, c.data)
	for _, command := range slices.Backward(c.commands) {
		if o, ok := c.findOrigin(list, "app."+command+"."+key, value); ok {
			return o
		}
	}
	if o, ok := c.findOrigin(list, key, value); ok {
		return o
	}
	return Origin{File: c.File}
}

func (c *Chroot) findOrigin(list []Setting, key, value string) (Origin, bool) {
	for _, s := range list {
		if s.Key == key && (value == "" || s.Value == value || c.expandValue(key, s.Value) == value) {
			return s.Origin, true
		}
	}
	return Origin{}, false
}

// expandValue returns a value of the file as Settings has it.
func (c *Chroot) expandValue(key, value string) string {
	var expanded string
	switch key[strings.LastIndex(key, ".")+1:] {
	case "bind":
		expanded, _ = c.src.expandBind(value)
	case "path", "home":
		expanded, _ = c.src.expandAbsolute(value)
	}
	return expanded
}

// listSettings lists the values of a file that has no mistakes.
func listSettings(file string, data []byte) (list []Setting) {
	lines := lineCounter{data: data, line: 1}
	for _, n := range scan(data) {
		line := lines.at(n.start)
		if n.kind != unstable.String {
			continue
		}
		s := Setting{Value: n.text, Origin: Origin{file, line}}
		if key := n.key; n.parent >= 0 && n.value == n.start {
			s.Key, s.Element = strings.Join(key[:len(key)-1], "."), true
		} else {
			s.Key = strings.Join(key, ".")
		}
		list = append(list, s)
	}
	return list
}
