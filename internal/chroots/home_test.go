package chroots

import (
	"os"
	"path/filepath"
	"testing"

	"chrun/desktop/export"
	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// Programs inside see the entries of the home that a launch would use, before those
// of the system. They are never the host's, nor chrun's.
func TestHomeEntries(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	entry := func(name, exec string) string {
		return "[Desktop Entry]\nType=Application\nName=" + name + "\nExec=" + exec + "\n"
	}
	home := dir + "/home/ann"
	c := &session.Caller{UID: 1234, Account: account.Account{Name: "ann", UID: 1234, Home: home}, Env: session.Environ{"HOME=" + home}}
	store := cli.DataDir(c) + "/homes/box"
	store, _ = filepath.Rel(dir, store)
	const applications = "/.local/share/applications/"
	write("tree/usr/share/applications/app.desktop", entry("System", "app"))
	write("tree/usr/share/applications/env.desktop", entry("Env", "env A=b /usr/bin/chrun x"))
	write("tree/etc/passwd", "ann:x:1234:1234::/home/inside:/bin/sh\n")
	write("tree/home/inside"+applications+"app.desktop", entry("Own", "app"))
	write("other"+applications+"app.desktop", entry("Other", "app"))
	write("home/ann"+applications+"app.desktop", entry("Host", "app"))
	find := func(setting string) (name string, n int) {
		t.Helper()
		root, err := rootfs.Open(rootfs.HostPath(dir + "/tree"))
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		ch := &config.Chroot{Name: "box", Path: rootfs.HostPath(dir + "/tree")}
		ch.Home = setting
		useHome(c, ch, root)
		list := export.ListApps(root)
		for _, a := range list {
			if a.ID == "app" {
				name = a.Entry.String("Name")
			}
		}
		return name, len(list)
	}
	for setting, want := range map[string]string{"": "Own", "auto": "Own", "private": "System", "host": "System", "temporary": "System", home: "System", dir + "/other": "Other", dir + "/none": "System"} {
		if got, n := find(setting); got != want || n != 1 {
			t.Errorf("home=%s: %s, %d", setting, got, n)
		}
	}
	write(store+applications+"app.desktop", entry("Private", "app"))
	write(store+applications+"exported.desktop", entry("Exported", "/usr/local/bin/chrun -c box --app x x"))
	write(store+applications+"wine/Programs/7-Zip/7-Zip File Manager.desktop", entry("Zip", "env A=b wine x"))
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, store+applications+"passwd.desktop")); err != nil {
		t.Fatal(err)
	}
	for setting, want := range map[string]string{"": "Private", "private": "Private", "host": "System"} {
		if got, _ := find(setting); got != want {
			t.Errorf("home=%s: %s", setting, got)
		}
	}
	if _, n := find(""); n != 3 { // a link leads nowhere, and is listed with that error
		t.Error(n)
	}
}
