package desktop

import (
	"chrun/session"
	"reflect"
	"testing"
)

func TestAccessibility(t *testing.T) {
	d := newFixture(t, "AT_SPI_BUS_ADDRESS=unix:path=DIR/run/at-spi/bus_0,guid=1")
	p := d.socket("run/at-spi/bus_0", true)
	s := Accessibility.Detect(d.Facts)
	wantEnv(t, s, map[string]string{"AT_SPI_BUS_ADDRESS": "unix:path=" + p})
	d.setEnv()
	if s := Accessibility.Detect(d.Facts); s.State != "through the session bus" {
		t.Error(s.State)
	}
	s = Accessibility.Hide(d.Facts)
	wantEnv(t, s, map[string]string{"NO_AT_BRIDGE": "1", "GTK_A11Y": "none"})
	if !reflect.DeepEqual(s.Cover, []session.Path{session.Path(p)}) {
		t.Error(s.Cover)
	}
}
