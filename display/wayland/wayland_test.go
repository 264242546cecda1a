package wayland

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session"
)

func TestPath(t *testing.T) {
	long := "/" + strings.Repeat("x", MaxPath-1)
	for _, tt := range []struct {
		name string
		dir  session.HostPath
		want session.HostPath // "": an error
	}{
		{"wayland-0", "/run/user/1500", "/run/user/1500/wayland-0"},
		{"sub/wayland-7", "/run/user/1500", "/run/user/1500/sub/wayland-7"},
		{"/tmp/w/wl", "/run/user/1500", "/tmp/w/wl"},
		{"/tmp/w/wl", "", "/tmp/w/wl"},
		{"wayland-0", "", ""},
		{"", "/run/user/1500", ""},
		{long, "", session.HostPath(long)},
		{long + "x", "", ""},
		{strings.Repeat("x", MaxPath-2), "/r", ""},
		{strings.Repeat("x", MaxPath-3), "/r", session.HostPath("/r/" + strings.Repeat("x", MaxPath-3))},
	} {
		got, err := SocketPath(tt.name, tt.dir)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("SocketPath(%q, %q) = %q, %v, want %q", tt.name, tt.dir, got, err, tt.want)
		}
	}
}

func TestSocket(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	unix.CloseOnExec(pair[1]) // like chrun's own descriptors
	file, err := unix.Open("/dev/null", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(file)
	good := strconv.Itoa(pair[0])
	if fd, err := ParseSocketVariable(good); fd != pair[0] || err != nil {
		t.Errorf("ParseSocketVariable(%s) = %d, %v", good, fd, err)
	}
	for _, bad := range []string{
		"", "12x", " 3", "+3", "-1", "x", "99999", "4294967296", "99999999999999999999",
		good + " ", "+" + good, strconv.Itoa(pair[0] + 1<<32),
		strconv.Itoa(pair[1]), strconv.Itoa(file),
	} {
		if fd, err := ParseSocketVariable(bad); err == nil || fd != -1 {
			t.Errorf("ParseSocketVariable(%q) = %d, %v, want an error", bad, fd, err)
		}
	}
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"wayland-10", "wayland-2", "wayland-0", "wayland-0.lock", "wayland-kiosk", "wayland", "pipewire-0"} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"wayland-0", "wayland-2", "wayland-10", "wayland-kiosk"}
	if got := ListSocketNames(session.HostPath(dir)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := ListSocketNames(""); got != nil {
		t.Errorf("without a directory: %q", got)
	}
}
