package desktop

import (
	"chrun/internal/fakedesk"
	"chrun/session"
	"slices"
	"testing"
)

func TestSmartcard(t *testing.T) {
	d := fakedesk.New(t)
	if s := Smartcard.Detect(d.Facts); s.State != "no pcscd listens" || len(s.Binds) > 0 {
		t.Errorf("%+v", s)
	}
	d.Socket("host/run/pcscd/pcscd.comm", true)
	s := Smartcard.Detect(d.Facts)
	fakedesk.WantBinds(t, s, string(d.Dir)+"/host/run/pcscd on /run/pcscd")
	fakedesk.WantEnv(t, s, map[string]string{})
	p, q := d.Socket("a/pcscd", true), d.Socket("b/pkcs11", true)
	d.SetEnv("PCSCLITE_CSOCK_NAME=DIR/a/pcscd", "P11_KIT_SERVER_ADDRESS=unix:path=DIR/b/pkcs11;unix:path=DIR/gone", "P11_KIT_SERVER_PID=3")
	s = Smartcard.Detect(d.Facts)
	fakedesk.WantBinds(t, s, string(d.Dir)+"/a on "+string(d.Dir)+"/a", string(d.Dir)+"/b on "+string(d.Dir)+"/b")
	fakedesk.WantEnv(t, s, map[string]string{"PCSCLITE_CSOCK_NAME": p, "P11_KIT_SERVER_ADDRESS": "unix:path=" + q})
	if cover := Smartcard.Hide(d.Facts).Cover; !slices.Contains(cover, session.Path(p)) || !slices.Contains(cover, session.Path(q)) {
		t.Error(cover)
	}
	d.SetEnv("PCSCLITE_CSOCK_NAME=DIR/gone")
	if s := Smartcard.Detect(d.Facts); len(s.Env)+len(s.Binds) > 0 || len(s.Notes) != 1 {
		t.Errorf("%+v", s)
	}
}
