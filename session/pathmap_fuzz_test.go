package session

import (
	"path"
	"strings"
	"testing"
)

// A path inside leads below what the map names, or nowhere.
func FuzzPathMap(f *testing.F) {
	f.Add([]byte("/\n/tree\n/home/a\n/home/a\n/run\n\n"), "/home/a/file")
	f.Add([]byte("/x\n/../y\n\n"), "/x/../..")
	f.Fuzz(func(t *testing.T, data []byte, inside string) {
		m := ParsePathMap(data)
		if len(m) > strings.Count(string(data), "\n") {
			t.Errorf("%d pairs of %q", len(m), data)
		}
		if !path.IsAbs(inside) || path.Clean(inside) != inside {
			return // callers pass only such paths
		}
		host := m.FindOnHost(Path(inside))
		if host == "" {
			return
		}
		for _, pair := range m {
			if !path.IsAbs(pair[1]) || host.IsBelow(HostPath(path.Clean(pair[1]))) {
				return
			}
		}
		t.Errorf("%q leads to %q", inside, host)
	})
}
