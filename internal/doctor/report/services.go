package report

import (
	"cmp"
	"fmt"
	"strings"
)

// Services is how the services of the host are started. The zero value is a host
// without systemd, OpenRC and runit.
type Services struct {
	System string // "systemd", "openrc", "runit", "" for others
	User   bool   // the user has a systemd, too
	UID    int
	AsRoot bool   // the terminal is root's own: no sudo is needed
	Sudo   string // a program like sudo(8), "" for sudo itself
	// Launcher is a program of the distribution that starts PipeWire, "" for none.
	Launcher string
	// Network and Names are the services that connect to the network and that look up
	// names, "" if unknown. Clock is the command that sets the clock.
	Network, Names, Clock string
}

// documented are those of the documentation.
var documented = Services{System: "systemd", User: true, Network: "NetworkManager", Names: "systemd-resolved", Clock: "timedatectl set-ntp true"}

// otherNames are names of services that differ from those of systemd.
var otherNames = map[string]string{"openrc cups": "cupsd", "runit cups": "cupsd"}

// control is the command that starts or restarts a service of the system.
func (s *Services) control(action, name string) string {
	switch name {
	case "network":
		name = s.Network
	case "names":
		name = cmp.Or(s.Names, s.Network)
	}
	if name == "" {
		return `sudo "${EDITOR:-vi}" /etc/resolv.conf` // somebody has written it by hand
	}
	name = cmp.Or(otherNames[s.System+" "+name], name)
	switch s.System {
	case "systemd":
		return fmt.Sprintf("sudo systemctl %s %s", action, name)
	case "openrc":
		return fmt.Sprintf("sudo rc-service %s %s", name, action)
	case "runit":
		return fmt.Sprintf("sudo sv %s %s", action, name)
	}
	return fmt.Sprintf("sudo service %s %s", name, action)
}

// restartUser is the command that ends services of the user, though they may hang, and
// starts them again.
func (s *Services) restartUser(names string) string {
	switch {
	case s.User:
		return "systemctl --user restart " + names
	case names == "pulseaudio":
		return fmt.Sprintf("pkill -KILL -x -u %d pulseaudio; pulseaudio --start", s.UID)
	case s.Launcher != "":
		return s.Launcher + " restart"
	}
	programs := strings.Fields(names)
	start := strings.Join(programs, " & ")
	if programs[0] == "pipewire" { // the others end without it
		programs = []string{"pipewire", "wireplumber", "pipewire-pulse"}
		start = "pipewire & sleep 1; wireplumber & pipewire-pulse"
	}
	end := ""
	for _, name := range programs { // pkill(1) takes 15 letters at most
		end += fmt.Sprintf("pkill -KILL -x -u %d %s; ", s.UID, name)
	}
	return fmt.Sprintf("%s(%s &) >/dev/null 2>&1", end, start)
}

// elevate replaces the sudo of a command by what the host has.
func (s *Services) elevate(command string) string {
	line, asRoot := strings.CutPrefix(command, "sudo ")
	switch {
	case !asRoot || !s.AsRoot && s.Sudo == "":
		return command
	case s.AsRoot:
		return line
	}
	return s.Sudo + " " + line
}

// log is the command that shows what a service of the system has written.
func (s *Services) log(name string) string {
	if s.System == "systemd" {
		return "sudo journalctl -b -u " + name
	}
	return "sudo grep -hs " + name + " /var/log/messages /var/log/syslog"
}

// runtimeDir is the command that makes a runtime directory for a user who has none.
func (s *Services) runtimeDir(user string) string {
	if s.System == "systemd" {
		return "sudo loginctl enable-linger " + user
	}
	return `export XDG_RUNTIME_DIR="$(mktemp -d)"`
}

// expand returns the command for what is in braces, and whether it is one of services.
// The value "units" says which services of the user are meant.
func (s *Services) expand(name string, values map[string]string) (string, bool) {
	kind, what, _ := strings.Cut(name, ":")
	switch kind {
	case "start", "restart":
		return s.control(kind, what), true
	case "restart-user":
		return s.restartUser(cmp.Or(values["units"], what)), true
	case "log":
		return s.log(what), true
	case "make-runtime-dir":
		return s.runtimeDir(cmp.Or(values["user"], "USER")), true
	case "set-clock":
		return "sudo " + cmp.Or(s.Clock, documented.Clock), true
	}
	return "", false
}
