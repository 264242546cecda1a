package inside

import (
	"cmp"
	"context"
	"strings"

	"chrun/desktop"
	"chrun/internal/doctor/report"
)

// probeInputMethod finds which input method the person uses, whether it runs, and
// whether the toolkits of the chroot have modules for it.
func probeInputMethod(ctx context.Context, in *Input, add func(...report.Check)) {
	const row = "input-method"
	method := chosenMethod(in)
	running := ""
	if socket := desktop.SocketIn(in.Env.Get(sessionBus)); socket != "" && in.shares("session-bus") {
		if b, ok := openBus(ctx, row, socket, func(...report.Check) {}); ok {
			defer b.conn.Close()
			running = b.inputMethod(ctx)
		}
	}
	method = cmp.Or(method, running)
	switch {
	case method == "":
		add(report.Absent(row, report.Found, "none is set up: keys go straight to the program"))
		return
	case running == "" && in.shares("session-bus"):
		add(report.Notice(row, report.Found, method+"-not-running", method+" is set up, but does not run"))
	case running != "" && running != method:
		add(report.Notice(row, report.Found, running+"-not-set", "your variables name "+method+", but "+running+" runs"))
	}
	root := openTree()
	if root == nil {
		return
	}
	defer root.Close()
	missing := report.Notice
	var toolkits, packages []string
	for _, m := range desktop.FindMissingModules(root, in.Caller) {
		// The others ask the compositor, which most forward to the input method
		// (Wayland protocols, text-input-unstable-v3).
		if in.Env.Get("WAYLAND_DISPLAY") == "" || m.Toolkit == "GTK 2" || m.Toolkit == "Qt 5" {
			missing = report.Bad
		}
		toolkits = append(toolkits, m.Toolkit)
		packages = append(packages, m.Method+"-"+strings.ToLower(strings.ReplaceAll(m.Toolkit, " ", "")))
	}
	if toolkits != nil {
		add(missing(row, report.Reachable, "no-input-module", "the chroot's "+strings.Join(toolkits, ", ")+" lacks a module for "+method,
			"packages", strings.Join(packages, " ")))
		return
	}
	text := method + " is set up"
	if running != "" {
		text = method + " runs"
	}
	add(report.Good(row, report.Answers, text+"; no toolkit of the chroot lacks its module"))
}

// chosenMethod returns the input method that the variables name.
func chosenMethod(in *Input) string {
	for _, name := range []string{"GTK_IM_MODULE", "QT_IM_MODULES", "QT_IM_MODULE", "XMODIFIERS"} {
		value := in.Caller.Get(name)
		for _, method := range []string{"ibus", "fcitx"} {
			if strings.Contains(value, method) {
				return method
			}
		}
	}
	return ""
}

// inputMethod returns the input method that is on the bus.
func (b *bus) inputMethod(ctx context.Context) string {
	for _, m := range []struct{ method, name string }{
		{"fcitx", "org.fcitx.Fcitx5"}, {"fcitx", "org.freedesktop.portal.Fcitx"}, {"fcitx", "org.fcitx.Fcitx"},
		{"ibus", "org.freedesktop.IBus"}, {"ibus", "org.freedesktop.portal.IBus"},
	} {
		if b.isOwned(ctx, m.name) {
			return m.method
		}
	}
	return ""
}
