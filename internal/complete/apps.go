package complete

import (
	"chrun/desktop/export"
	"chrun/desktop/menu"
	"chrun/session"
	"chrun/session/rootfs"
)

// ListApps lists the IDs of the apps of a chroot that are exported, or of those that
// are not, each with a tab and its name.
func ListApps(h *export.Host, root *rootfs.Root, set *export.Set, exported bool) (list []string) {
	for _, a := range export.ListApps(root) {
		if a.Err == nil && menu.ValidID(a.ID) && (set.ExportedID(a.ID) != "") == exported {
			list = append(list, a.ID+"\t"+session.Printable(a.Entry.Localised("Name", h.Locale)))
		}
	}
	return list
}
