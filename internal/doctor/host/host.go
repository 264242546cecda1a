// Package host is the part of chrunctl doctor that looks at the host: what launches
// need of the kernel and of the machine's set-up. It finds out by doing, where that
// changes nothing, and not by reading switches.
package host

import (
	"context"
	"slices"

	"chrun/internal/doctor/report"
	"chrun/session"
	"chrun/session/config"
)

// Input is what the checks of the host are made from.
type Input struct {
	Caller  *session.Caller
	Config  *config.Config
	Chroot  *config.Chroot // that is asked about; nil if it cannot be chosen
	Plan    *session.Plan  // of the launch; nil if it cannot be planned
	Chrun   string         // the program
	Self    string         // the program chrunctl
	Command string         // COMMAND, "" if there is none
	// Identity is what was asked for, "" for none.
	Identity string
}

// Check makes all checks of the host.
func Check(ctx context.Context, in *Input) (checks []report.Check) {
	for _, check := range []func(context.Context, *Input) []report.Check{
		checkNamespaces, checkOverlay, checkIdmap, checkMapper, checkMounts, checkTree, checkClock, checkDenials, checkPrograms,
		checkRuntimeDir, checkCookie, checkSound, checkJournal, checkExports, checkLeft,
	} {
		if ctx.Err() != nil {
			break
		}
		checks = append(checks, check(ctx, in)...)
	}
	if !slices.ContainsFunc(checks, func(c report.Check) bool { return c.Feature == "records" }) {
		checks = append(checks, report.Good("records", report.Found, "nothing was left behind"))
	}
	return checks
}

// tree is the directory of the chroot, "" if unknown.
func (in *Input) tree() session.HostPath {
	switch {
	case in.Plan != nil:
		return in.Plan.Tree
	case in.Chroot != nil:
		return in.Chroot.Path
	}
	return ""
}

// name is what commands call the chroot, "" if unknown.
func (in *Input) name() string {
	if in.Chroot == nil {
		return ""
	}
	return in.Chroot.Name
}
