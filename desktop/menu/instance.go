package menu

import (
	"fmt"
	"os"
	"path"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// instanceOptions returns the options with which single-instance programs start a
// separate instance (their manual pages).
func instanceOptions() map[string]string {
	return map[string]string{
		"firefox": "--new-instance", "firefox-esr": "--new-instance", "firefox-bin": "--new-instance", "thunderbird": "--new-instance",
		"gedit": "--standalone", "gnome-text-editor": "--standalone", "eog": "--new-instance", "geany": "--new-instance",
		"mousepad": "--disable-server", "xfce4-terminal": "--disable-server", "gimp": "--new-instance", "gimp-2.10": "--new-instance",
		"chromium": "--user-data-dir=DIR", "google-chrome": "--user-data-dir=DIR", "code": "--user-data-dir=DIR",
		"kate": "--new", "inkscape": "--app-id-tag=TAG", "vlc": "--no-one-instance",
	}
}

// busName returns the name that the program of an entry takes on the session bus.
// An entry that was renamed for the chroot keeps the name that it had before.
func busName(app, chroot string) string { return strings.TrimSuffix(app, "."+chroot) }

// describeInstance returns the warning about the process that owns the name, or ""
// if that is in the tree of l.
func describeInstance(name string, pid int, l Launch) string {
	place := findPlace(session.HostPath(fmt.Sprintf("/proc/%d/root", pid)), l)
	if place == "" {
		return ""
	}
	text := fmt.Sprintf("%s already runs %s (process %d): the new window will open there", name, place, pid)
	if len(l.Command) == 0 {
		return text
	}
	program := path.Base(l.Command[0])
	if option := instanceOptions()[program]; option != "" {
		return text + "; to start a separate instance: " + program + " " + option
	}
	return text + "; to avoid that, quit it first, or see whether " + program + " --help lists an option for a separate instance"
}

// findPlace says in words where a process with this root directory runs; "" if in
// the tree of l, or if that cannot be told.
func findPlace(root session.HostPath, l Launch) string {
	if _, err := os.Stat(string(root)); err != nil || isRootOf(root, l.Tree) {
		return ""
	}
	place := "elsewhere"
	if isRootOf(root, "/") {
		place = "on the host"
	}
	all, _ := l.Config.All()
	for _, ch := range all {
		if isRootOf(root, ch.Path) {
			place = "in " + ch.Name
		}
	}
	return place
}

// isRootOf reports whether root is the root directory of a process in a tree. It
// may be a mirror of the tree's; then /usr is the same.
func isRootOf(root, tree session.HostPath) bool {
	return rootfs.IsSameFile(root, tree) || rootfs.IsSameFile(root.Join("usr"), tree.Join("usr"))
}
