package processes

import (
	"os"
	"os/exec"
	"reflect"
	"testing"
	"time"

	"chrun/session/rootfs"
)

func TestParseStat(t *testing.T) {
	for line, want := range map[string]stat{
		"7 (a) b) R (c) S 5 7 7 34816 7 4194304 1 2 3 4 5 6 7 8 20 0 1 0 777 9 9": {"a) b) R (c", "S", 5, 34816, 777},
		"7 () Z 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0":                      {"", "Z", 1, 0, 1},
	} {
		if got, ok := parseStat(line); !ok || got != want {
			t.Errorf("%q: %v, %+v", line, ok, got)
		}
	}
	for _, line := range []string{"", "7", "7 (", "7 ) (", "7 (a) S 1", "7 (a) S x 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0"} {
		if got, ok := parseStat(line); ok {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func TestParseMounts(t *testing.T) {
	table := parseMounts([]byte("1 0 8:1 / / rw - ext4 d rw\nbroken\n2 1 8:2 /a\\040b /mnt/c\\134d rw shared:1 - x d rw\n3 1 0:9 / / rw - tmpfs t rw\n"))
	want := []mount{{"1", location{"8:1", "/"}, "/"}, {"2", location{"8:2", "/a b"}, `/mnt/c\d`}, {"3", location{"0:9", "/"}, "/"}}
	if !reflect.DeepEqual(table, want) {
		t.Errorf("%+v", table)
	}
	if root := rootOf(table); root != (location{"0:9", "/"}) {
		t.Errorf("root %+v", root)
	}
	if at, err := locate("/tmp", []mount{}); err == nil {
		t.Error(at)
	}
}

func TestContains(t *testing.T) {
	tree := location{"8:1", "/a/b"}
	for l, want := range map[location]bool{{"8:1", "/a/b"}: true, {"8:1", "/a/b/c"}: true, {"8:1", "/a/bc"}: false, {"8:1", "/a"}: false,
		{"8:1", "/"}: false, {"8:2", "/a/b"}: false} {
		if tree.contains(l) != want {
			t.Errorf("%+v: %v", l, !want)
		}
	}
}

// The running system is no tree, and a tree without processes has none: not those
// of the host.
func TestHostIsNoTree(t *testing.T) {
	if found, err := Scan([]rootfs.HostPath{"/"}); err == nil {
		t.Error(found)
	}
	if e, err := End("/", time.Second); err == nil {
		t.Error(e)
	}
	for _, dir := range []rootfs.HostPath{rootfs.HostPath(t.TempDir()), "/nowhere"} {
		if found, err := Scan([]rootfs.HostPath{dir}); err != nil || len(found.In[dir]) > 0 {
			t.Errorf("%s: %+v, %v", dir, found, err)
		}
	}
}

// A signal goes to the process that was found, not to another with its number.
func TestSignalIdentity(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	c, ok := readCandidate(cmd.Process.Pid)
	if !ok || c.UID != os.Getuid() || time.Since(c.Since) > time.Minute || time.Since(c.Since) < -time.Second {
		t.Fatalf("%v, %+v", ok, c)
	}
	other := c.Process
	other.ticks--
	if err := other.signal(9); err == nil {
		t.Error("another process was signalled")
	}
	if err := c.Process.signal(0); err != nil {
		t.Error(err)
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add([]byte("1 0 8:1 / / rw - ext4 d rw\n2 1 8:2 /a\\040b /mnt rw - x d rw"), "7 (a) S 5 7 7 34816 7 4194304 1 2 3 4 5 6 7 8 20 0 1 0 777 9 9")
	f.Fuzz(func(t *testing.T, table []byte, line string) {
		rootOf(parseMounts(table))
		parseStat(line)
	})
}
