package account

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"chrun/session/rootfs"
)

func makeHost(t *testing.T, files map[string]string) rootfs.HostPath {
	dir := t.TempDir()
	for name, data := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(data), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return rootfs.HostPath(dir)
}

func TestHost(t *testing.T) {
	const getent = `#!/bin/sh
[ "$*" = "passwd 1500" ] && echo 'alice:*:1500:100:Alice:/net/alice:/bin/zsh' || exit 2
`
	for _, c := range []struct {
		name  string
		files map[string]string
		uid   int
		want  string
	}{
		{"in the file", map[string]string{"etc/passwd": tree, "usr/bin/getent": "#!/bin/sh\nexit 1"}, 1000, "bob:x:1000:1000:Bob:/home/bob:/bin/zsh"},
		{"through getent", map[string]string{"etc/passwd": tree, "usr/bin/getent": getent}, 1500, "alice:x:1500:100:Alice:/net/alice:/bin/zsh"},
		{"getent in another directory", map[string]string{"bin/getent": getent}, 1500, "alice:x:1500:100:Alice:/net/alice:/bin/zsh"},
		{"unknown", map[string]string{"etc/passwd": tree, "usr/bin/getent": getent}, 1501, "1501:x:1501:7::/home/env:/bin/env-sh"},
		{"getent prints another account", map[string]string{"usr/bin/getent": "#!/bin/sh\necho root:x:0:0::/root:/bin/sh"}, 1501, "1501:x:1501:7::/home/env:/bin/env-sh"},
		{"no files", nil, 1500, "1500:x:1500:7::/home/env:/bin/env-sh"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := map[string]string{"HOME": "/home/env/", "SHELL": "/bin/env-sh"}
			if a := LookUpHostUID(c.uid, 7, makeHost(t, c.files), func(n string) string { return env[n] }); a.String() != c.want {
				t.Errorf("got %q, want %q", a, c.want)
			}
		})
	}
	a := LookUpHostUID(1, 7, makeHost(t, nil), func(string) string { return "relative" })
	if want := "1:x:1:7::/:/bin/sh"; a.String() != want {
		t.Errorf("got %q, want %q", a, want)
	}
}

// getent never answers, and has a child that keeps the pipe open.
func TestGetentHangs(t *testing.T) {
	host := makeHost(t, map[string]string{"usr/bin/getent": "#!/bin/sh\nsleep 4 & sleep 4"})
	begin := time.Now()
	if a := getent("passwd", "1500", host, 200*time.Millisecond); a != nil {
		t.Errorf("got %v", a)
	}
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("took %v", d)
	}
}
