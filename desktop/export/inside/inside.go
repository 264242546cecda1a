// Package inside says where programs inside a chroot find programs and data: as a
// login there does, and in the home that its launches use. It only reads.
//
// Source: XDG Base Directory Specification 0.8.
package inside

import (
	"path"
	"slices"
	"strings"

	"chrun/session/account"
	"chrun/session/rootfs"
)

// flatpakDirs are the directories that flatpak adds to XDG_DATA_DIRS
// (/etc/profile.d/flatpak.sh); the first one is below $XDG_DATA_HOME.
const (
	flatpakUser   = "flatpak/exports/share"
	flatpakSystem = rootfs.Path("/var/lib/flatpak/exports/share")
)

// DataDirs returns the directories for data, in the order in which a program inside
// searches them.
func DataDirs(root *rootfs.Root) []rootfs.Path {
	var dirs []rootfs.Path
	if home := root.Home(); home != "" {
		data := home.Join(".local/share")
		dirs = append(dirs, data, data.Join(flatpakUser))
	}
	list := splitDirs(account.ReadLogin(root.Read, false).DataDirs)
	dirs = append(dirs, flatpakSystem)
	for _, d := range append(list, "/usr/local/share", "/usr/share") {
		if !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	return dirs
}

// ConfigDirs returns the directories for configuration, in the order in which a
// program inside searches them.
func ConfigDirs(root *rootfs.Root) []rootfs.Path {
	var dirs []rootfs.Path
	if home := root.Home(); home != "" {
		dirs = append(dirs, home.Join(".config"))
	}
	for _, d := range append(splitDirs(account.ReadLogin(root.Read, false).ConfigDirs), "/etc/xdg") {
		if !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	return dirs
}

// ProgramDirs returns the directories that hold programs, as a launch searches them.
func ProgramDirs(root *rootfs.Root) []rootfs.Path {
	return splitDirs(account.ReadLogin(root.Read, false).Path)
}

func splitDirs(list string) (dirs []rootfs.Path) {
	for d := range strings.SplitSeq(list, ":") {
		if path.IsAbs(d) {
			dirs = append(dirs, rootfs.Path(path.Clean(d)))
		}
	}
	return dirs
}

// LoginFiles are the files that the results depend on.
var LoginFiles = []rootfs.Path{"/etc/profile.env", "/etc/environment", "/etc/login.defs"}

// FindProgram returns the path of a program in the chroot, or "". dirs are those of
// ProgramDirs.
func FindProgram(root *rootfs.Root, dirs []rootfs.Path, name string) rootfs.Path {
	isExecutable := func(p rootfs.Path) bool {
		st, err := root.Stat(p)
		return err == nil && st.Mode&0o170000 == 0o100000 && st.Mode&0o111 != 0
	}
	if path.IsAbs(name) {
		if p := rootfs.Path(path.Clean(name)); isExecutable(p) {
			return p
		}
		return ""
	}
	if name == "" || strings.Contains(name, "/") {
		return ""
	}
	for _, dir := range dirs {
		if p := dir.Join(name); isExecutable(p) {
			return p
		}
	}
	return ""
}
