package report

var windowFaults = []Fault{
	{ID: "wayland-stale", Topic: "No window opens", Sees: "Programs use X11, or say that they cannot open a display.",
		Why: "WAYLAND_DISPLAY names a compositor that does not run any more.", Command: "export WAYLAND_DISPLAY={display}"},
}
