package desktop

import (
	"chrun/session"
	"testing"
)

func TestMachineID(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	for _, content := range []string{"", "uninitialized\n", "0123\n"} {
		d := newFixture(t) // a caller reads the ID only once
		d.write("host/etc/machine-id", content)
		if s := MachineID.Detect(d.Facts); len(s.Files) > 0 {
			t.Errorf("%q was accepted as an ID", content)
		}
	}
	d := newFixture(t)
	d.write("host/etc/machine-id", id+"\n")
	d.link("/etc/machine-id", "tree/var/lib/dbus/machine-id")
	wantFiles(t, MachineID.Detect(d.Facts), map[session.Path]string{"/etc/machine-id": id + "\n"})
	d.link("x", "tree/var/lib/dbus/machine-id")
	d.write("tree/var/lib/dbus/x", "")
	d.deny() // the symlink is not followed
	wantFiles(t, MachineID.Detect(d.Facts), map[session.Path]string{"/etc/machine-id": id + "\n"})

	d = newFixture(t)
	d.write("host/var/lib/dbus/machine-id", id)
	d.write("tree/var/lib/dbus/machine-id", "other\n")
	wantFiles(t, MachineID.Detect(d.Facts), map[session.Path]string{
		"/etc/machine-id": id + "\n", "/var/lib/dbus/machine-id": id + "\n"})
}
