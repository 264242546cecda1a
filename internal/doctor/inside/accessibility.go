package inside

import (
	"context"
	"path"

	"chrun/desktop"
	"chrun/internal/doctor/report"
)

// probeAccessibility connects to the bus of screen readers, if it runs. Asking for its
// address would start it (at-spi2-core, at-spi-bus-launcher.c).
func probeAccessibility(ctx context.Context, in *Input, add func(...report.Check)) {
	const row, name = "accessibility", "org.a11y.Bus"
	if in.denies(row) {
		return
	}
	if socket := desktop.SocketIn(in.Env.Get("AT_SPI_BUS_ADDRESS")); socket != "" {
		checkAccessibilityBus(ctx, socket, add)
		return
	}
	socket := desktop.SocketIn(in.Env.Get(sessionBus))
	if socket == "" || in.Env.Get("NO_AT_BRIDGE") == "1" {
		return
	}
	b, ok := openBus(ctx, row, socket, func(...report.Check) {}) // its own row says why not
	if !ok {
		return
	}
	defer b.conn.Close()
	started := false
	for _, file := range listDirectory(path.Join(in.Env.Get("XDG_RUNTIME_DIR"), "at-spi"), 20) {
		started = started || len(file) >= 3 && file[:3] == "bus"
	}
	switch {
	case !b.isOwned(ctx, name) && b.canStart(ctx, name):
		add(report.Good(row, report.Answers, "starts on demand"))
	case !b.isOwned(ctx, name):
		add(report.Absent(row, report.Answers, "no accessibility bus on the session bus"))
	case !started:
		add(report.Good(row, report.Answers, "its launcher runs; the bus starts on demand"))
	default:
		body, err := b.call(ctx, name, "/org/a11y/bus", name+".GetAddress")
		if err != nil || len(body) == 0 {
			add(report.Bad(row, report.Answers, "accessibility-hang", "the launcher of the accessibility bus does not answer"))
			return
		}
		address, _ := body[0].(string)
		checkAccessibilityBus(ctx, desktop.SocketIn(address), add)
	}
}

func checkAccessibilityBus(ctx context.Context, socket string, add func(...report.Check)) {
	const row = "accessibility"
	failed := "names no socket"
	if socket != "" {
		b, ok := openBus(ctx, row, socket, func(checks ...report.Check) { failed = checks[0].Text })
		if ok {
			b.conn.Close()
			add(report.Good(row, report.Answers, "the accessibility bus answers"))
			return
		}
	}
	add(report.Bad(row, report.Answers, "accessibility-hang", "accessibility: "+failed))
}
