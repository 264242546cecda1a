package account

import (
	"os"
	"testing"

	"chrun/session/rootfs"
)

func TestSubIDs(t *testing.T) {
	const file = "alice:100000:65536\nbob:200000:65536\n1500:300000:10\n\nalice:x:1\nalice:0:5\nalice:4294967290:100\nalice:1:0\nalice:500000:65536:x\n alice:400000:1 \n"
	got := parseSubIDs([]byte(file), "alice", 1500)
	want := []Range{{100000, 65536}, {300000, 10}, {400000, 1}}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

func TestIDMaps(t *testing.T) {
	for _, c := range []struct {
		name string
		m    IDMap
		want string
	}{
		{"one", MapOne(1000, 1500), "1000 1500 1\n"},
		{"subordinate", MapSubordinate(Range{100000, 65536}, 1500, 1500), "0 100000 1500\n1500 1500 1\n1501 101501 64035\n"},
		{"the last one is the caller", MapSubordinate(Range{100000, 1001}, 1000, 7), "0 100000 1000\n1000 7 1\n"},
		{"the caller is after the range", MapSubordinate(Range{100000, 10}, 1000, 7), "0 100000 10\n1000 7 1\n"},
		{"exchange", MapSwap(1000, 1500), "0 0 1000\n1000 1500 1\n1001 1001 499\n1500 1000 1\n1501 1501 4294965794\n"},
		{"neighbours", MapSwap(1501, 1500), "0 0 1500\n1500 1501 1\n1501 1500 1\n1502 1502 4294965793\n"},
		{"nothing", MapSwap(5, 5), "0 0 4294967295\n"},
	} {
		if got := c.m.String(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	m := MapSubordinate(Range{100000, 65536}, 1500, 77)
	for outside, inside := range map[int]int{100000: 0, 101499: 1499, 77: 1500, 101501: 1501, 165535: 65535, 101500: -1, 165536: -1} {
		if got := m.ToInside(outside); got != inside {
			t.Errorf("%d is %d inside, want %d", outside, got, inside)
		}
	}
}

// The command gives IDs that neither file gives to anybody.
func TestSubIDCommand(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(root+"/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	const none, used = "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 me", "sudo usermod --add-subuids 231072-296607 --add-subgids 231072-296607 me"
	if got := SubIDCommand("me", 0, rootfs.HostPath(root)); got != none {
		t.Error(got)
	}
	for file, text := range map[string]string{"subuid": "a:100000:65536\nnonsense\n", "subgid": "a:100000:65536\n7:165536:65536\n"} {
		if err := os.WriteFile(root+"/etc/"+file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := SubIDCommand("me", 0, rootfs.HostPath(root)); got != used {
		t.Error(got)
	}
	if got := SubIDCommand("me", 100000, rootfs.HostPath(root)); got != none {
		t.Error(got)
	}
}
