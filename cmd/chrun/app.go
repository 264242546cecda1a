package main

import (
	"chrun/desktop/menu"
	"chrun/internal/cli"
	"chrun/internal/helper"
	"chrun/internal/request"
	"chrun/session"
)

// beginMenuLaunch sends the calls of a launch from the menu. The caller closes
// the result.
func (c *command) beginMenuLaunch(in request.Input) *menu.Pending {
	if c.flags.App == "" || c.flags.DryRun != "" || c.flags.Doctor != "" {
		return &menu.Pending{}
	}
	return menu.Begin(in.Caller, c.flags.App, in.Choice.Name)
}

// finishMenuLaunch prints the answers to those calls.
func (c *command) finishMenuLaunch(p *menu.Pending, l *request.Launch, plan *session.Plan) {
	if c.flags.App == "" || c.flags.Doctor != "" {
		return
	}
	m := menu.Launch{Tree: l.Root.Dir(), Config: l.Choice.Config(), Command: c.flags.Command}
	if plan.Home.Mode == session.HomeHost {
		m.Home = session.HostPath(l.Caller.Account.Home)
	}
	note, warning := p.Finish(m)
	if note != "" {
		c.note(note)
	}
	if l.NoDisplay != "" && c.flags.App != "" && !cli.IsTerminal(2) { // it is printed with the other warnings
		helper.Notify(c.env, c.flags.App, l.NoDisplay)
	}
	notices := plan.Notices
	if warning != "" {
		notices = append(notices, warning)
	}
	for _, text := range notices {
		c.warn(text)
		if !cli.IsTerminal(2) {
			helper.Notify(c.env, c.flags.App, text)
		}
	}
}
