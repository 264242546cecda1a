package doctor

import (
	"strings"

	"chrun/internal/doctor/report"
	"chrun/internal/suggest"
	"chrun/session/rootfs"
)

// distribution returns the first of ID and ID_LIKE in the tree's os-release(5) whose
// packages are known, "" if there is none.
func distribution(tree rootfs.HostPath) string {
	root, err := rootfs.Open(tree)
	if err != nil {
		return ""
	}
	defer root.Close()
	data, err := root.Read("/etc/os-release")
	if err != nil {
		data, _ = root.Read("/usr/lib/os-release")
	}
	return knownDistribution(data)
}

// hostDistribution does the same for the host.
func hostDistribution(host rootfs.HostPath) string {
	data, err := rootfs.ReadHost(host.Join("/etc/os-release"), 0, 0)
	if err != nil {
		data, _ = rootfs.ReadHost(host.Join("/usr/lib/os-release"), 0, 0)
	}
	return knownDistribution(data)
}

// namePackage names the package of a program that was not found, if it is known.
func (o *Options) namePackage(c *report.Check, distribution string) {
	if c.Fault != "not-found" || len(o.Flags.Command) == 0 {
		return
	}
	if name := suggest.PackageOf(o.Flags.Command[0], distribution); name != "" && report.KnowsDistribution(distribution) {
		c.Fault, c.Values = "not-installed", map[string]string{"package": name}
	}
}

func knownDistribution(data []byte) string {
	ids := map[string]string{}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		ids[key] = strings.Trim(value, `"'`)
	}
	for _, id := range append([]string{ids["ID"]}, strings.Fields(ids["ID_LIKE"])...) {
		if report.KnowsDistribution(id) {
			return id
		}
	}
	return ""
}
