package desktop

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// shareIBus shares the way to the input method IBus, which has a bus of its
// own. Its address is in a file of the home that is named after the machine id
// and the display (ibus_get_socket_path), which are the host's inside too. The
// socket is an abstract one, or in the cache directory. Whole directories, so
// that a daemon which restarts is found again; and to read only, for whoever
// writes there is handed what is typed in other programs. Fcitx is on the
// session bus.
func shareIBus(f *session.Facts, s *session.Share) {
	config, dest := ibusDir(f)
	if f.Foreign() || !isDir(config) { // GLib compares uids as the other buses do
		return
	}
	s.State += ", and IBus"
	const why = "the input method IBus"
	s.Binds = append(s.Binds, session.Bind{Source: config, Dest: dest, ReadOnly: true, Why: why})
	cache := session.HostPath(f.Caller.Account.Home).Join(".cache")
	if dir := f.Caller.Env.Get("XDG_CACHE_HOME"); path.IsAbs(dir) {
		cache = session.HostPath(path.Clean(dir))
	}
	if cache = cache.Join("ibus"); isDir(cache) {
		s.Binds = append(s.Binds, session.Bind{Source: cache, Dest: session.Path(cache), ReadOnly: true, Why: why})
	}
}

// hideIBus covers the addresses, which a home that is shared would show.
func hideIBus(f *session.Facts, s *session.Share) {
	config, dest := ibusDir(f)
	list, _ := os.ReadDir(string(config))
	for _, e := range list {
		s.Cover = append(s.Cover, dest.Join(e.Name()))
	}
}

func ibusDir(f *session.Facts) (source session.HostPath, dest session.Path) {
	source, dest = configHome(f)
	return source.Join("ibus/bus"), dest.Join("ibus/bus")
}

// inputToolkit is one that loads a module for the input method that a variable names.
type inputToolkit struct {
	name, lib string // the library by which it is known to be there
	variables []string
	dir       session.Path      // of the modules, below a library directory
	packages  map[string]string // Debian's, by input method
}

var inputToolkits = []inputToolkit{
	{"GTK 2", "libgtk-x11-2.0.so.0", []string{"GTK_IM_MODULE"}, gtkModules[2], map[string]string{"ibus": "ibus-gtk", "fcitx": "fcitx5-frontend-gtk2"}},
	{"GTK 3", "libgtk-3.so.0", []string{"GTK_IM_MODULE"}, gtkModules[0], map[string]string{"ibus": "ibus-gtk3", "fcitx": "fcitx5-frontend-gtk3"}},
	{"GTK 4", "libgtk-4.so.1", []string{"GTK_IM_MODULE"}, gtkModules[1], map[string]string{"ibus": "ibus-gtk4", "fcitx": "fcitx5-frontend-gtk4"}},
	{"Qt 5", "libQt5Gui.so.5", qtVariables, qtInput[1], map[string]string{"ibus": "libqt5gui5", "fcitx": "fcitx5-frontend-qt5"}},
	{"Qt 6", "libQt6Gui.so.6", qtVariables, qtInput[0], map[string]string{"ibus": "libqt6gui6", "fcitx": "fcitx5-frontend-qt6"}},
}

var qtVariables = []string{"QT_IM_MODULES", "QT_IM_MODULE"}

// findMissingModules says which toolkits of the chroot have no module for the person's
// input method, and what brings it: without it nobody can type Chinese there.
// Nothing is looked for where no variable names one.
func findMissingModules(root *rootfs.Root, env session.Environ) (notes []string) {
	for _, tk := range inputToolkits {
		var method string
		for _, v := range tk.variables {
			names := strings.FieldsFunc(env.Get(v), func(r rune) bool { return r == ':' || r == ';' })
			if i := slices.IndexFunc(names, func(n string) bool { return tk.packages[strings.TrimSuffix(n, "5")] != "" }); i >= 0 {
				method = strings.TrimSuffix(names[i], "5")
				break
			}
		}
		if method == "" || !slices.ContainsFunc(rootfs.LibDirs, func(lib session.Path) bool { return root.Exists(lib.Join(tk.lib)) }) {
			continue
		}
		if !(plugin{dirs: []session.Path{tk.dir}}).hasLibrary(root, method) {
			notes = append(notes, fmt.Sprintf("the chroot's %s has no module for %s: it has to be installed there (Debian's %s)", tk.name, method, tk.packages[method]))
		}
	}
	return notes
}
