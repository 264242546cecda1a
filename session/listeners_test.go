package session

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const unixTable = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 1001 /run/user/5/wayland-0
0000000000000000: 00000002 00000000 00010000 0001 01 1002 @/tmp/.X11-unix/X98765
0000000000000000: 00000003 00000000 00000000 0001 03 1003 /run/connected
0000000000000000: 00000002 00000000 00000000 0002 01 1004 /run/datagram
0000000000000000: 00000002 00000000 00010000 0005 01 1005 /run/seqpacket
0000000000000000: 00000002 00000000 00010000 0001 01 1006
0000000000000000: 00000002 00000000 00010000 0001 01 1007 /run/a  b 1007 c
0000000000000000: 00000002 00000000 00010000 0001 01 1008 relative-0
0000000000000000: 00000002 00000000 00010000 0001 01 1009 /inside/only/other-0
not a line
`

func TestUnixTable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "unix")
	os.WriteFile(file, []byte(unixTable), 0o644)
	want := map[string]bool{"/run/user/5/wayland-0": true, "@/tmp/.X11-unix/X98765": true, "/run/seqpacket": true, "/run/a  b 1007 c": true,
		"relative-0": true, "/inside/only/other-0": true}
	l := &Listeners{Names: readUnixTable(HostPath(file))}
	if !reflect.DeepEqual(l.Names, want) {
		t.Errorf("%v, want %v", l.Names, want)
	}
	for p, want := range map[HostPath]bool{
		"/run/user/5/wayland-0":   true,
		"/run/user/5/wayland-1":   false,
		"/tmp/.X11-unix/X98765":   false, // abstract only
		"/run/connected":          false,
		"/run/a  b 1007 c":        true,
		"/run/user/5/relative-0":  true, // bound in its directory
		"/run/user/5/other-0":     true, // bound in another mount namespace
		"/nowhere/else/seqpacket": true, // /run/seqpacket does not exist here
	} {
		if l.IsLive(p) != want {
			t.Errorf("IsLive(%s) = %v", p, !want)
		}
	}
	if names := readUnixTable(HostPath(file + "-missing")); len(names) != 0 {
		t.Error(names)
	}
}

// A real socket is recognised, also through a symlink and with blanks in its
// name. A socket without a server is not live, even if another socket of that
// name is.
func TestIsListening(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, d := range []string{"real", "other"} {
		os.Mkdir(filepath.Join(dir, d), 0o755)
	}
	os.Symlink("real", filepath.Join(dir, "link"))
	listen := func(p string, live bool) {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, p), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		if live {
			t.Cleanup(func() { l.Close() })
		} else {
			l.Close()
		}
	}
	listen("real/a b", true)
	listen("link/through", true)
	listen("other/a b", false)
	os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	c := &Caller{Listeners: LazyListeners()}
	for p, want := range map[string]bool{"real/a b": true, "link/a b": true, "link/through": true, "real/through": true,
		"other/a b": false, "file": false, "missing": false, "real": false} {
		if got := c.IsListening(HostPath(filepath.Join(dir, p))); got != want {
			t.Errorf("IsListening(%s) = %v", p, got)
		}
	}
}

// The file tells which socket is live, not its name: a server's socket may have
// been renamed, and another of that name may have lost its server.
func TestRenamedSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	old, renamed := filepath.Join(dir, "old"), filepath.Join(dir, "renamed")
	live := listenUnix(t, old)
	defer live.Close()
	if err := os.Rename(old, renamed); err != nil {
		t.Fatal(err)
	}
	listenUnix(t, old).Close()
	l := ReadListeners()
	if l.files == nil || hidesDevice(HostPath(old)) {
		t.Skip("the kernel does not tell which file a socket is")
	}
	if !l.IsLive(HostPath(renamed)) || l.IsLive(HostPath(old)) {
		t.Errorf("renamed: %v, old: %v", l.IsLive(HostPath(renamed)), l.IsLive(HostPath(old)))
	}
}

// listenUnix makes a listening socket whose file stays when it is closed.
func listenUnix(t *testing.T, p string) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	return l
}

// The kernel's answer has the names of the table.
func TestReadListeners(t *testing.T) {
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	names := []string{"@chrun test \x01" + dir, filepath.Join(dir, "a b"), filepath.Join(dir, "日本")}
	for _, name := range names {
		defer listenUnix(t, name).Close()
	}
	l, table := ReadListeners(), readUnixTable("/proc/net/unix")
	for _, name := range names {
		if !l.Names[name] {
			t.Errorf("%q is missing", name)
		}
	}
	for name := range table {
		if strings.HasPrefix(name, "@chrun test") || strings.HasPrefix(name, dir) {
			if !l.Names[name] && !strings.Contains(name, "chrun test") { // the table replaces control characters
				t.Errorf("%q is only in the table", name)
			}
		}
	}
	if l.files == nil {
		t.Error("sock_diag does not work")
	}
	if l.Names[filepath.Join(dir, "c")] || l.IsLive(HostPath(filepath.Join(dir, "c"))) {
		t.Error("a missing socket is live")
	}
}

// Sockets with a path ignore network namespaces, but each has its own list.
func TestListenersElsewhere(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make a network namespace here")
	}
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	live, dead := filepath.Join(dir, "live"), filepath.Join(dir, "dead")
	defer listenUnix(t, live).Close()
	listenUnix(t, dead).Close()
	done := make(chan *Listeners)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
		}
		l := ReadListeners()
		l.IsLive(HostPath(dead)) // reads the other table with this thread
		done <- l
	}()
	l := <-done
	if len(l.files) > 0 || !l.IsLive(HostPath(live)) || l.IsLive(HostPath(dead)) {
		t.Errorf("%v", l)
	}
}

func FuzzSockDiag(f *testing.F) {
	message := make([]byte, unix.SizeofNlMsghdr+messageSize+8)
	binary.NativeEndian.PutUint32(message, uint32(len(message)))
	binary.NativeEndian.PutUint16(message[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(message[unix.SizeofNlMsghdr+messageSize:], 8)
	copy(message[len(message)-4:], "/a/b")
	f.Add(message)
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &Listeners{Names: map[string]bool{}, files: map[fileID]bool{}}
		l.parse(data)
	})
}
