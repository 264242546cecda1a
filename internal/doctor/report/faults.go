package report

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is a reason why something does not work.
type Fault struct {
	ID string
	// Topic is the heading under which docs/troubleshooting.md explains it.
	Topic string
	// Sees is what a person sees, Why the reason, in one or two sentences each.
	Sees, Why string
	// Command mends it. It may contain {chrun}, the command line up to COMMAND;
	// {root}, the same as root inside; {install:PACKAGE}, the command that installs a
	// package of Packages, {host-install:PACKAGE} the same on the host; {install-all},
	// the same for the packages that a Check names; what Services knows, such as
	// {restart:SERVICE}; and the values of a Check. A person reads it in the
	// documentation with these names in capitals.
	Command string
}

// FindFault returns the fault with this ID.
func FindFault(id string) (Fault, bool) {
	i := slices.IndexFunc(Faults, func(f Fault) bool { return f.ID == id })
	if i < 0 {
		return Fault{}, false
	}
	return Faults[i], true
}

// Faults is the table of all faults, by topic.
var Faults = slices.Concat(launchFaults, menuFaults, windowFaults, soundFaults, busFaults, graphicsFaults, textFaults, fileFaults, hostFaults)

// Context is what commands are made of.
type Context struct {
	// Chrun is the command line of chrun with its flags, quoted, and Root the same
	// as root inside.
	Chrun, Root string
	// Distribution is the ID of the chroot's os-release, or one of its ID_LIKE that
	// Packages knows; "" if unknown.
	Distribution string
	// Host is the same of the host.
	Host string
	// Services is how the host's services are started.
	Services Services
}

// Fill writes the command of a check that has a fault.
func (c *Context) Fill(check *Check) {
	fault, ok := FindFault(check.Fault)
	if !ok || fault.Command == "" {
		return
	}
	check.Command = c.Services.elevate(c.expand(fault.Command, check.Values))
}

// expand replaces the names in braces. It returns "" if the chroot's package manager
// is needed and unknown.
func (c *Context) expand(command string, values map[string]string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(command, "{")
		name, after, closed := strings.Cut(rest, "}")
		b.WriteString(before)
		if !found || !closed {
			return b.String()
		}
		command = after
		value, known := values[name]
		what, isPackage := strings.CutPrefix(name, "install:")
		switch {
		case known:
		case isPackage:
			if value, known = c.installLine(what); !known {
				return ""
			}
		case strings.HasPrefix(name, "host-install:"):
			what = strings.TrimPrefix(name, "host-install:")
			if value = packages[what][c.Host]; value == "" {
				return ""
			}
			value = "sudo " + installers[c.Host] + " " + value
		case name == "install-all":
			if value, known = c.installAll(values["packages"]); !known {
				return ""
			}
		case name == "chrun":
			value = c.Chrun
		case name == "root":
			value = c.Root
		default:
			if value, known = c.Services.expand(name, values); !known {
				value = "{" + name + "}"
			}
		}
		b.WriteString(value)
	}
}

// installLine is the command that installs a package in the chroot.
func (c *Context) installLine(what string) (string, bool) {
	install := installers[c.Distribution]
	name := packages[what][c.Distribution]
	if install == "" || name == "" {
		return "", false
	}
	return fmt.Sprintf("%s %s %s", c.Root, install, name), true
}

// installAll is the command that installs several packages in the chroot. Their names,
// of Packages, are separated by blanks.
func (c *Context) installAll(names string) (string, bool) {
	var list []string
	for _, what := range strings.Fields(names) {
		if name := packages[what][c.Distribution]; name != "" && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	if names == "" {
		list = []string{"PACKAGE"} // in the documentation
	}
	install := installers[c.Distribution]
	return fmt.Sprintf("%s %s %s", c.Root, install, strings.Join(list, " ")), install != "" && len(list) > 0
}

// installers are the package managers by distribution (os-release(5), ID).
var installers = map[string]string{
	"debian": "apt-get install", "fedora": "dnf install", "arch": "pacman -S", "gentoo": "emerge --ask", "alpine": "apk add", "opensuse": "zypper install", "void": "xbps-install",
}

// KnowsDistribution reports whether the packages of a distribution are known.
func KnowsDistribution(id string) bool { return installers[id] != "" }
