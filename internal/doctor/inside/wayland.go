package inside

import (
	"context"

	"chrun/internal/doctor/report"
)

// probeWayland lists the compositor's globals, as every client does first
// (Wayland protocol, wl_display.get_registry).
func probeWayland(ctx context.Context, in *Input, add func(...report.Check)) {
	if in.Env.Get("WAYLAND_DISPLAY") == "" && in.Env.Get("WAYLAND_SOCKET") == "" {
		return
	}
}
