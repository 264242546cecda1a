package desktop

import (
	"slices"
	"strings"
	"testing"

	"chrun/session"
)

func TestAgents(t *testing.T) {
	d := newFixture(t)
	if s := Agents.Detect(d.Facts); s.State != "no agent listens" || len(s.Binds)+len(s.Env) > 0 {
		t.Errorf("%+v", s)
	}
	d.setEnv("SSH_AUTH_SOCK=DIR/agent/s", "SSH_AGENT_PID=7", "GPG_AGENT_INFO=/x:1:1")
	d.socket("agent/s", false)
	if s := Agents.Detect(d.Facts); len(s.Env)+len(s.Binds) > 0 || len(s.Notes) != 1 {
		t.Errorf("dead: %+v", s)
	}
	d.setEnv("SSH_AUTH_SOCK=DIR/agent/t", "SSH_AGENT_PID=7")
	p := d.socket("agent/t", true)
	s := Agents.Detect(d.Facts)
	wantEnv(t, s, map[string]string{"SSH_AUTH_SOCK": p, "SSH_AGENT_PID": "7"})
	wantBinds(t, s, string(d.dir)+"/agent on "+string(d.dir)+"/agent")

	// In the home the socket alone, and where a link leads.
	d.link(p, "home/.ssh/sock")
	d.setEnv("SSH_AUTH_SOCK=DIR/home/.ssh/sock")
	wantEnv(t, Agents.Detect(d.Facts), map[string]string{"SSH_AUTH_SOCK": p})
	d.setEnv("SSH_AUTH_SOCK=DIR/home/.ssh/agent")
	p = d.socket("home/.ssh/agent", true)
	wantBinds(t, Agents.Detect(d.Facts), p+" on "+p)
	d.setEnv("SSH_AUTH_SOCK=DIR/run/ssh")
	d.socket("run/ssh", true)
	wantBinds(t, Agents.Detect(d.Facts)) // in the runtime directory: seen anyway
	d.setEnv("SSH_AUTH_SOCK=agent/t")
	wantEnv(t, Agents.Detect(d.Facts), map[string]string{})

	d.setEnv()
	g := d.socket("home/.gnupg/S.gpg-agent", true)
	h := d.socket("home/.gnupg/S.gpg-agent.ssh", true)
	d.socket("home/.gnupg/S.gpg-agent.extra", false)
	s = Agents.Detect(d.Facts)
	wantBinds(t, s, g+" on "+g, h+" on "+h)
	d.socket("run/gnupg/S.gpg-agent", true)
	if s := Agents.Detect(d.Facts); len(s.Binds) > 0 || s.State != "gpg-agent" {
		t.Errorf("%+v", s)
	}
	d.setEnv("SSH_AUTH_SOCK=/x/y")
	if s := Agents.Hide(d.Facts); !slices.Contains(s.Cover, "/x/y") || !slices.Contains(s.Cover, session.Path(d.dir.Join("run/gnupg/S.gpg-agent"))) {
		t.Errorf("%+v", s)
	}
}

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
	check("print.example.com:631/version=1.1, of "+file, map[string]string{"CUPS_SERVER": "print.example.com:631/version=1.1"})
	d.write("home/.cups/client.conf", "ServerName /run/cups/cups.sock\n")
	check("/run/cups/cups.sock (listening)", usual, string(d.dir)+"/host/run/cups on /run/cups")
	d.setEnv("CUPS_SERVER=DIR/my/sock")
	check("no print server listens on "+string(d.dir)+"/my/sock, of CUPS_SERVER", none)
	p := d.socket("my/sock", true)
	check(p+" (listening; of CUPS_SERVER)", map[string]string{"CUPS_SERVER": p}, string(d.dir)+"/my on "+string(d.dir)+"/my")
	d.setEnv("CUPS_SERVER=localhost")
	check("localhost, of CUPS_SERVER", map[string]string{"CUPS_SERVER": "localhost"})
	d.deny("network")
	check("localhost, of CUPS_SERVER, is out of reach: the network is denied", none)
}

