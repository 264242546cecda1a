package host

import (
	"os"
	"os/user"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"chrun/internal/doctor/inside"
	"chrun/session"
	"chrun/session/rootfs"
)

// ListNodes returns the device nodes of the host that have names of a pattern.
func ListNodes(c *session.Caller, dir, pattern string) (nodes []inside.Node) {
	entries, _ := os.ReadDir(string(c.Host.Join(dir)))
	for _, e := range entries {
		if ok, _ := path.Match(pattern, e.Name()); !ok || e.Type()&os.ModeCharDevice == 0 {
			continue
		}
		n := inside.Node{Path: path.Join(dir, e.Name())}
		if st, err := e.Info(); err == nil {
			n.Group = groupName(st.Sys().(*syscall.Stat_t).Gid)
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// ListGPU returns the nodes of the graphics hardware.
func ListGPU(c *session.Caller) (nodes []inside.Node) {
	if nodes = ListNodes(c, "/dev/dri", "renderD*"); len(nodes) == 0 {
		nodes = ListNodes(c, "/dev/dri", "card*")
	}
	return append(nodes, ListNodes(c, "/dev", "nvidiactl")...)
}

// ListDevices returns the input devices and cameras.
func ListDevices(c *session.Caller) []inside.Node {
	return slices.Concat(ListNodes(c, "/dev/input", "js*"), ListNodes(c, "/dev/input", "event*"), ListNodes(c, "/dev", "video*"))
}

func groupName(gid uint32) string {
	g, err := user.LookupGroupId(strconv.Itoa(int(gid)))
	if err != nil {
		return ""
	}
	return g.Name
}

// NvidiaVersion returns the version of NVIDIA's kernel module, "" if there is none.
func NvidiaVersion(c *session.Caller) string {
	data, _ := rootfs.ReadHost(c.Host.Join("/proc/driver/nvidia/version"), 4096, 0)
	return parseNvidia(string(data))
}

// parseNvidia returns the version in a text such as "NVRM version: NVIDIA UNIX x86_64
// Kernel Module  535.183.01  Sun May 12 …", or with "Open Kernel Module for x86_64".
func parseNvidia(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	_, after, found := strings.Cut(line, "Kernel Module")
	if !found {
		return ""
	}
	for _, word := range strings.Fields(after) {
		if major, rest, dotted := strings.Cut(word, "."); dotted && rest != "" {
			if _, err := strconv.Atoi(major); err == nil {
				return word
			}
		}
	}
	return ""
}
