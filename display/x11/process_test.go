package x11

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"chrun/session"
)

// writeProcess adds a process with a command line and an environment to proc.
func writeProcess(t *testing.T, proc string, pid int, cmdline, environ []string) {
	t.Helper()
	dir := filepath.Join(proc, strconv.Itoa(pid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string][]string{"cmdline": cmdline, "environ": environ} {
		data := strings.Join(append(list, ""), "\x00")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindServers(t *testing.T) {
	proc := t.TempDir()
	writeProcess(t, proc, 7, []string{"/usr/lib/xorg/Xorg", "vt2", "-displayfd", "3", "-auth", "/run/gdm/x", "-noreset"}, nil)
	writeProcess(t, proc, 12, []string{"Xvfb", ":99", "-screen", "0", "1x1x24", "-auth", "x/../auth"}, nil)
	writeProcess(t, proc, 13, []string{"/usr/bin/Xwayland", ":1", "-rootless"}, nil)
	writeProcess(t, proc, 14, []string{"xinit", "--", "/usr/bin/X", ":0", "-auth", "/no"}, nil)
	writeProcess(t, proc, 15, []string{"X", ":x", "-auth"}, nil)
	writeProcess(t, proc, 16, nil, nil) // a kernel thread
	if err := os.Mkdir(filepath.Join(proc, "17"), 0o755); err != nil {
		t.Fatal(err)
	}
	uid := os.Getuid()
	want := []Server{
		{uid, -1, ""},
		{uid, 1, ""},
		{uid, 99, session.HostPath(proc + "/12/cwd/x/../auth")},
		{uid, -1, "/run/gdm/x"},
	}
	if got := FindServers(session.HostPath(proc), uid); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if got := FindServers(session.HostPath(proc+"/none"), uid); got != nil {
		t.Errorf("without /proc: %+v", got)
	}
	if got := FindServers(session.HostPath(proc), uid+1); uid != 0 && got != nil {
		t.Errorf("for another user: %+v", got)
	}
}

func TestLockHolder(t *testing.T) {
	dir := t.TempDir()
	proc, tmp := filepath.Join(dir, "proc"), filepath.Join(dir, "tmp")
	writeProcess(t, proc, 12, []string{"Xvfb", ":99", "-auth", "/a"}, nil)
	writeProcess(t, proc, 13, []string{"sway"}, nil)
	writeProcess(t, proc, 14, []string{"Xorg", "-displayfd", "3", "-auth", "/b"}, nil)
	if err := os.Mkdir(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, line := range map[string]string{
		".X99-lock": "        12\n", ".X98-lock": "        12\n", ".X1-lock": "        13\n", ".X2-lock": "        14\n",
		".X3-lock": "       999\n", ".X4-lock": "", ".X5-lock": "../13\n", ".X6-lock": "        13\n\n\n\n",
	} {
		if err := os.WriteFile(filepath.Join(tmp, name), []byte(line), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(".X99-lock", filepath.Join(tmp, ".X7-lock")); err != nil {
		t.Fatal(err)
	}
	uid := os.Getuid()
	for number, want := range map[int]*Server{
		99: {uid, 99, "/a"}, 1: {uid, 1, ""}, 2: {uid, 2, "/b"}, 6: {uid, 6, ""},
		98: nil, 3: nil, 4: nil, 5: nil, 7: nil, 8: nil,
	} {
		got, ok := FindServerByLock(session.HostPath(tmp), session.HostPath(proc), number, uid)
		if ok != (want != nil) || ok && got != *want {
			t.Errorf("display %d: %+v, %v, want %+v", number, got, ok, want)
		}
	}
}

func TestEnvironments(t *testing.T) {
	proc := t.TempDir()
	writeProcess(t, proc, 5, nil, []string{"A=old"})
	writeProcess(t, proc, 50, nil, []string{"A=new", "DISPLAY=:0"})
	if err := os.WriteFile(filepath.Join(proc, "50", "environ"), []byte("A=new\x00DISPLAY=:0\x00B=cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	for env := range ReadEnvironments(session.HostPath(proc), os.Getuid()) {
		got = append(got, env.Get("A")+env.Get("DISPLAY")+env.Get("B"))
	}
	if want := []string{"new:0", "old"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
