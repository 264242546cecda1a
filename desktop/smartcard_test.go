package desktop

import (
	"chrun/session"
	"slices"
	"testing"
)

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
