package export

import (
	"cmp"
	"io/fs"
	"path"
	"slices"
	"strings"

	"chrun/desktop/entry"
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

// ListApps returns the entries of a chroot in the order of their IDs. An entry in
// /usr/local hides one of the same ID in /usr; deleted (Hidden) ones are left out.
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
				apps = append(apps, readApp(root, id, dir.Join(name)))
			}
		}
	}
	walk("/usr/local/share/applications", "", 0)
	walk("/usr/share/applications", "", 0)
	apps = slices.DeleteFunc(apps, func(a App) bool { return a.Entry != nil && a.Entry.Bool("Hidden") })
	slices.SortFunc(apps, func(a, b App) int { return cmp.Compare(a.ID, b.ID) })
	return apps
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

// programDirs are the directories of a chroot that hold programs.
var programDirs = []rootfs.Path{"/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/games", "/usr/local/games"}

// FindProgram returns the path of a program in the chroot, or "".
func FindProgram(root *rootfs.Root, name string) rootfs.Path {
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
	for _, dir := range programDirs {
		if p := dir.Join(name); isExecutable(p) {
			return p
		}
	}
	return ""
}
