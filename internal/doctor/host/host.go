// Package host is the part of chrunctl doctor that looks at the host: what launches
// need of the kernel and of the machine's set-up. It finds out by doing, where that
// changes nothing, and not by reading switches.
package host

import (
	"context"

	"chrun/internal/doctor/report"
	"chrun/session"
	"chrun/session/config"
)

// Input is what the checks of the host are made from.
type Input struct {
	Caller *session.Caller
	Config *config.Config
	Chroot *config.Chroot // that is asked about; nil if it cannot be chosen
	Plan   *session.Plan  // of the launch; nil if it cannot be planned
}

// Check makes all checks of the host.
func Check(ctx context.Context, in *Input) (checks []report.Check) {
	return checks
}
