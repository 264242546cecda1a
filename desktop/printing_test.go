package desktop

import "testing"

func TestPrinting(t *testing.T) {
	d := newFixture(t)
	check := func(state string, env map[string]string, binds ...string) {
		t.Helper()
		s := Printing.Detect(d.Facts)
		wantEnv(t, s, env)
		wantBinds(t, s, binds...)
		if s.State != state {
			t.Errorf("state %q, want %q", s.State, state)
		}
	}
	none := map[string]string{}
	check("no print server listens", none)
	d.socket("host/run/cups/cups.sock", true)
	usual := map[string]string{"CUPS_SERVER": "/run/cups/cups.sock"}
	check("/run/cups/cups.sock (listening)", usual, string(d.dir)+"/host/run/cups on /run/cups")
	file := d.write("host/etc/cups/client.conf", "# ServerName no\nServerName first\nservername print.example.com:631/version=1.1 \nUser x\n")
	check("print.example.com:631/version=1.1 (from "+file+")", map[string]string{"CUPS_SERVER": "print.example.com:631/version=1.1"})
	d.write("home/.cups/client.conf", "ServerName /run/cups/cups.sock\n")
	check("/run/cups/cups.sock (listening)", usual, string(d.dir)+"/host/run/cups on /run/cups")
	d.setEnv("CUPS_SERVER=DIR/my/sock")
	check("no print server listens on "+string(d.dir)+"/my/sock (from CUPS_SERVER)", none)
	p := d.socket("my/sock", true)
	check(p+" (listening; from CUPS_SERVER)", map[string]string{"CUPS_SERVER": p}, string(d.dir)+"/my on "+string(d.dir)+"/my")
	d.setEnv("CUPS_SERVER=localhost")
	check("localhost (from CUPS_SERVER)", map[string]string{"CUPS_SERVER": "localhost"})
	d.deny("network")
	check("localhost (from CUPS_SERVER) is unreachable: the network is denied", none)
}
