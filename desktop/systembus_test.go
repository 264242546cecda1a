package desktop

import "testing"

func TestSystemBus(t *testing.T) {
	d := newFixture(t)
	d.socket("host/run/dbus/system_bus_socket", true)
	s := detectSystemBus(d.Facts)
	wantEnv(t, s, map[string]string{"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/run/dbus/system_bus_socket"})
	wantBinds(t, s, string(d.dir)+"/host/run/dbus on /run/dbus")
	if s := detectSystemBus(newFixture(t).Facts); s.State != "no bus listens" || len(s.Env)+len(s.Binds) > 0 {
		t.Errorf("%+v", s)
	}
}
