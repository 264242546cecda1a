package doctor

import (
	"os"
	"os/exec"
	"slices"

	"chrun/internal/doctor/report"
	"chrun/session"
)

// findServices finds out how the services of the host are started. What is looked for
// is what a service has made when it started.
func findServices(c *session.Caller) report.Services {
	first := func(list [][2]string) string {
		for _, e := range list {
			if _, err := os.Stat(string(c.Host.Join(e[0]))); err == nil {
				return e[1]
			}
		}
		return ""
	}
	isElevated := slices.ContainsFunc([]string{"SUDO_UID", "SUDO_USER", "DOAS_USER", "PKEXEC_UID"}, func(name string) bool { return c.Env.Get(name) != "" })
	s := report.Services{UID: c.UID, AsRoot: c.UID == 0 && !isElevated}
	s.System = first([][2]string{{"/run/systemd/system", "systemd"}, {"/run/openrc", "openrc"}, {"/run/runit", "runit"}})
	s.Network = first([][2]string{
		{"/run/NetworkManager", "NetworkManager"}, {"/run/systemd/netif/state", "systemd-networkd"}, {"/run/connman", "connman"},
		{"/run/dhcpcd", "dhcpcd"}, {"/run/wicked", "wicked"}, {"/etc/init.d/networking", "networking"},
	})
	s.Names = first([][2]string{
		{"/run/systemd/resolve", "systemd-resolved"}, {"/usr/sbin/unbound", "unbound"}, {"/usr/sbin/dnsmasq", "dnsmasq"}, {"/usr/sbin/named", "named"},
	})
	if c.RuntimeDir != "" {
		_, err := os.Stat(string(c.RuntimeDir.Join("systemd/private"))) // as systemctl --user
		s.User = err == nil
	}
	if _, err := exec.LookPath("gentoo-pipewire-launcher"); err == nil {
		s.Launcher = "gentoo-pipewire-launcher"
	}
	s.Clock = findClock(s.System)
	if _, err := exec.LookPath("sudo"); err != nil {
		for _, name := range []string{"doas", "run0", "pkexec"} { // all of which chrun knows
			if _, err := exec.LookPath(name); err == nil {
				s.Sudo = name
				break
			}
		}
	}
	return s
}

// findClock returns the command that sets the clock by the network.
func findClock(system string) string {
	if system == "systemd" {
		return "timedatectl set-ntp true"
	}
	for _, line := range [][2]string{{"chronyd", " -q 'pool pool.ntp.org iburst'"}, {"ntpd", " -gq"}, {"ntpdate", " pool.ntp.org"}, {"sntp", " -S pool.ntp.org"}} {
		for _, dir := range []string{"", "/usr/sbin/", "/sbin/"} {
			if _, err := exec.LookPath(dir + line[0]); err == nil {
				return line[0] + line[1]
			}
		}
	}
	return `date -s "YYYY-MM-DD HH:MM"`
}
