// Package export puts the programs of a chroot into the user's menu and takes
// them out again: entries, icons, types, D-Bus services, and commands in
// ~/.local/bin.
//
// What shall be there is computed from the chroot, the host and what was asked
// (Set.want); what is there by our doing is noted in a manifest; Plan is the
// difference, and Run makes it. So export, unexport and sync are one thing, a
// second run has nothing to do, and one that was killed is completed by the next.
//
// Sources: Desktop Entry Specification 1.5; Desktop Menu Specification 1.1; XDG
// Base Directory Specification 0.8; D-Bus Specification, "Message Bus Starting
// Services".
package export

import (
	"cmp"
	"io/fs"
	"path"
	"slices"
	"strings"

	"chrun/desktop/entry"
	"chrun/session/rootfs"
)

// App is a program that a chroot offers to menus.
type App struct {
	ID    string // of its entry, without ".desktop"
	Path  rootfs.Path
	Entry *entry.Entry // nil with Err
	Err   error        // why the entry is none
}

// maxApps bounds how many entries of a chroot are looked at.
const maxApps = 5000

// ListApps lists the entries of a chroot in the order of their ids; those in
// /usr/local hide those of the same id. Deleted (Hidden) ones are not among them.
func ListApps(root *rootfs.Root) []App {
	seen := map[string]bool{}
	var apps []App
	var walk func(dir rootfs.Path, prefix string, depth int)
	walk = func(dir rootfs.Path, prefix string, depth int) {
		entries, _ := root.List(dir)
		for _, e := range entries {
			name := e.Name()
			id, ok := strings.CutSuffix(prefix+name, ".desktop")
			switch {
			case e.IsDir() && depth < 4:
				walk(dir.Join(name), prefix+name+"-", depth+1)
			case !ok || seen[id] || len(apps) == maxApps || !e.Type().IsRegular() && e.Type()&fs.ModeSymlink == 0:
			default:
				seen[id] = true
				apps = append(apps, read(root, id, dir.Join(name)))
			}
		}
	}
	walk("/usr/local/share/applications", "", 0)
	walk("/usr/share/applications", "", 0)
	apps = slices.DeleteFunc(apps, func(a App) bool { return a.Entry != nil && a.Entry.Bool("Hidden") })
	slices.SortFunc(apps, func(a, b App) int { return cmp.Compare(a.ID, b.ID) })
	return apps
}

func read(root *rootfs.Root, id string, p rootfs.Path) App {
	a := App{ID: id, Path: p}
	data, err := root.Read(p)
	if err == nil {
		a.Entry, err = entry.Parse(data)
	}
	a.Err = err
	return a
}

// FindApps says which apps word means: an id, a program, or a shown name in the
// locale or unlocalised; whichever of these fits first.
func FindApps(apps []App, word, locale string) []App {
	word = strings.TrimSuffix(word, ".desktop")
	for _, fits := range []func(a *App) bool{
		func(a *App) bool { return a.ID == word },
		func(a *App) bool { return a.Entry != nil && path.Base(a.Entry.Program()) == path.Base(word) },
		func(a *App) bool {
			return a.Entry != nil && (strings.EqualFold(a.Entry.Localised("Name", locale), word) || strings.EqualFold(a.Entry.String("Name"), word))
		},
		func(a *App) bool { return strings.EqualFold(a.ID, word) },
	} {
		var found []App
		for i := range apps {
			if validID(apps[i].ID) && fits(&apps[i]) {
				found = append(found, apps[i])
			}
		}
		// Of several that run the program, the one that is called like it.
		if i := slices.IndexFunc(found, func(a App) bool { return a.ID == path.Base(word) }); i >= 0 {
			return found[i : i+1]
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// validID says whether an id can be the name of a file that everybody handles,
// with the name of a chroot and whatever else is put behind it (NAME_MAX is 255).
func validID(id string) bool {
	return id != "" && len(id) <= 160 && id[0] != '.' && id[0] != '-' && !strings.ContainsFunc(id, func(r rune) bool {
		return r <= ' ' || r == '/' || r == 0x7f || r == '\\' || r == 0xfffd
	})
}
