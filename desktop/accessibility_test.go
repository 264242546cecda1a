package desktop

import (
	"chrun/internal/fakedesk"
	"chrun/session"
	"reflect"
	"testing"
)

func TestAccessibility(t *testing.T) {
	d := fakedesk.New(t, "AT_SPI_BUS_ADDRESS=unix:path=DIR/run/at-spi/bus_0,guid=1")
	p := d.Socket("run/at-spi/bus_0", true)
	s := Accessibility.Detect(d.Facts)
	fakedesk.WantEnv(t, s, map[string]string{"AT_SPI_BUS_ADDRESS": "unix:path=" + p})
	d.SetEnv()
	if s := Accessibility.Detect(d.Facts); s.State != "through the session bus" {
		t.Error(s.State)
	}
	s = Accessibility.Hide(d.Facts)
	fakedesk.WantEnv(t, s, map[string]string{"NO_AT_BRIDGE": "1", "GTK_A11Y": "none"})
	if !reflect.DeepEqual(s.Cover, []session.Path{session.Path(p)}) {
		t.Error(s.Cover)
	}
}
