package desktop

import (
	"chrun/internal/fakedesk"
	"chrun/session"
	"testing"
)

func TestMachineID(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	for _, content := range []string{"", "uninitialized\n", "0123\n"} {
		d := fakedesk.New(t) // a caller reads the ID only once
		d.Write("host/etc/machine-id", content)
		if s := MachineID.Detect(d.Facts); len(s.Files) > 0 {
			t.Errorf("%q was accepted as an ID", content)
		}
	}
	d := fakedesk.New(t)
	d.Write("host/etc/machine-id", id+"\n")
	d.Link("/etc/machine-id", "tree/var/lib/dbus/machine-id")
	fakedesk.WantFiles(t, MachineID.Detect(d.Facts), map[session.Path]string{"/etc/machine-id": id + "\n"})
	d.Link("x", "tree/var/lib/dbus/machine-id")
	d.Write("tree/var/lib/dbus/x", "")
	d.Deny() // the symlink is not followed
	fakedesk.WantFiles(t, MachineID.Detect(d.Facts), map[session.Path]string{"/etc/machine-id": id + "\n"})

	d = fakedesk.New(t)
	d.Write("host/var/lib/dbus/machine-id", id)
	d.Write("tree/var/lib/dbus/machine-id", "other\n")
	fakedesk.WantFiles(t, MachineID.Detect(d.Facts), map[session.Path]string{
		"/etc/machine-id": id + "\n", "/var/lib/dbus/machine-id": id + "\n"})
}
