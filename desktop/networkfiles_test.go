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
