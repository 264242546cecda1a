package export

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// Each number is done once, whatever the number of processors.
func TestInParallel(t *testing.T) {
	for n := range 40 {
		done := make([]int, n)
		if err := inParallel(n, func(i int) error { done[i]++; return nil }); err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(done, func(times int) bool { return times != 1 }) {
			t.Errorf("%d: %v", n, done)
		}
	}
	if err := inParallel(5, func(i int) error {
		if i == 3 {
			return unix.EIO
		}
		return nil
	}); !errors.Is(err, unix.EIO) {
		t.Errorf("error %v", err)
	}
}

// An icon that changes between plan and run is not copied: what was looked at is not
// what would be written. The next run copies the new one.
func TestIconChanges(t *testing.T) {
	const icon = "tree/usr/share/icons/hicolor/scalable/apps/viewer.svg"
	f := newFixture(t, map[string]string{"tree/usr/share/applications/viewer.desktop": viewer + "Icon=viewer\n", icon: "<svg/>"})
	set, err := Open(f.Host, "box", true)
	if err != nil {
		t.Fatal(err)
	}
	root, err := rootfs.Open(rootfs.HostPath(f.dir + "/tree"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	plan, err := set.Plan(root, Selection{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.dir+"/"+icon, []byte("<svg><!-- another --></svg>"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = set.Run(plan)
	if err == nil || !strings.Contains(err.Error(), "/usr/share/icons/hicolor/scalable/apps/viewer.svg has changed while it was copied") {
		t.Errorf("error %v", err)
	}
	target := f.DataHome + "/icons/hicolor/scalable/apps/viewer.svg"
	if data, err := os.ReadFile(target); err == nil {
		t.Errorf("the icon was written: %q", data)
	}
	set.Close()
	f.run(Selection{All: true})
	if data, err := os.ReadFile(target); string(data) != "<svg><!-- another --></svg>" {
		t.Errorf("the next run: %q, %v", data, err)
	}
}
