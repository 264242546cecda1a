package export

import (
	"cmp"
	"io/fs"
	"path"
	"slices"
	"strings"

	"chrun/desktop/entry"
	"chrun/desktop/export/inside"
	"chrun/desktop/menu"
	"chrun/session/rootfs"
)

// App is a program that a chroot offers to menus.
type App struct {
	ID    string // of its entry, without ".desktop"
	Path  rootfs.Path
	Entry *entry.Entry // nil with Err
	Err   error        // why the entry cannot be used
}

// maxApps bounds how many entries of a chroot are read.
const maxApps = 5000

// maxDirs bounds how many directories for entries are read.
const maxDirs = 1000

// ListApps returns the entries of a chroot in the order of their IDs. The first
// directory of data that has an ID hides it in the others; deleted (Hidden) entries
// are left out, and those of exports, which run chrun.
func ListApps(root *rootfs.Root) []App { return listApps(root, entryDirs(root)) }

func entryDirs(root *rootfs.Root) (dirs []rootfs.Path) {
	for _, dir := range inside.DataDirs(root) {
		dirs = append(dirs, dir.Join("applications"))
	}
	return dirs
}

func listApps(root *rootfs.Root, dirs []rootfs.Path) []App {
	seen := map[string]bool{}
	var apps []App
	walkEntries(root, dirs, func(dir rootfs.Path, prefix string, names []string) {
		for _, name := range names {
			id, ok := strings.CutSuffix(prefix+name, ".desktop")
			if ok && !seen[id] && len(apps) < maxApps {
				seen[id] = true
				apps = append(apps, readApp(root, id, dir.Join(name)))
			}
		}
	})
	apps = slices.DeleteFunc(apps, func(a App) bool {
		return a.Entry != nil && (a.Entry.Bool("Hidden") || path.Base(a.Entry.Program()) == "chrun")
	})
	slices.SortFunc(apps, func(a, b App) int { return cmp.Compare(a.ID, b.ID) })
	return apps
}

// walkEntries calls visit for each directory at and below tops, with the files and
// links in it. prefix is what IDs there begin with.
func walkEntries(root *rootfs.Root, tops []rootfs.Path, visit func(dir rootfs.Path, prefix string, names []string)) {
	type inode struct{ dev, ino uint64 }
	seen := map[inode]bool{}
	var walk func(dir rootfs.Path, prefix string, depth int)
	walk = func(dir rootfs.Path, prefix string, depth int) {
		st, err := root.Stat(dir)
		key := inode{uint64(st.Dev), st.Ino}
		if err != nil || seen[key] || len(seen) == maxDirs {
			return
		}
		seen[key] = true
		entries, _ := root.List(dir)
		var names, dirs, links []string
		for _, e := range entries {
			name, isLink := e.Name(), e.Type()&fs.ModeSymlink != 0
			switch {
			case e.IsDir():
				dirs = append(dirs, name)
			case isLink && !strings.HasSuffix(name, ".desktop") && root.IsDir(dir.Join(name)):
				links = append(links, name)
			case isLink, e.Type().IsRegular():
				names = append(names, name)
			}
		}
		visit(dir, prefix, names)
		for _, name := range append(dirs, links...) {
			if depth < 8 {
				walk(dir.Join(name), prefix+name+"-", depth+1)
			}
		}
	}
	for _, dir := range tops {
		walk(dir, "", 0)
	}
}

func readApp(root *rootfs.Root, id string, p rootfs.Path) App {
	a := App{ID: id, Path: p}
	data, err := root.Read(p)
	if err == nil {
		a.Entry, err = entry.Parse(data)
	}
	a.Err = err
	return a
}

// FindApps returns the apps that word names: by ID, by program, or by the name
// that menus show, in the locale or untranslated; the first of these that fits.
func FindApps(apps []App, word, locale string) []App {
	id := strings.TrimSuffix(word, ".desktop")
	for _, matches := range []func(a *App) bool{
		func(a *App) bool { return a.ID == word }, // org.telegram.desktop.desktop
		func(a *App) bool { return a.ID == id },
		func(a *App) bool { return a.Entry != nil && path.Base(a.Entry.Program()) == path.Base(word) },
		func(a *App) bool {
			return a.Entry != nil && (strings.EqualFold(a.Entry.Localised("Name", locale), word) || strings.EqualFold(a.Entry.String("Name"), word))
		},
		func(a *App) bool { return strings.EqualFold(a.ID, id) },
	} {
		var found []App
		for i := range apps {
			if isValidID(apps[i].ID) && matches(&apps[i]) {
				found = append(found, apps[i])
			}
		}
		// If several entries run the program, prefer the one that has its name.
		if i := slices.IndexFunc(found, func(a App) bool { return a.ID == path.Base(word) }); i >= 0 {
			return found[i : i+1]
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// isValidID reports whether every program can handle a file with this name, also
// after a chroot's name and other suffixes are added (NAME_MAX is 255).
func isValidID(id string) bool {
	return menu.ValidID(id) && len(id) <= 160 && id[0] != '.' && id[0] != '-' && !strings.ContainsAny(id, "\\\ufffd")
}

// FindProgram returns the path of a program in the chroot, or "".
func FindProgram(root *rootfs.Root, name string) rootfs.Path {
	return inside.FindProgram(root, inside.ProgramDirs(root), name)
}