func TestSmartcard(t *testing.T) {
	d := newFixture(t)
	if s := Smartcard.Detect(d.Facts); s.State != "no pcscd listens" || len(s.Binds) > 0 {
		t.Errorf("%+v", s)
	}
	d.socket("host/run/pcscd/pcscd.comm", true)
	s := Smartcard.Detect(d.Facts)
	wantBinds(t, s, string(d.dir)+"/host/run/pcscd on /run/pcscd")
	wantEnv(t, s, map[string]string{})
	p, q := d.socket("a/pcscd", true), d.socket("b/pkcs11", true)
	d.setEnv("PCSCLITE_CSOCK_NAME=DIR/a/pcscd", "P11_KIT_SERVER_ADDRESS=unix:path=DIR/b/pkcs11;unix:path=DIR/gone", "P11_KIT_SERVER_PID=3")
	s = Smartcard.Detect(d.Facts)
	wantBinds(t, s, string(d.dir)+"/a on "+string(d.dir)+"/a", string(d.dir)+"/b on "+string(d.dir)+"/b")
	wantEnv(t, s, map[string]string{"PCSCLITE_CSOCK_NAME": p, "P11_KIT_SERVER_ADDRESS": "unix:path=" + q})
	if cover := Smartcard.Hide(d.Facts).Cover; !slices.Contains(cover, session.Path(p)) || !slices.Contains(cover, session.Path(q)) {
		t.Error(cover)
	}
	d.setEnv("PCSCLITE_CSOCK_NAME=DIR/gone")
	if s := Smartcard.Detect(d.Facts); len(s.Env)+len(s.Binds) > 0 || len(s.Notes) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestRemovable(t *testing.T) {
	d := newFixture(t)
	d.Caller.Account.Name = "alice"
	if s := Removable.Detect(d.Facts); len(s.Binds)+len(s.Notes) > 0 {
		t.Errorf("%+v", s)
	}
	d.write("host/media/x", "")
	d.write("host/run/media/x", "")
	media, run := string(d.dir)+"/host/media on /media", string(d.dir)+"/host/run/media on /run/media"
	wantBinds(t, Removable.Detect(d.Facts), run) // the chroot lacks /media
	d.write("host/media/alice/x", "")
	wantBinds(t, Removable.Detect(d.Facts), run, media)
	d.write("tree/media/x", "")
	s := Removable.Detect(d.Facts)
	if s.State != "/run/media, /media" || len(s.Notes) > 0 {
		t.Errorf("%+v", s)
	}
	d.write("host/proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"+
		"23 22 0:5 / /run rw shared:3 - tmpfs tmpfs rw\n24 23 0:6 / /runner rw shared:4 - tmpfs tmpfs rw\n")
	s = Removable.Detect(d.Facts)
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], " in /media ") || !strings.HasSuffix(s.Notes[0], "sudo mount --make-shared /") {
		t.Errorf("notes %q", s.Notes)
	}
	d.write("host/run/systemd/system/x", "")
	if s := Removable.Detect(d.Facts); len(s.Notes) > 0 {
		t.Errorf("notes %q", s.Notes)
	}
}

func TestPrivateMount(t *testing.T) {
	for table, want := range map[string]string{
		"":                                  "",
		"1 0 8:1 / / rw - ext4 d rw\n":      "/",
		"1 0 8:1 / / rw shared:1 - x d rw":  "",
		"1 0 8:1 / / rw master:9 - x d rw":  "",
		"1 0 8:1 / / rw unbindable - x d r": "/",
		"1 0 8:1 / / rw shared:1 - x d rw\n2 1 0:1 / /run rw - t t rw\n":                                      "/run",
		"1 0 8:1 / / rw - x d rw\n2 1 0:1 / /run rw shared:2 - t t rw\n":                                      "",
		"1 0 8:1 / / rw shared:1 - x d rw\n2 1 0:1 / /run rw - t t rw\n3 1 0:1 / /run rw shared:2 - t t rw\n": "",
		"broken\n1 2\n": "",
	} {
		if got := privateMount(table, "/run/media"); got != want {
			t.Errorf("%q: %q, want %q", table, got, want)
		}
	}
}
