package complete

import (
	"path"

	"chrun/desktop/export"
	"chrun/desktop/menu"
	"chrun/session"
	"chrun/session/rootfs"
)

// ListApps lists the IDs of the apps of a chroot that are exported, or of those that
// are not, each with a tab and its name.
func ListApps(h *export.Host, root *rootfs.Root, set *export.Set, exported bool) (list []string) {
	for _, a := range export.ListApps(root) {
		if (set.ExportedID(a.ID) != "") == exported {
			list = appendApp(list, h, a)
		}
	}
	if exported {
		for _, c := range set.Selection().CustomEntries {
			list = append(list, path.Base(c.Program)+"\t"+session.Printable(c.Name))
		}
	}
	return list
}

func appendApp(list []string, h *export.Host, a export.App) []string {
	if a.Err != nil || !menu.ValidID(a.ID) {
		return list
	}
	return append(list, a.ID+"\t"+session.Printable(a.Entry.Localised("Name", h.Locale)))
}

// ListAutostart lists the IDs of the programs that start at login.
func ListAutostart(h *export.Host, root *rootfs.Root, set *export.Set, exported bool) (list []string) {
	if exported {
		return set.Selection().Autostart
	}
	for _, a := range export.ListAutostart(root) {
		list = appendApp(list, h, a)
	}
	return list
}

// ListCommands lists the exported commands.
func ListCommands(set *export.Set) (list []string) {
	for _, c := range set.Selection().Commands {
		list = append(list, path.Base(c))
	}
	return list
}
