package elevate

import (
	"os"
	"path/filepath"
	"testing"

	"chrun/session/rootfs"
)

func TestRefuseTracing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "suid_dumpable")
	for value, refused := range map[string]bool{"0\n": false, "1\n": true, "2\n": false} {
		if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := refuseTracing(someone(t), rootfs.HostPath(file)); (err != nil) != refused {
			t.Errorf("%q: %v", value, err)
		}
	}
	if err := refuseTracing(someone(t), rootfs.HostPath(file+".missing")); err != nil {
		t.Error(err)
	}
}
