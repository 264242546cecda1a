package display

import (
	"fmt"
	"strings"

	"chrun/session"
)

// Explain says what a person who starts a program with windows should know of the
// displays that Detect has found: on which screen the window opens if that may
// surprise, or why there is none.
func Explain(f *session.Facts, wayland, x11 session.Share) []string {
	isWayland, isX11 := offersWayland(wayland), sets(x11, "DISPLAY")
	env := f.Caller.Env
	switch {
	case !f.Allowed(Wayland.Name) && !f.Allowed(X11.Name):
		return nil
	case !isWayland && !isX11:
		if why := explainNone(f, wayland, x11); why != "" {
			return []string{"no display: " + why}
		}
		return nil
	}
	texts := wayland.Windows
	if !isWayland { // most programs prefer Wayland
		texts = x11.Windows
	}
	if env.Get("SSH_CONNECTION") != "" && isEnvironmentLost(f.Caller) {
		texts = append(texts, "the window opens on the screen of this machine; to have it on yours: ssh -X")
	}
	return texts
}

// explainNone says why there is no display, and how to choose one that is running.
// It is "" if the person asked for none.
func explainNone(f *session.Facts, wayland, x11 session.Share) string {
	c := f.Caller
	if isEnvironmentLost(c) {
		running := "and you have no running compositor or X server"
		switch {
		case c.Env.Get("SSH_CONNECTION") != "":
			return "you are logged in by ssh without -X, " + running + " on this machine"
		case c.RuntimeDir == "":
			return fmt.Sprintf("you have no runtime directory (XDG_RUNTIME_DIR, or else /run/user/%d), %s", c.UID, running)
		}
		return "DISPLAY and WAYLAND_DISPLAY are unset, " + running
	}
	var dead []string
	for _, d := range []struct {
		feature, variable, state string
	}{{Wayland.Name, waylandVariable, wayland.State}, {X11.Name, "DISPLAY", x11.State}} {
		if f.Allowed(d.feature) && c.Env.Get(d.variable) != "" {
			dead = append(dead, strings.TrimPrefix(d.state, "none: "))
		}
	}
	if len(dead) == 0 {
		return ""
	}
	text := strings.Join(dead, "; ")
	if live := listChoices(f); len(live) > 0 {
		live = live[:min(len(live), maxChoices)]
		text += "; to use one that is running: " + strings.Join(live, " chrun …, or ") + " chrun …"
	}
	return text
}

// maxChoices is how many displays a text names.
const maxChoices = 3

// listChoices returns the settings that choose one of the caller's displays.
func listChoices(f *session.Facts) (choices []string) {
	if f.Allowed(Wayland.Name) {
		live, _ := listCompositors(f.Caller)
		for _, name := range live {
			choices = append(choices, waylandVariable+"="+name)
		}
	}
	if f.Allowed(X11.Name) {
		candidates, _ := listServers(f, newCookieFinder(f))
		for _, c := range candidates {
			choices = append(choices, "DISPLAY="+c.display.String())
		}
	}
	return choices
}
