package desktop

import (
	"testing"

	"chrun/internal/fakedesk"
)

func TestSystemBus(t *testing.T) {
	d := fakedesk.New(t)
	d.Socket("host/run/dbus/system_bus_socket", true)
	s := detectSystemBus(d.Facts)
	fakedesk.WantEnv(t, s, map[string]string{"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/run/dbus/system_bus_socket"})
	fakedesk.WantBinds(t, s, string(d.Dir)+"/host/run/dbus on /run/dbus")
	if s := detectSystemBus(fakedesk.New(t).Facts); s.State != "no bus listens" || len(s.Env)+len(s.Binds) > 0 {
		t.Errorf("%+v", s)
	}
}
