package desktop

import (
	"testing"

	"chrun/internal/fakedesk"
)

func TestPrinting(t *testing.T) {
	d := fakedesk.New(t)
	check := func(state string, env map[string]string, binds ...string) {
		t.Helper()
		s := Printing.Detect(d.Facts)
		fakedesk.WantEnv(t, s, env)
		fakedesk.WantBinds(t, s, binds...)
		if s.State != state {
			t.Errorf("state %q, want %q", s.State, state)
		}
	}
	none := map[string]string{}
	check("no print server listens", none)
	d.Socket("host/run/cups/cups.sock", true)
	usual := map[string]string{"CUPS_SERVER": "/run/cups/cups.sock"}
	check("/run/cups/cups.sock (listening)", usual, string(d.Dir)+"/host/run/cups on /run/cups")
	file := d.Write("host/etc/cups/client.conf", "# ServerName no\nServerName first\nservername print.example.com:631/version=1.1 \nUser x\n")
	check("print.example.com:631/version=1.1 (from "+file+")", map[string]string{"CUPS_SERVER": "print.example.com:631/version=1.1"})
	d.Write("home/.cups/client.conf", "ServerName /run/cups/cups.sock\n")
	check("/run/cups/cups.sock (listening)", usual, string(d.Dir)+"/host/run/cups on /run/cups")
	d.SetEnv("CUPS_SERVER=DIR/my/sock")
	check("no print server listens on "+string(d.Dir)+"/my/sock (from CUPS_SERVER)", none)
	p := d.Socket("my/sock", true)
	check(p+" (listening; from CUPS_SERVER)", map[string]string{"CUPS_SERVER": p}, string(d.Dir)+"/my on "+string(d.Dir)+"/my")
	d.SetEnv("CUPS_SERVER=localhost")
	check("localhost (from CUPS_SERVER)", map[string]string{"CUPS_SERVER": "localhost"})
	d.Deny("network")
	check("localhost (from CUPS_SERVER) is unreachable: the network is denied", none)
}
