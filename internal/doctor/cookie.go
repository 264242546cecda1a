package doctor

import (
	"context"
	"slices"
	"strings"

	"chrun/internal/doctor/report"
	"chrun/session"
)

// explainCookie says what to do about an X server that refuses the cookie: if chrun finds
// the right one without XAUTHORITY, that; else a program of the session must help.
func (o *Options) explainCookie(ctx context.Context, plan *session.Plan, checks []report.Check) {
	i := slices.IndexFunc(checks, func(c report.Check) bool { return c.Fault == "x11-refused" })
	switch {
	case i < 0:
	case o.Caller.Env.Get("XAUTHORITY") != "" && o.findsCookie(ctx, plan):
		checks[i].Fault = "x11-cookie"
		checks[i].Text += "; chrun finds the right one without XAUTHORITY"
	default:
		checks[i].Text += "; a terminal of that session can admit it"
	}
}

// findsCookie reports whether the X server admits a launch without XAUTHORITY.
func (o *Options) findsCookie(ctx context.Context, plan *session.Plan) bool {
	other, caller := *o, *o.Caller
	caller.Env = slices.DeleteFunc(slices.Clone(caller.Env), func(kv string) bool { return strings.HasPrefix(kv, "XAUTHORITY=") })
	other.Caller, other.Features = &caller, []string{"x11"}
	checks, _ := other.enter(ctx, plan)
	return slices.ContainsFunc(checks, func(c report.Check) bool {
		return c.Feature == "x11" && c.Status == report.OK && c.Step == report.Answers
	})
}
