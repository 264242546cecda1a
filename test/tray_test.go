package test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// nameOwner is a Python program that acquires a name on the session bus, like the
// libraries of tray icons and media players. The name of a tray icon contains the
// process ID.
const nameOwner = `
import os, socket, struct, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(os.environ["DBUS_SESSION_BUS_ADDRESS"].split("path=")[1].split(",")[0])
s.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\nBEGIN\r\n")
def pad(b, n): return b + b"\0" * (-len(b) % n)
def string(v): return struct.pack("<I", len(v)) + v.encode() + b"\0"
def call(serial, member, body=b""):
    fields = [(1, b"o", "/org/freedesktop/DBus"), (2, b"s", "org.freedesktop.DBus"), (3, b"s", member), (6, b"s", "org.freedesktop.DBus")]
    f = b""
    for code, kind, v in fields: f = pad(f, 8) + bytes([code, 1]) + kind + b"\0" + string(v)
    if body: f = pad(f, 8) + bytes([8, 1]) + b"g\0\2su\0"
    s.sendall(pad(struct.pack("<4BIII", 108, 1, 0, 1, len(body), serial, len(f)) + f, 8) + body)
call(1, "Hello")
call(2, "RequestName", pad(string(sys.argv[1].replace("PID", str(os.getpid()))), 4) + struct.pack("<I", 4))
print(os.getpid(), flush=True)
time.sleep(60)
`

// A tray icon and a media player have names on the session bus. The host sees them,
// and gets the process ID of the program itself.
func TestTray(t *testing.T) {
	d := openDesktop(t, headless.Options{Bus: true, Home: makeHome(t, nil), Private: true})
	callBus := func(method, name string) string {
		out, _ := d.Output("gdbus", "call", "--session", "-d", "org.freedesktop.DBus", "-o", "/org/freedesktop/DBus",
			"-m", "org.freedesktop.DBus."+method, name)
		return out
	}
	for _, name := range []string{"org.kde.StatusNotifierItem-PID-1", "org.mpris.MediaPlayer2.test"} {
		ctx, cancel := context.WithCancel(context.Background())
		c := d.start(ctx, both, nil, "python3", "-c", nameOwner, name)
		var out safeBuffer
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 10*time.Second, name, func() bool { return strings.HasSuffix(out.String(), "\n") })
		pid := strings.TrimSpace(out.String())
		name := strings.Replace(name, "PID", pid, 1)
		waitFor(t, 10*time.Second, name, func() bool { return strings.Contains(callBus("NameHasOwner", name), "true") })
		if got := callBus("GetConnectionUnixProcessID", name); got != "(uint32 "+pid+",)" {
			t.Errorf("%s: the bus says process %s, inside it is %s", name, got, pid)
		}
		if line, err := os.ReadFile("/proc/" + pid + "/cmdline"); err != nil || !strings.HasPrefix(string(line), "python3\x00") {
			t.Errorf("process %s of the host is %q, %v", pid, line, err)
		}
		cancel()
		c.Wait()
	}
}
