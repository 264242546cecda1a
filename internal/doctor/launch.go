package doctor

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"chrun/internal/doctor/report"
)

// launchFailed makes a check of a launch that failed, from what chrun printed.
func launchFailed(ctx context.Context, err error, printed string) report.Check {
	if ctx.Err() != nil {
		return report.Bad("launch", report.Reachable, "hang", "chrun had no answer from the chroot's file system or from a server: "+lastLine(printed))
	}
	text, hint, command := "", "", ""
	for line := range strings.Lines(printed) {
		line = ownFlags.ReplaceAllString(strings.TrimPrefix(strings.TrimSpace(line), "chrun: "), "")
		h, isHint := strings.CutPrefix(line, "hint: ")
		switch {
		case isHint && hint == "":
			hint, command = h, commandIn(h)
		case isHint && command == "":
			command = commandIn(h)
		case !isHint && strings.HasPrefix(line, "cannot "):
			text = line
		}
	}
	if text == "" {
		text = lastLine(printed)
	}
	if text == "" {
		text = err.Error()
	}
	if command == "" && hint != "" {
		text += "; " + hint
	}
	return report.Bad("launch", report.Reachable, "launch", text, "command", command)
}

// ownFlags are those that the doctor has added to the command line.
var ownFlags = regexp.MustCompile(` --(dry-run=json|doctor=\S+)`)

// commandWord is the first word of a command that can be typed as it is.
var commandWord = regexp.MustCompile(`^(sudo|chrun|chrunctl|ls|namei) `)

// commandIn returns the command at the end of a hint, "" if there is none.
func commandIn(hint string) string {
	for _, end := range []string{"", ": ", "? "} {
		command := hint
		if end != "" {
			i := strings.LastIndex(hint, end)
			if i < 0 {
				continue
			}
			command = hint[i+len(end):]
		}
		command, _, _ = strings.Cut(command, " (")
		if commandWord.MatchString(command) && !strings.Contains(command, ", or ") {
			return command
		}
	}
	return ""
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimPrefix(lines[len(lines)-1], "chrun: ")
}

// preferCause keeps one command for one fault: if a check has found why the launch
// failed, chrun's own hint is left out.
func preferCause(r *report.Report) {
	isCause := func(c report.Check) bool {
		return c.Status == report.Failed && (c.Feature == "host" || c.Feature == "launch" && c.Fault != "launch")
	}
	for i := range r.Checks {
		if c := &r.Checks[i]; c.Fault == "launch" && slices.ContainsFunc(r.Checks, isCause) {
			c.Values = map[string]string{"command": ""}
		}
	}
	if slices.ContainsFunc(r.Checks, func(c report.Check) bool { return isCause(c) && c.Feature == "launch" }) {
		r.Checks = slices.DeleteFunc(r.Checks, func(c report.Check) bool { return c.Fault == "launch" })
	}
}

// preferPipewire makes one fault of two: pipewire-pulse waits for a PipeWire that hangs.
func preferPipewire(r *report.Report) {
	cause := slices.IndexFunc(r.Checks, func(c report.Check) bool {
		return c.Feature == "pipewire" && c.Status == report.Failed && (c.Fault == "pipewire-hang" || c.Fault == "pipewire-gone")
	})
	for i := range r.Checks {
		if c := &r.Checks[i]; cause >= 0 && c.Fault == "pulseaudio-hang" && c.Values["server"] == "pipewire-pulse" {
			c.Fault, c.Text = r.Checks[cause].Fault, c.Text+": it waits for PipeWire"
		}
	}
}

// excuseNamespaces makes a note of a user namespace that chrunctl could not make, if the
// launch has made one: a profile of AppArmor may be for chrun only.
func excuseNamespaces(r *report.Report) {
	if slices.ContainsFunc(r.Checks, func(c report.Check) bool { return c.Feature == "launch" && (c.Fault == "launch" || c.Fault == "hang") }) {
		return
	}
	for i := range r.Checks {
		if c := &r.Checks[i]; c.Feature == "host" && c.Status == report.Failed && report.IsNamespaceFault(c.Fault) {
			c.Status, c.Text = report.Note, "for chrunctl: "+c.Text+"; chrun can"
		}
	}
}
