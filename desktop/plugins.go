package desktop

import (
	"fmt"
	"slices"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// MissingPlugin is a variable that names a plugin which the chroot does not have.
type MissingPlugin struct{ Variable, Note string }

// plugin describes how to find the theme or input module that a variable names. If
// it is missing, a toolkit falls back to a worse choice than without the variable,
// or prints a warning at each start.
type plugin struct {
	variable    string
	description string
	builtin     []string       // part of the toolkit itself
	separator   string         // between alternatives; one of them suffices
	suffixStart string         // begins the part of a value that is not in the file name
	dirs        []session.Path // below a library directory
}

var (
	gtkModules = []session.Path{"gtk-3.0/3.0.0/immodules", "gtk-4.0/4.0.0/immodules", "gtk-2.0/2.10.0/immodules"}
	qtInput    = []session.Path{"qt6/plugins/platforminputcontexts", "qt5/plugins/platforminputcontexts", "qt/plugins/platforminputcontexts"}
	qtThemes   = []session.Path{"qt6/plugins/platformthemes", "qt5/plugins/platformthemes", "qt/plugins/platformthemes"}
	qtStyles   = []session.Path{"qt6/plugins/styles", "qt5/plugins/styles", "qt/plugins/styles"}
)

// plugins lists the variables to check. XMODIFIERS is not checked: it names a
// program of the session. Nor are XCURSOR_THEME and icon themes, which have
// fallbacks.
var plugins = []plugin{
	{variable: "GTK_IM_MODULE", description: "GTK input module", dirs: gtkModules, separator: ":",
		builtin: []string{"gtk-im-context-simple", "gtk-im-context-none", "simple", "none", "wayland", "waylandgtk", "xim", "broadway"}},
	{variable: "QT_IM_MODULE", description: "Qt input module", dirs: qtInput,
		builtin: []string{"simple", "none", "xim", "compose", "wayland", "text-input-v3"}},
	{variable: "QT_IM_MODULES", description: "Qt input module", dirs: qtInput, separator: ";",
		builtin: []string{"simple", "none", "xim", "compose", "wayland", "text-input-v3"}},
	{variable: "QT_QPA_PLATFORMTHEME", description: "Qt platform theme", dirs: qtThemes, separator: ":",
		builtin: []string{"generic", "gnome", "kde"}},
	{variable: "QT_STYLE_OVERRIDE", description: "Qt style", dirs: qtStyles, suffixStart: "-", // kvantum-dark, of libkvantum.so
		builtin: []string{"fusion", "windows"}},
}

// FindMissingPlugins lists the variables that name a theme or input module which
// the chroot does not have. It reads the tree only for variables that are set.
func FindMissingPlugins(root *rootfs.Root, env session.Environ) (lacks []MissingPlugin) {
	for _, p := range plugins {
		if value := env.Get(p.variable); value != "" && !p.isAvailable(root, value) {
			lacks = append(lacks, MissingPlugin{p.variable, fmt.Sprintf("the chroot has no %s %s: %s is unset", p.description, value, p.variable)})
		}
	}
	return lacks
}

func (p plugin) isAvailable(root *rootfs.Root, value string) bool {
	values := []string{value}
	if p.separator != "" {
		values = strings.Split(value, p.separator)
	}
	for _, name := range values {
		if slices.ContainsFunc(p.builtin, func(b string) bool { return strings.EqualFold(b, name) }) {
			return true
		}
		if p.suffixStart != "" {
			name, _, _ = strings.Cut(name, p.suffixStart)
		}
		if name == "" || name[0] == '.' || strings.Contains(name, "/") {
			continue
		}
		if p.hasLibrary(root, strings.ToLower(name)) {
			return true
		}
	}
	return false
}

// hasLibrary reports whether there is a library whose file name contains name:
// im-fcitx5.so for fcitx, libqgtk3.so for gtk3. Only the library itself knows the
// exact names that it provides.
func (p plugin) hasLibrary(root *rootfs.Root, name string) bool {
	for _, lib := range rootfs.LibDirs {
		if !root.IsDir(lib) {
			continue
		}
		for _, dir := range p.dirs {
			list, err := root.List(lib.Join(string(dir)))
			if err != nil {
				continue
			}
			for _, e := range list {
				if n := strings.ToLower(e.Name()); strings.HasSuffix(n, ".so") && strings.Contains(n, name) {
					return true
				}
			}
		}
	}
	return false
}
