package session

import (
	"path"
	"strings"
)

// PathMapFile is the file inside that tells which host path each path inside
// has. It serves a program that opens files on the host.
const PathMapFile = PrivateDir + "/path-map"

// pathMapNode returns the file: for each mount a line with its path inside and a
// line with its path on the host, which is empty if there is none. Host paths
// with a newline count as none, and mounts on a path with a newline are left out.
func (b *builder) pathMapNode() Node {
	data := make([]byte, 0, 64*len(b.plan.Mounts))
	for _, m := range b.plan.Mounts {
		host := ""
		switch m.Kind {
		case FromHost:
			host = m.Source
		case FromTree:
			host = string(b.plan.Tree.Join(m.Source))
		}
		if strings.Contains(string(m.Dest), "\n") {
			continue
		}
		if strings.Contains(host, "\n") {
			host = ""
		}
		data = append(append(append(append(data, m.Dest...), '\n'), host...), '\n')
	}
	return Node{Path: strings.TrimPrefix(string(PathMapFile), "/"), Kind: Regular, Mode: 0o444, Data: data}
}

// PathMap is the content of PathMapFile: pairs of a path inside and one on the
// host, in the order of the mounts.
type PathMap [][2]string

// ParsePathMap parses the content of PathMapFile.
func ParsePathMap(data []byte) (m PathMap) {
	lines := strings.Split(string(data), "\n")
	for ; len(lines) > 1; lines = lines[2:] {
		m = append(m, [2]string{lines[0], lines[1]})
	}
	return m
}

// FindOnHost returns the host's path of a path inside without symlinks, or "" if
// the host has none. The deepest mount decides; of two mounts at one path, the
// later.
func (m PathMap) FindOnHost(inside Path) HostPath {
	mountPoint, host := "", ""
	for _, pair := range m {
		if inside.IsBelow(Path(pair[0])) && len(pair[0]) >= len(mountPoint) {
			mountPoint, host = pair[0], pair[1]
		}
	}
	if host == "" {
		return ""
	}
	return HostPath(path.Join(host, strings.TrimPrefix(string(inside), mountPoint)))
}
