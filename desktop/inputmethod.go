package desktop

import (
	"fmt"
	"slices"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// shareIBus shares the bus of the input method IBus. (Fcitx uses the session
// bus.) The address is in a file in the home whose name contains the machine ID
// and the display (ibus_get_socket_path), which are the same inside. The socket
// is abstract, or in the cache directory. Directories are shared, so that a
// restarted daemon is found; read-only, because whoever can write the address
// could receive what is typed in other programs.
func shareIBus(f *session.Facts, s *session.Share) {
	config, dest := ibusDir(f)
	const why = "the input method IBus"
	if f.NeedsBusRelay() { // like other buses, IBus refuses other uids
		return
	}
	if list := f.Caller.Env.Get("IBUS_ADDRESS"); list != "" {
		addresses, binds, notes := chooseReachable(f, list, why)
		s.Binds, s.Notes = append(s.Binds, binds...), append(s.Notes, notes...)
		if len(addresses) > 0 {
			s.Env = append(s.Env, session.Var{Name: "IBUS_ADDRESS", Value: joinAddresses(addresses)})
			s.State += ", and IBus"
			return
		}
	}
	if !isDir(config) {
		return
	}
	s.State += ", and IBus"
	s.Binds = append(s.Binds, ibusSockets(f, config, why)...)
	s.Binds = append(s.Binds, session.Bind{Source: config, Dest: dest, ReadOnly: true, Why: why})
	if cache := cacheHome(f.Caller).Join("ibus"); isDir(cache) {
		s.Binds = append(s.Binds, session.Bind{Source: cache, Dest: session.Path(cache), ReadOnly: true, Why: why})
	}
}

// ibusSockets shares the sockets that the files with addresses name, except those
// in the cache directory, which is shared.
func ibusSockets(f *session.Facts, config session.HostPath, why string) (binds []session.Bind) {
	list, _ := rootfs.ListHost(config)
	for _, e := range list {
		text, err := rootfs.ReadHost(config.Join(e.Name()), 4096, 0)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			value, ok := strings.CutPrefix(strings.TrimSpace(line), "IBUS_ADDRESS=")
			if !ok {
				continue
			}
			for _, a := range parseAddresses(value) {
				p, isPath := a.socket()
				if socket, ok := f.Caller.FindSocket(p); isPath && ok && !p.IsBelow(cacheHome(f.Caller)) {
					// The file names the path that the server has.
					binds = append(binds, session.Bind{Source: socket.Real, Dest: session.Path(p), Why: why})
				}
			}
		}
	}
	return binds
}

// hideIBus covers the files with addresses, which a shared home contains.
func hideIBus(f *session.Facts, s *session.Share) {
	config, dest := ibusDir(f)
	s.Cover = append(s.Cover, hideBus(f.Caller.Env.Get("IBUS_ADDRESS")).Cover...)
	list, _ := rootfs.ListHost(config)
	for _, e := range list {
		s.Cover = append(s.Cover, dest.Join(e.Name()))
	}
}

func ibusDir(f *session.Facts) (source session.HostPath, dest session.Path) {
	source, dest = configHome(f)
	return source.Join("ibus/bus"), dest.Join("ibus/bus")
}

// inputToolkit is a toolkit that loads a module for the input method that a
// variable names.
type inputToolkit struct {
	name, lib string // the chroot has the toolkit if it has the library
	variables []string
	dir       session.Path      // the directory of modules below a library directory
	packages  map[string]string // the package of Debian for each input method
}

var inputToolkits = []inputToolkit{
	{"GTK 2", "libgtk-x11-2.0.so.0", []string{"GTK_IM_MODULE"}, gtkModules[2], map[string]string{"ibus": "ibus-gtk", "fcitx": "fcitx5-frontend-gtk2"}},
	{"GTK 3", "libgtk-3.so.0", []string{"GTK_IM_MODULE"}, gtkModules[0], map[string]string{"ibus": "ibus-gtk3", "fcitx": "fcitx5-frontend-gtk3"}},
	{"GTK 4", "libgtk-4.so.1", []string{"GTK_IM_MODULE"}, gtkModules[1], map[string]string{"ibus": "ibus-gtk4", "fcitx": "fcitx5-frontend-gtk4"}},
	{"Qt 5", "libQt5Gui.so.5", qtVariables, qtInput[1], map[string]string{"ibus": "libqt5gui5", "fcitx": "fcitx5-frontend-qt5"}},
	{"Qt 6", "libQt6Gui.so.6", qtVariables, qtInput[0], map[string]string{"ibus": "libqt6gui6", "fcitx": "fcitx5-frontend-qt6"}},
}

var qtVariables = []string{"QT_IM_MODULES", "QT_IM_MODULE"}

// MissingModule is a toolkit of the chroot without a module for the input method.
type MissingModule struct {
	Toolkit string // "GTK 3"
	Method  string // "ibus" or "fcitx"
	Package string // of Debian, that has the module
}

// FindMissingModules lists the toolkits of the chroot that have no module for the
// person's input method, and the packages to install: without a module nobody can
// type Chinese there. It reads the tree only if a variable names an input method.
func FindMissingModules(root *rootfs.Root, env session.Environ) (missing []MissingModule) {
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
			missing = append(missing, MissingModule{tk.name, method, tk.packages[method]})
		}
	}
	return missing
}

func findMissingModules(root *rootfs.Root, env session.Environ) (notes []string) {
	for _, m := range FindMissingModules(root, env) {
		notes = append(notes, fmt.Sprintf("the chroot's %s has no module for the input method %s: install it in the chroot (on Debian: %s)", m.Toolkit, m.Method, m.Package))
	}
	return notes
}
