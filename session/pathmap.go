package session

import (
	"path"
	"strings"
)

// PathMapFile says, inside, where on the host each place is: what opens files
// there on behalf of a program here reads it.
const PathMapFile = PrivateDir + "/path-map"

// places is that file: for each mount a line with its place inside and one with
// that on the host, which is empty if the host has it nowhere. A name with a
// newline is left out: what is there counts as being nowhere.
func (b *builder) places() Node {
	var data strings.Builder
	for _, m := range b.plan.Mounts {
		at := ""
		switch m.Kind {
		case FromHost:
			at = m.Source
		case FromTree:
			at = string(b.plan.Tree.Join(m.Source))
		}
		if strings.Contains(string(m.Dest), "\n") {
			continue
		}
		if strings.Contains(at, "\n") {
			at = ""
		}
		data.WriteString(string(m.Dest) + "\n" + at + "\n")
	}
	return Node{Path: strings.TrimPrefix(string(PathMapFile), "/"), Kind: Regular, Mode: 0o444, Data: []byte(data.String())}
}

// PathMap is what that file says.
type PathMap [][2]string

// ParsePathMap reads the content of PathMapFile.
func ParsePathMap(data []byte) (p PathMap) {
	lines := strings.Split(string(data), "\n")
	for ; len(lines) > 1; lines = lines[2:] {
		p = append(p, [2]string{lines[0], lines[1]})
	}
	return p
}

// Host is where on the host a path without symlinks is; "" if it is in no place
// of the host. The mount that covers it most closely counts, of two at one place
// the later.
func (p PathMap) FindOnHost(inside Path) HostPath {
	best, found := "", ""
	for _, m := range p {
		if inside.IsBelow(Path(m[0])) && len(m[0]) >= len(best) {
			best, found = m[0], m[1]
		}
	}
	if found == "" {
		return ""
	}
	return HostPath(path.Join(found, strings.TrimPrefix(string(inside), best)))
}
