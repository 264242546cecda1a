package desktop

import (
	"testing"

	"chrun/session"
)

func TestNetworkFiles(t *testing.T) {
	d := newFixture(t)
	d.write("host/run/systemd/resolve/stub-resolv.conf", "nameserver 127.0.0.53\n")
	d.link("../run/systemd/resolve/stub-resolv.conf", "host/etc/resolv.conf")
	s := NetworkFiles.Detect(d.Facts)
	wantFiles(t, s, map[session.Path]string{"/etc/resolv.conf": "nameserver 127.0.0.53\n"})
	if s.Files[0].Live != d.dir.Join("host/etc/resolv.conf") || len(s.Notes) != 1 {
		t.Errorf("%+v", s)
	}
	d.link("/dev/zero", "host/etc/hosts")
	if s := NetworkFiles.Detect(d.Facts); len(s.Files) != 1 || len(s.Notes) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestMachineID(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	for _, content := range []string{"", "uninitialized\n", "0123\n"} {
		d := newFixture(t) // the id is read once a launch
		d.write("host/etc/machine-id", content)
		if s := MachineID.Detect(d.Facts); len(s.Files) > 0 {
			t.Errorf("%q was taken for an id", content)
		}
	}
	d := newFixture(t)
	d.write("host/etc/machine-id", id+"\n")
	d.link("/etc/machine-id", "tree/var/lib/dbus/machine-id")
	wantFiles(t, MachineID.Detect(d.Facts), map[session.Path]string{"/etc/machine-id": id + "\n"})
	d.link("x", "tree/var/lib/dbus/machine-id")
	d.write("tree/var/lib/dbus/x", "")
	d.deny() // the link is not followed
	wantFiles(t, MachineID.Detect(d.Facts), map[session.Path]string{"/etc/machine-id": id + "\n"})

	d = newFixture(t)
	d.write("host/var/lib/dbus/machine-id", id)
	d.write("tree/var/lib/dbus/machine-id", "other\n")
	wantFiles(t, MachineID.Detect(d.Facts), map[session.Path]string{
		"/etc/machine-id": id + "\n", "/var/lib/dbus/machine-id": id + "\n"})
}
