package desktop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"chrun/internal/headless"
	"chrun/session"
)

// notifications is a notification server that hands over what it is sent.
type notifications chan string

func (n notifications) Notify(app string, replaces uint32, icon, summary, body string, actions []string, hints map[string]dbus.Variant, expires int32) (uint32, *dbus.Error) {
	n <- fmt.Sprintf("%s %d %s|%s|%s|%v %v %d", app, replaces, icon, summary, body, actions, hints, expires)
	return 1, nil
}

func TestNotify(t *testing.T) {
	const limit = 20 * time.Second
	dir := t.TempDir()
	caller := &session.Caller{UID: os.Getuid(), Host: "/", Listeners: session.LazyListeners(), Env: session.Environ{"DBUS_SESSION_BUS_ADDRESS=unix:path=" + dir + "/bus"}}
	if err := Notify(caller, "", "chrun", "text", limit, 0); err != errNoBus {
		t.Errorf("without a bus: %v", err)
	}
	if OwnsBusName(caller, "org.freedesktop.DBus", limit) {
		t.Error("a name is owned without a bus")
	}
	c := exec.Command("dbus-daemon", "--session", "--nofork", "--address=unix:path="+filepath.Join(dir, "bus"), "--print-address")
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	headless.Must(t, "desktop", err)
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	out.Read(make([]byte, 100)) // it prints its address when it listens
	caller.Listeners = session.LazyListeners()

	const name = "org.freedesktop.Notifications"
	server, err := dbus.Connect("unix:path=" + dir + "/bus")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if OwnsBusName(caller, name, limit) {
		t.Error("the name is owned too early")
	}
	sent := make(notifications, 2)
	if err := server.Export(sent, "/org/freedesktop/Notifications", name); err != nil {
		t.Fatal(err)
	}
	if _, err := server.RequestName(name, 0); err != nil {
		t.Fatal(err)
	}
	if !OwnsBusName(caller, name, limit) {
		t.Error("the name is not owned")
	}
	for _, test := range []struct {
		app, body string
		shown     time.Duration
		want      string
	}{
		{"", "a text", 0, "chrun 0 dialog-error|title|a text|[] map[] -1"},
		{"org.x.App", "not\x00UTF-8: \xff", 50 * time.Millisecond, `chrun 0 dialog-error|title|notUTF-8: �|[] map[desktop-entry:"org.x.App"] -1`},
	} {
		begin := time.Now()
		if err := Notify(caller, test.app, "title", test.body, limit, test.shown); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < test.shown {
			t.Errorf("it was connected for %v, want %v", took, test.shown)
		}
		if got := <-sent; got != test.want {
			t.Errorf("sent %q, want %q", got, test.want)
		}
	}
}
