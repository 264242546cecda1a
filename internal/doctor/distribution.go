package doctor

import (
	"strings"

	"chrun/internal/doctor/report"
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
