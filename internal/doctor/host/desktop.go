package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
	"chrun/internal/doctor/report"
	"chrun/session"
)

// shares reports whether the launch shares something of a feature.
func (in *Input) shares(feature string) bool {
	return in.Plan != nil && slices.ContainsFunc(in.Plan.Features, func(f session.FeatureState) bool { return f.Feature == feature && f.Shared })
}

// denies reports whether the person does not want a feature, or it is not known.
func (in *Input) denies(feature string) bool {
	return in.Plan == nil || slices.ContainsFunc(in.Plan.Features, func(f session.FeatureState) bool { return f.Feature == feature && f.Denied })
}

// checkCookie looks for a cookie of X11 that is filed under a former name of the host.
// chrun uses it, but other programs do not.
func checkCookie(_ context.Context, in *Input) []report.Check {
	env := in.Caller.Env
	d, err := x11.ParseDisplay(env.Get("DISPLAY"), session.IsSocket)
	file := env.Get("XAUTHORITY")
	if file == "" {
		file = path.Join(env.Get("HOME"), ".Xauthority")
	}
	if err != nil || d.IsRemote() || !in.shares("x11") || !path.IsAbs(file) {
		return nil
	}
	entries, err := x11.ReadAuthority(session.HostPath(file), x11.AnyOwner, 0)
	if err != nil || len(x11.SelectEntries(entries, d, in.Caller.Hostname, env.Get("XAUTHLOCALHOSTNAME"))) > 0 {
		return nil
	}
	for _, e := range slices.Backward(entries) {
		if len(x11.SelectRenamedEntries([]x11.Entry{e}, d)) > 0 {
			text := fmt.Sprintf("the cookie is for the host name %s, not for %s: chrun uses it, but programs of the host do not", e.Address, in.Caller.Hostname)
			return []report.Check{report.Notice("x11", report.Found, "x11-renamed", text, "entry", session.Quote(fmt.Sprintf("%s/unix:%d", e.Address, d.Number)))}
		}
	}
	return nil
}

// checkSound looks whether a desktop has the sound servers that are installed.
func checkSound(_ context.Context, in *Input) []report.Check {
	env := in.Caller.Env
	if env.Get("PULSE_SERVER")+env.Get("PIPEWIRE_REMOTE") != "" || in.denies("pulseaudio") || !isInstalled("pipewire", "wireplumber", "pipewire-pulse") {
		return nil
	}
	if in.shares("pulseaudio") || in.isServed("pulse/native") {
		return nil
	}
	switch pipewire := in.isServed("pipewire-0"); {
	case pipewire && !in.denies("pipewire"):
		return []report.Check{report.Notice("pulseaudio", report.Found, "no-pulse", "PipeWire runs, but pipewire-pulse does not: browsers and most other programs have no sound")}
	case !pipewire && !in.denies("pipewire") && (in.shares("wayland") || in.shares("x11")):
		return []report.Check{report.Notice("pipewire", report.Found, "no-sound-server", "no sound server runs, though PipeWire is installed")}
	}
	return nil
}

// isServed reports whether a server listens at a socket of the runtime directory, be it
// closed to the caller.
func (in *Input) isServed(socket string) bool {
	if in.Caller.RuntimeDir == "" {
		return false
	}
	conn, err := net.Dial("unix", string(in.Caller.RuntimeDir.Join(socket)))
	if err == nil {
		conn.Close()
	}
	return err == nil || errors.Is(err, unix.EACCES)
}

// isInstalled reports whether the host has all of these programs.
func isInstalled(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		_, err := exec.LookPath(name)
		return err != nil
	})
}
