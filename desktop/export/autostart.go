package export

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"chrun/desktop/entry"
	"chrun/desktop/export/inside"
	"chrun/session"
	"chrun/session/rootfs"
)

// Source: Desktop Application Autostart Specification 0.5.

// ListAutostart returns the entries of programs that a desktop inside would start at
// login, in the order of their IDs.
func ListAutostart(root *rootfs.Root) []App { return listApps(root, autostartDirs(root)) }

func autostartDirs(root *rootfs.Root) (dirs []rootfs.Path) {
	for _, dir := range inside.ConfigDirs(root) {
		dirs = append(dirs, dir.Join("autostart"))
	}
	return dirs
}

func (h *Host) autostartFile(id string) string {
	return h.ConfigHome + "/autostart/" + id + ".desktop"
}

// startsAtLogin returns the host's file that has the ID among the programs that
// start at login, or "". previous are exported files, which do not count.
func (h *Host) startsAtLogin(id string, previous map[string]record) string {
	for _, dir := range append([]string{h.ConfigHome}, h.ConfigDirs...) {
		file := filepath.Join(dir, "autostart", id+".desktop")
		if _, exported := previous[file]; exported {
			continue
		}
		if _, err := os.Lstat(file); err == nil {
			return file
		}
	}
	return ""
}

// exportAutostart adds the selected entries that start programs at login.
func (x *appExporter) exportAutostart() {
	all := ListAutostart(x.root)
	for _, id := range x.selection.Autostart {
		if i := slices.IndexFunc(all, func(a App) bool { return a.ID == id }); i >= 0 {
			x.exportStarted(all[i])
		} else {
			x.note(id, "is no longer in the chroot")
		}
	}
}

func (x *appExporter) exportStarted(a App) {
	if err := x.check(&a); err != nil {
		x.refuse(a.ID, err)
		return
	}
	id := a.ID
	if _, exported := x.previous.files[x.host.autostartFile(id+"."+x.chroot)]; exported || x.host.startsAtLogin(id, x.previous.files) != "" {
		id += "." + x.chroot // the same ID would replace the host's
	}
	out, dropped, err := a.Entry.Rewrite(entry.RewriteOptions{
		ID: id, OriginalID: a.ID, Source: string(a.Path), Launcher: x.host.Launcher, Chroot: x.chroot,
		MapIcon:  func(name string) string { return x.icons.export(a.ID, name) },
		KeepType: func(string) bool { return false },
	})
	if err != nil {
		x.refuse(a.ID, err)
		return
	}
	x.noteDropped(a.ID, dropped)
	x.files[x.host.autostartFile(id)] = &file{mode: 0o644, data: out.Bytes()}
}

// AddAutostart selects a program that starts at login, or with the word "" all
// those that are not hidden and for which the host has no entry with the same ID. It
// returns their IDs.
func (c *Chooser) AddAutostart(word string) (ids []string, err error) {
	all := ListAutostart(c.Root)
	found := all
	if word != "" {
		found = FindApps(all, word, c.Host.Locale)
	}
	for _, a := range found {
		file := c.Host.startsAtLogin(a.ID, nil)
		if word == "" && (file != "" && !slices.Contains(c.Autostart, a.ID) || a.Err != nil || !a.Entry.IsShown(c.Host.Desktops)) {
			continue // parts of another desktop, which are hidden, would be in the way of this one's
		}
		ids = append(ids, a.ID)
		if !slices.Contains(c.Autostart, a.ID) {
			c.Autostart = append(c.Autostart, a.ID)
		}
	}
	if len(ids) > 0 || word == "" {
		return ids, nil
	}
	var names []string
	for _, a := range all {
		names = append(names, session.Quote(a.ID))
	}
	why := "it is not among the programs that start at login in the chroot"
	if len(names) > 0 {
		why += ": " + strings.Join(names, ", ")
	}
	return nil, c.fail(word, why, "to put it into the menu: chrunctl export "+c.Chroot+" "+session.Quote(word))
}

// RemoveAutostart takes a program that starts at login out of the selection, or with
// the word "" all of them.
func (c *Chooser) RemoveAutostart(word string) error {
	c.verb = "unexport"
	ids := []string{word, strings.TrimSuffix(word, ".desktop"), strings.TrimSuffix(strings.TrimSuffix(word, ".desktop"), "."+c.Chroot)}
	if c.Root != nil && word != "" {
		for _, a := range FindApps(ListAutostart(c.Root), word, c.Host.Locale) {
			ids = append(ids, a.ID)
		}
	}
	before := len(c.Autostart)
	c.Autostart = slices.DeleteFunc(c.Autostart, func(id string) bool { return word == "" || slices.Contains(ids, id) })
	if len(c.Autostart) == before && word != "" {
		return c.notExported(word)
	}
	return nil
}

// isAutostart reports whether a file starts a program at login.
func (h *Host) isAutostart(file string) bool { return path.Dir(file) == h.ConfigHome+"/autostart" }
