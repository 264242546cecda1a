package doctor

import (
	"os"
	"strings"

	"chrun/internal/doctor/report"
	"chrun/internal/suggest"
	"chrun/session"
	"chrun/session/launch"
	"chrun/session/rootfs"
)

// suggestProgram says what a program that was not found may have been meant to be, as
// chrun itself does.
func (o *Options) suggestProgram(c *report.Check, plan *session.Plan) {
	if c.Fault != "not-found" || plan == nil || len(o.Flags.Command) == 0 {
		return
	}
	root, err := rootfs.Open(plan.Tree)
	if err != nil {
		return
	}
	defer root.Close()
	flags := *o.Flags
	flags.Doctor, flags.DryRun = "", ""
	hints := suggest.Hints(&suggest.Context{
		Flags: &flags, Sudo: o.Caller.UID != 0 && os.Getuid() == 0, Subid: plan.Identity.Kind == session.Subid, Config: o.Config, Root: root,
		Search: plan.Env.Get("PATH"), HostSearch: o.Caller.Env.Get("PATH"),
	}, &launch.ExecError{Name: flags.Command[0], Tree: plan.Tree, Reason: launch.ReasonNotFound})
	for _, hint := range hints {
		command := commandIn(hint)
		if command == "" || strings.HasPrefix(hint, "look for it") {
			continue
		}
		c.Fault, c.Values = "other-program", map[string]string{"command": command}
		if why, _, ok := strings.Cut(hint, ": "); ok {
			c.Text += "; " + why
		}
		return
	}
}
