package menu

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"chrun/session"
)

// A profile that a program of the host uses decides where the window opens, without
// the bus. A lock whose process has ended, or is another program now, says nothing.
func TestProfileLock(t *testing.T) {
	home := t.TempDir()
	firefox := exec.Command("sleep", "60")
	firefox.Args[0] = "/usr/lib/firefox-esr/firefox-esr" // sleep ignores it
	chromium := exec.Command("sh", "-c", "read x", "/usr/lib/chromium/chromium")
	in, err := chromium.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for _, c := range []*exec.Cmd{firefox, chromium} {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { c.Process.Kill(); c.Wait() }()
	}
	for _, x := range []struct{ program, lock, target, want string }{
		{"firefox-esr", ".mozilla/firefox/x.default/lock", fmt.Sprintf("127.0.1.1:+%d", firefox.Process.Pid), "firefox-esr already runs on the host"},
		{"/usr/bin/chromium", ".config/chromium/SingletonLock", fmt.Sprintf("my-host-%d", chromium.Process.Pid), "chromium already runs on the host"},
		{"firefox", ".mozilla/firefox/x.default/lock", fmt.Sprintf("127.0.1.1:+%d", firefox.Process.Pid), "--new-instance"},
		{"chromium", ".config/chromium/SingletonLock", "my-host-999999999", ""},
		{"obsidian", ".config/obsidian/SingletonLock", fmt.Sprintf("h-%d", chromium.Process.Pid), ""}, // the number belongs to another program
		{"chromium", ".config/chromium/SingletonLock", "garbage", ""},
		{"firefox", ".mozilla/firefox/x.default/lock", "", ""},
	} {
		lock := filepath.Join(home, x.lock)
		if err := os.MkdirAll(filepath.Dir(lock), 0o755); err != nil {
			t.Fatal(err)
		}
		os.Symlink(x.target, lock)
		l := newLaunch(t, x.program)
		l.Home = session.HostPath(home)
		_, got := (&Pending{}).Finish(l)
		if !strings.Contains(got, x.want) || (got == "") != (x.want == "") {
			t.Errorf("%s with %q: %q, want %q", x.program, x.target, got, x.want)
		}
		if l.Home = ""; findProfileLock(l) != "" {
			t.Errorf("%s: a warning for another home", x.program)
		}
		os.Remove(lock)
	}
}
