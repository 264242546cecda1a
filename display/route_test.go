package display

import (
	"os"
	"slices"
	"strings"
	"testing"

	"chrun/display/x11"
	"chrun/internal/fakedesk"
)

// Programs inside know only displays in /tmp/.X11-unix: a socket elsewhere is one,
// with a number that no server of the host has.
func TestX11Path(t *testing.T) {
	d := newDesk(t)
	socket := d.listen("other/xs:0")
	d.listen("host/tmp/.X11-unix/X0")
	d.writeAuthority("home/.Xauthority", "myhost", 0, "cookie")
	s := X11.Detect(d.facts("DISPLAY=" + socket))
	if got := fakedesk.Value(s, "DISPLAY"); got != ":1" || sharedCookie(s) != "cookie" || x11.ParseAuthority(s.Files[0].Data)[0].Number != "1" {
		t.Errorf("DISPLAY=%s, %+v", got, s)
	}
	if f := s.Files[0]; string(f.SecretFile) != d.Path("home/.Xauthority") || !slices.Equal(f.SecretDisplays, []string{":0", ":1"}) {
		t.Errorf("the script cannot make the cookie: %+v", f)
	}
	// Without that directory, which cannot be made in the host's /tmp, the path stays.
	d.Must(os.RemoveAll(d.Path("host/tmp/.X11-unix")))
	s = X11.Detect(d.facts("DISPLAY=" + socket))
	if got := fakedesk.Value(s, "DISPLAY"); got != socket || len(s.Notes) != 1 {
		t.Errorf("DISPLAY=%s, %+v", got, s)
	}
	fakedesk.WantBinds(t, s, d.Path("other")+" on "+d.Path("other"))
}

// The sockets of WSLg are behind symlinks.
func TestX11Link(t *testing.T) {
	d := newDesk(t)
	d.Must(os.Remove(d.Path("host/tmp/.X11-unix")))
	d.listen("other/wslg/X0")
	d.Must(os.Symlink(d.Path("other/wslg"), d.Path("host/tmp/.X11-unix")))
	s := X11.Detect(d.facts("DISPLAY=:0"))
	if got := fakedesk.Value(s, "DISPLAY"); got != ":0" {
		t.Errorf("DISPLAY=%s, %+v", got, s)
	}
	fakedesk.WantBinds(t, s, d.Path("other/wslg")+" on "+d.Path("other/wslg"))
	if got := fakedesk.Value(X11.Detect(d.facts()), "DISPLAY"); got != ":0" {
		t.Errorf("searched: DISPLAY=%s", got)
	}
	d.Deny("tmp") // the link is not inside
	fakedesk.WantBinds(t, X11.Detect(d.facts("DISPLAY=:0")), d.Path("other/wslg/X0")+" on /tmp/.X11-unix/X0")
}

// libxcb tries TCP for :N if no Unix socket listens.
func TestX11TCP(t *testing.T) {
	d := newDesk(t)
	const header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	d.Write("host/proc/net/tcp", header+
		"   0: 0100007F:1778 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1500        0 1 1 0 100 0 0 10 0\n"+
		"   1: 0100007F:1779 0100007F:9000 01 00000000:00000000 00:00000000 00000000  1500        0 1 1 0 100 0 0 10 0\n"+
		"   2: 0201A8C0:177A 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1500        0 1 1 0 100 0 0 10 0\n")
	d.Write("host/proc/net/tcp6", header+
		"   0: 00000000000000000000000000000000:177B 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0 0 10 0\n")
	for display, want := range map[string]string{":8": ":8", ":8.0": ":8.0", ":9": "-", ":10": "-", ":11": ":11", ":12": "-"} {
		s := X11.Detect(d.facts("DISPLAY=" + display))
		if got := fakedesk.Value(s, "DISPLAY"); got != want || (want != "-") != strings.Contains(s.State, "listening on TCP") {
			t.Errorf("%s: DISPLAY=%s, %+v", display, got, s)
		}
	}
	d.Deny("network")
	if s := X11.Detect(d.facts("DISPLAY=:8")); len(s.Env) > 0 {
		t.Errorf("without network: %+v", s)
	}
}
