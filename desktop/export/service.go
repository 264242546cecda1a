package export

import (
	"slices"
	"strings"

	"chrun/desktop/entry"
	"chrun/desktop/export/service"
)

// findService returns the command of an app's D-Bus service if the service is to
// be exported: only if the entry keeps its ID, the name is an application's, and no
// program of the host owns or provides it.
func (x *appExporter) findService(a *App, id string) (argv []string, ok bool) {
	if !a.Entry.Bool("DBusActivatable") || id != a.ID {
		return nil, false
	}
	argv, ok = service.FindCommand(x.root, id)
	if !ok || strings.HasPrefix(argv[0], "-") {
		return nil, false
	}
	if reason := service.Reserved(id); reason != "" {
		x.note(id, "is started with Exec, not by D-Bus: programs of the host use that name, %s", reason)
		return nil, false
	}
	file := x.host.serviceFile(id)
	if _, found := service.FindOnHost(slices.Concat([]string{x.host.DataHome}, x.host.DataDirs), x.host.RuntimeDir, id, file); found {
		x.detail(id, "is started with Exec, not by D-Bus: the host has a D-Bus service of that name")
		return nil, false
	}
	_, exported := x.previous.files[file]
	if !exported && x.host.BusNameOwned != nil && x.host.BusNameOwned(id) {
		x.detail(id, "is started with Exec, not by D-Bus: a running program owns its D-Bus name")
		return nil, false
	}
	return argv, true
}

// arguments returns words as a program receives them: D-Bus has no field codes.
func arguments(words []entry.Word) []string {
	argv := make([]string, len(words))
	for i, w := range words {
		argv[i] = strings.ReplaceAll(string(w), "%%", "%")
	}
	return argv
}
