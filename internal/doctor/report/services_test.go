package report

import (
	"os/exec"
	"testing"
)

// Each kind of host gets a command that its shell understands and its service manager
// knows.
func TestServices(t *testing.T) {
	for _, c := range []struct {
		s          Services
		name, want string
	}{
		{Services{System: "systemd", User: true}, "restart:cups", "sudo systemctl restart cups"},
		{Services{System: "openrc"}, "restart:cups", "sudo rc-service cupsd restart"},
		{Services{System: "runit"}, "start:dbus", "sudo sv start dbus"},
		{Services{}, "start:dbus", "sudo service dbus start"},
		{Services{System: "openrc", Network: "dhcpcd"}, "restart:network", "sudo rc-service dhcpcd restart"},
		{Services{System: "openrc", Network: "dhcpcd"}, "restart:names", "sudo rc-service dhcpcd restart"},
		{Services{System: "systemd"}, "restart:names", `sudo "${EDITOR:-vi}" /etc/resolv.conf`},
		{Services{System: "openrc", Names: "unbound"}, "restart:names", "sudo rc-service unbound restart"},
		{Services{System: "systemd", User: true}, "restart-user:pipewire", "systemctl --user restart pipewire"},
		{Services{UID: 7}, "restart-user:pipewire", "pkill -KILL -x -u 7 pipewire; pkill -KILL -x -u 7 wireplumber; pkill -KILL -x -u 7 pipewire-pulse; (pipewire & sleep 1; wireplumber & pipewire-pulse &) >/dev/null 2>&1"},
		{Services{UID: 7}, "restart-user:pipewire-pulse", "pkill -KILL -x -u 7 pipewire-pulse; (pipewire-pulse &) >/dev/null 2>&1"},
		{Services{UID: 7}, "restart-user:pulseaudio", "pkill -KILL -x -u 7 pulseaudio; pulseaudio --start"},
		{Services{Launcher: "gentoo-pipewire-launcher"}, "restart-user:pipewire", "gentoo-pipewire-launcher restart"},
		{Services{System: "systemd"}, "make-runtime-dir", "sudo loginctl enable-linger me"},
		{Services{}, "make-runtime-dir", `export XDG_RUNTIME_DIR="$(mktemp -d)"`},
		{Services{Clock: "ntpd -gq"}, "set-clock", "sudo ntpd -gq"},
		{Services{}, "log:dbus", "sudo grep -hs dbus /var/log/messages /var/log/syslog"},
	} {
		line, ok := c.s.expand(c.name, map[string]string{"user": "me"})
		if !ok || line != c.want {
			t.Errorf("%s on %+v: %q, want %q", c.name, c.s, line, c.want)
		}
		if out, err := exec.Command("sh", "-n", "-c", line).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", line, out)
		}
	}
	for _, c := range []struct {
		s          Services
		line, want string
	}{
		{Services{UID: 7}, "sudo chrun -u root", "sudo chrun -u root"},
		{Services{UID: 7, Sudo: "doas"}, "sudo chrun -u root", "doas chrun -u root"},
		{Services{AsRoot: true}, "sudo chrun -u root", "chrun -u root"},
		{Services{UID: 7, Sudo: "doas"}, "export A=sudo", "export A=sudo"},
	} {
		if line := c.s.elevate(c.line); line != c.want {
			t.Errorf("%+v: %q, want %q", c.s, line, c.want)
		}
	}
	s := Services{User: true}
	if line, _ := s.expand("restart-user:pipewire-pulse", map[string]string{"units": "pulseaudio"}); line != "systemctl --user restart pulseaudio" {
		t.Errorf("%q", line)
	}
	if _, ok := s.expand("socket", nil); ok {
		t.Error("a value of a check is taken for a service")
	}
}
