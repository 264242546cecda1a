package desktop

import (
	"testing"

	"chrun/internal/fakedesk"
	"chrun/session"
)

func TestNetworkFiles(t *testing.T) {
	d := fakedesk.New(t)
	d.Write("host/run/systemd/resolve/stub-resolv.conf", "nameserver 127.0.0.53\n")
	d.Link("../run/systemd/resolve/stub-resolv.conf", "host/etc/resolv.conf")
	s := NetworkFiles.Detect(d.Facts)
	fakedesk.WantFiles(t, s, map[session.Path]string{"/etc/resolv.conf": "nameserver 127.0.0.53\n"})
	if s.Files[0].HostFile != d.Dir.Join("host/etc/resolv.conf") || len(s.Notes) != 1 {
		t.Errorf("%+v", s)
	}
	d.Link("/dev/zero", "host/etc/hosts")
	if s := NetworkFiles.Detect(d.Facts); len(s.Files) != 1 || len(s.Notes) != 1 {
		t.Errorf("%+v", s)
	}
}
